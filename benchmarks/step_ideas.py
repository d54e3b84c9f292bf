"""What each idea for the training step is worth: an epoch without it, beside train.py's own.

    python benchmarks/step_ideas.py --data FOLDER [--image_size 32] [--rounds 2]

One thread; ways are run in turn.
"""

import argparse

import torch
import torch.nn.functional as F
from measure import alternate, print_machine, print_ratios
from one_training import NETWORKS, Ours
from torch import Tensor

from batches import Images
from dataset import load_data


class PlainInputs(Images):
    """Images gathered by indexing and normalised channel by channel."""

    def inputs(self, indices: Tensor) -> Tensor:
        pixels = self.images[indices].to(torch.float32)
        return pixels.sub_(self.mean).mul_(self.factor).permute(0, 3, 1, 2)


def plain_forward(model: torch.nn.Module, images: Tensor) -> Tensor:
    """The network with ReLU before pooling."""
    for convolution in (model.conv1, model.conv2, model.conv3):
        images = F.max_pool2d(F.relu(convolution(images)), 2)
    features = F.dropout(images.flatten(1), model.dropout, model.training)
    hidden = F.dropout(F.relu(model.hidden(features)), model.dropout, model.training)
    return model.output(hidden)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, device = load_data(options.data, options.image_size), torch.device("cpu")
    images, plain = Images(data, device), PlainInputs(data, device)
    plain.mean = 255 * torch.tensor(data.mean)
    plain.factor = 1 / (255 * torch.tensor(data.std))
    ways = {name: Ours(images, NETWORKS[0]) for name in ("layout", "order", "torch", "ours")}
    ways["inputs"] = Ours(plain, NETWORKS[0])
    ways["layout"].model.to(memory_format=torch.contiguous_format)
    plain_model = ways["order"].model
    plain_model.forward = lambda batch: plain_forward(plain_model, batch)
    optimizer = torch.optim.SGD(ways["torch"].parameters, 0.01, momentum=0.9, fused=True)

    def torch_step() -> None:
        optimizer.step()
        optimizer.zero_grad()

    ways["torch"].step = torch_step
    contiguous = ways["layout"].model.forward
    ways["layout"].model.forward = lambda batch: contiguous(batch.contiguous())
    print_machine()
    shown = {
        "default memory layout": ways["layout"].train,
        "ReLU before pooling": ways["order"].train,
        "indexing, normalising by channel": ways["inputs"].train,
        "torch.optim.SGD(fused=True)": ways["torch"].train,
        "train.py": ways["ours"].train,
    }
    print_ratios("an epoch's training, 8-24-48, 1 thread", alternate(shown, options.rounds))


if __name__ == "__main__":
    main()
