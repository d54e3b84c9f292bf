"""The network: any image size, the shapes and numbers it promises."""

import torch
import torch.nn.functional as F

from model import CNN


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
