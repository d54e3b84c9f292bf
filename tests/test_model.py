"""The network: any image size, the shapes and numbers it promises."""

import pytest
import torch
import torch.nn.functional as F

from model import CNN

SIZES = [(16, 16), (17, 31), (33, 50), (48, 48), (64, 64), (100, 16)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_image_size_gives_two_scores(height, width):
    model = CNN().eval()
    scores = model(torch.randn(4, 3, height, width))
    assert scores.shape == (4, 2)
    assert torch.isfinite(scores).all()


def test_scores_are_those_of_plain_layers_without_softmax():
    model = CNN().eval()
    images = torch.randn(4, 3, 32, 32)
    features = images
    for layer in (model.conv1, model.conv2, model.conv3):
        features = F.conv2d(features, layer.weight, layer.bias, padding=1)
        features = F.max_pool2d(F.relu(features), 2)
    hidden = F.relu(model.hidden(features.flatten(1)))
    torch.testing.assert_close(model(images), model.output(hidden))


def test_dropout_changes_scores_in_training():
    model = CNN().train()
    images = torch.randn(4, 3, 32, 32)
    assert not torch.equal(model(images), model(images))


def test_dropout_changes_no_scores_in_testing():
    model = CNN().eval()
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(model(images), model(images))
