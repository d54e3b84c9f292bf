"""The CNN: three convolution blocks and two fully connected layers, two raw scores out.

    from model import CNN
    scores = CNN()(images)      # float (N, 3, H, W), H and W from 16 -> float (N, 2)

Put a network of your own here: any module CNN() that turns such images into two scores works.
Widths and dropout of this one are chosen by measurement: see docs/network.md.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

GRID = 4  # the last feature map is averaged down to GRID x GRID


class CNN(nn.Module):
    """A plain CNN for square or oblong images from 16 pixels; its weights fit any image size."""

    def __init__(
        self, widths: Sequence[int] = (8, 24, 48), hidden: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.conv1 = Block(3, first, 3, padding=1)
        self.conv2 = Block(first, second, 3, padding=1)
        self.conv3 = Block(second, third, 3, padding=1)
        self.hidden = nn.Linear(third * GRID * GRID, hidden)
        self.output = nn.Linear(hidden, 2)
        self.dropout = dropout

    def forward(self, images: Tensor) -> Tensor:
        """Turn normalised images, float (N, 3, H, W), into raw scores, float (N, 2)."""
        features = self.conv1(images)
        features = self.conv2(features)
        features = self.conv3(features)
        features = to_grid(features).flatten(1)
        features = F.dropout(features, self.dropout, self.training)
        features = F.relu(self.hidden(features))
        features = F.dropout(features, self.dropout, self.training)
        return self.output(features)


class Block(nn.Conv2d):
    """Convolution, 2 x 2 max-pooling, ReLU: float (N, C, H, W) -> float (N, C', H/2, W/2).

    Bias and ReLU after pooling give the values they give before it, for a quarter of the work,
    and the gradient of a convolution is cheaper without its bias.
    """

    bias: nn.Parameter  # a convolution may have none; a block has one

    def forward(self, images: Tensor) -> Tensor:
        features = F.conv2d(images, self.weight, padding=self.padding)
        features = F.max_pool2d(features, 2)
        return F.relu(features + self.bias[:, None, None])


def to_grid(features: Tensor) -> Tensor:
    """Bring feature maps (N, C, h, w), h and w from 2, to (N, C, GRID, GRID).

    Larger maps are averaged over equal, possibly overlapping windows. (Adaptive pooling would
    do, but has no repeatable gradient on a GPU.) Maps smaller than the grid are repeated.
    """
    if min(features.shape[-2:]) < GRID:
        features = features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    height, width = features.shape[-2:]
    if (height, width) == (GRID, GRID):
        return features
    down = height // GRID
    across = width // GRID
    window = (height - (GRID - 1) * down, width - (GRID - 1) * across)
    return F.avg_pool2d(features, window, stride=(down, across))
