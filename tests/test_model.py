"""The network: any image size, the shapes and numbers it promises."""

import torch
import torch.nn.functional as F

from losses import LOSSES
from model import CNN
from training.trial import try_out


def test_scores_are_raw_for_every_image_size_and_dropout_is_for_training_only():
    model = CNN().eval()
    for size in ((16, 16), (17, 31), (33, 50), (48, 48), (64, 64), (100, 16), (32, 32)):
        images = features = torch.randn(4, 3, *size)
        scores = model(images)
        assert scores.shape == (4, 2) and torch.isfinite(scores).all(), size
    for layer in (model.conv1, model.conv2, model.conv3):
        features = F.conv2d(features, layer.weight, layer.bias, padding=1)
        features = F.max_pool2d(F.relu(features), 2)
    torch.testing.assert_close(scores, model.output(F.relu(model.hidden(features.flatten(1)))))
    model.train()
    assert not torch.allclose(model(images), model(images))


def test_trying_out_tells_every_layer_and_leaves_the_model_as_it_was():
    model = CNN()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    names, _, shapes, counts = zip(*try_out(model, LOSSES["MSELoss"], 64, 32), strict=True)
    assert names == ("conv1", "conv2", "conv3", "hidden", "output")
    assert shapes == ([8, 32, 32], [24, 16, 16], [48, 8, 8], [64], [2])
    assert sum(counts) == sum(values.numel() for values in model.parameters())
    assert all(torch.equal(before[name], values) for name, values in model.state_dict().items())
