"""The report's way, as PyTorch's own tutorials do it: ImageFolder, DataLoader, .item().

Every image is decoded again in every epoch, in one process. The network, the images, the
split and the settings are those of train.py, so that only the way differs.
"""

from collections.abc import Callable

import measure  # noqa: F401 (puts the project on the path)
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from dataset import Data


class TutorialCNN(nn.Module):
    """The layers of model.CNN at 32 pixels, in the usual order and memory layout."""

    def __init__(self, channels: tuple[int, ...], image_size: int) -> None:
        super().__init__()
        layers, before = [], 3
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            before = width
        self.features = nn.Sequential(*layers)
        size = before * (image_size // 8) ** 2
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(size, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 2)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images).flatten(1))


def loaders(data: Data, batch_size: int = 32, every: int = 1) -> tuple[DataLoader, DataLoader]:
    """Training and validation loaders over the same images, or over one in `every` of them."""
    image_size = data.images.shape[1]
    prepare = transforms.Compose(
        [
            transforms.Resize((image_size, image_size)),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    folder = ImageFolder(f"{data.source}/train", prepare)
    numbers = {path: number for number, (path, _) in enumerate(folder.samples)}
    train, valid = (
        Subset(folder, [numbers[f"{data.source}/{data.names[i]}"] for i in data.splits[part]])
        for part in ("train", "valid")
    )
    for subset in (train, valid):
        subset.indices = subset.indices[::every]
    return DataLoader(train, batch_size, shuffle=True), DataLoader(valid, 256)


def run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: nn.Module,
    train: DataLoader,
    valid: DataLoader,
) -> tuple[float, float]:
    """One epoch of training and validation; mean losses of the batches."""
    model.train()
    train_loss = 0.0
    for images, targets in train:
        optimizer.zero_grad()
        loss = criterion(model(images), targets)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    model.eval()
    valid_loss = 0.0
    with torch.no_grad():
        for images, targets in valid:
            valid_loss += criterion(model(images), targets).item()
    return train_loss / len(train), valid_loss / len(valid)


def epoch_of(
    data: Data, channels: tuple[int, ...], batch_size: int = 32, every: int = 1
) -> Callable[[], tuple[float, float]]:
    """One epoch of a new network, on one image in `every`, as a function."""
    model = TutorialCNN(channels, data.images.shape[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    train, valid = loaders(data, batch_size, every)
    return lambda: run_epoch(model, optimizer, nn.CrossEntropyLoss(), train, valid)
