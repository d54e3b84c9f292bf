"""The report's way, as PyTorch's own tutorials do it: ImageFolder, DataLoader, .item().

Every image is decoded again in every epoch, in one process. The network, the images, the
split and the settings are those of train.py, so that only the way differs.
"""

import torch
from measure import PROJECT  # noqa: F401 (puts the project on the path)
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from dataset import Data


class TutorialCNN(nn.Module):
    """The layers of model.CNN in the usual order and memory layout."""

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


def loaders(data: Data, batch_size: int, share: float = 1.0) -> tuple[DataLoader, DataLoader]:
    """Training and validation loaders over the same images; `share` of the training images."""
    image_size = data.images.shape[1]
    prepare = transforms.Compose(
        [
            transforms.Resize((image_size, image_size)),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    folder = ImageFolder(f"{data.source}/train", prepare)
    places = {path.split("/train/", 1)[1]: i for i, (path, _) in enumerate(folder.samples)}
    parts = []
    for part in ("train", "valid"):
        names = [data.names[i].split("/", 1)[1] for i in data.splits[part]]
        own = [places[name] for name in names]
        parts.append(Subset(folder, own[:: max(1, round(1 / share))] if share < 1 else own))
    train, valid = parts
    return DataLoader(train, batch_size, shuffle=True), DataLoader(valid, 256)


def epoch(
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


def make(channels: tuple[int, ...], image_size: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network and its optimiser."""
    model = TutorialCNN(channels, image_size)
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
