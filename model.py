"""The CNN: three convolution blocks and two fully connected layers, two raw scores out.

    from model import CNN
    scores = CNN()(images)      # float (N, 3, H, W), H and W from 16 -> float (N, 2)

The widths and the dropout are chosen by measurement: see "Which network" in the README.
"""

import torch.nn.functional as F
from torch import Tensor, nn

GRID = 4  # the last feature map is averaged down to GRID x GRID


class CNN(nn.Module):
    """A plain CNN for square or oblong images from 16 pixels; its weights fit any image size."""

    def __init__(
        self,
        channels: tuple[int, int, int] = (8, 24, 48),
        hidden: int = 64,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.conv1 = nn.Conv2d(3, first, 3, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1)
        self.hidden = nn.Linear(third * GRID * GRID, hidden)
        self.output = nn.Linear(hidden, 2)
        self.dropout = dropout

    def forward(self, images: Tensor) -> Tensor:
        """Turn normalised images, float (N, 3, H, W), into raw scores, float (N, 2)."""
        features = images
        for convolution in (self.conv1, self.conv2, self.conv3):
            # Bias and ReLU after pooling give the values they give before it, for a quarter of
            # the work, and the gradient of a convolution is cheaper without its bias.
            features = F.conv2d(features, convolution.weight, padding=convolution.padding)
            features = F.max_pool2d(features, 2)
            features = F.relu(features + convolution.bias.to(features.dtype)[:, None, None])
        features = F.dropout(to_grid(features).flatten(1), self.dropout, self.training)
        features = F.dropout(F.relu(self.hidden(features)), self.dropout, self.training)
        return self.output(features)


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
    stride = (height // GRID, width // GRID)
    window = (height - (GRID - 1) * stride[0], width - (GRID - 1) * stride[1])
    return F.avg_pool2d(features, window, stride)


def layer_table(image_size: int) -> list[list]:
    """Name, kind, output shape of one image and parameter count of each layer of the CNN."""
    table, size = [], image_size
    for name, layer in CNN().named_children():
        if isinstance(layer, nn.Conv2d):
            shape, size = [layer.out_channels, size, size], size // 2
        else:
            shape = [layer.out_features]
        count = sum(parameter.numel() for parameter in layer.parameters())
        table.append([name, layer.extra_repr(), shape, count])
    return table
