"""The network: any image size, the shapes and numbers it promises."""

import pytest
import torch
import torch.nn.functional as F

from losses import LOSSES
from model import CNN
from training.trial import try_out


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (32, 32), (33, 50), (64, 64), (100, 16)])
def test_any_image_size_gives_two_scores(size):
    model = CNN().eval()
    assert model(torch.randn(3, 3, *size)).shape == (3, 2)


def test_one_set_of_weights_fits_every_size():
    weights = CNN().state_dict()
    model = CNN()
    model.load_state_dict(weights)
    assert torch.isfinite(model(torch.randn(2, 3, 48, 48))).all()


def test_pooling_before_bias_and_relu_gives_the_values_of_the_usual_order():
    torch.manual_seed(0)
    model, images = CNN().eval(), torch.randn(4, 3, 32, 32)
    features = images
    for convolution in (model.conv1, model.conv2, model.conv3):
        features = F.conv2d(features, convolution.weight, convolution.bias, padding=1)
        features = F.max_pool2d(F.relu(features), 2)
    expected = model.output(F.relu(model.hidden(features.flatten(1))))
    torch.testing.assert_close(model(images), expected)


def test_scores_are_raw_and_dropout_works_only_in_training():
    torch.manual_seed(0)
    model, images = CNN(), torch.randn(8, 3, 32, 32)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
    assert not torch.allclose(model(images).sum(1), torch.ones(8))


def test_trying_out_tells_every_layer_and_leaves_the_model_as_it_was():
    torch.manual_seed(0)
    model = CNN()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = try_out(model, LOSSES["MSELoss"], image_size=64, batch_size=32)
    assert [row[0] for row in table] == ["conv1", "conv2", "conv3", "hidden", "output"]
    assert [row[2] for row in table] == [[8, 32, 32], [24, 16, 16], [48, 8, 8], [64], [2]]
    assert sum(row[3] for row in table) == sum(own.numel() for own in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(own.grad is None for own in model.parameters())
