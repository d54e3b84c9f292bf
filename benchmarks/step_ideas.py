"""What each idea for the training step is worth: an epoch with one thing changed, beside ours.

    python benchmarks/step_ideas.py --data FOLDER [--image_size 32] [--rounds 5]

One thread; the ways take turns. The first four undo what train.py does, the others add what it
does not do.
"""

import argparse
import shutil
from unittest import mock

import torch
import torch.nn.functional as F
from batches import Images
from measure import alternate, print_machine, print_ratios
from one_training import Ours
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import train
from dataset import Data, load_data
from model import CNN, to_grid


def default_layout(own: Ours) -> None:
    """Images, weights and momentum as PyTorch lays them out by default, channel by channel."""
    images = own.images
    pixels, scale, shift = (
        value.movedim(-1, -3).contiguous() for value in (images.images, images.scale, images.shift)
    )
    images.inputs = lambda batch: torch.addcmul(shift, pixels.index_select(0, batch).float(), scale)
    own.model.to(memory_format=torch.contiguous_format)
    own.state.momentum[:] = [momentum.contiguous() for momentum in own.state.momentum]


def usual_order(own: Ours) -> None:
    """Bias and ReLU before pooling."""
    network = own.model

    def forward(images: Tensor) -> Tensor:
        for convolution in (network.conv1, network.conv2, network.conv3):
            images = F.max_pool2d(F.relu(convolution(images)), 2)
        features = F.dropout(to_grid(images).flatten(1), network.dropout, network.training)
        hidden = F.dropout(F.relu(network.hidden(features)), network.dropout, network.training)
        return network.output(hidden)

    network.forward = forward


def tallies_in_the_loop(own: Ours) -> None:
    """Loss and accuracy summed in every step."""
    totals = torch.zeros(2)

    def tallied(scores: Tensor, one_hot: Tensor) -> Tensor:
        loss = own.loss(scores, one_hot)
        correct = (scores.argmax(1) == one_hot.argmax(1)).sum()
        totals.add_(torch.stack([loss.detach() * len(scores), correct]))
        return loss

    own.step = train.make_step(own.state, own.images, tallied, own.options)


def torch_optimizer(own: Ours) -> None:
    optimizer = torch.optim.SGD(own.model.parameters(), 0.01, momentum=0.9, fused=True)

    plain = own.step

    def update(*_: object) -> None:
        optimizer.step()
        optimizer.zero_grad()

    def step(batch: Tensor) -> Tensor:
        with mock.patch.object(train, "sgd_step", update):
            return plain(batch)

    own.step = step


def normalised_once(own: Ours) -> None:
    """All images kept as normalised float32, four times the memory."""
    whole = own.images.inputs(torch.arange(len(own.images.images))).permute(0, 2, 3, 1)
    own.images.inputs = lambda indices: whole.index_select(0, indices).permute(0, 3, 1, 2)


def dropout_from_bytes(own: Ours) -> None:
    """A dropout mask drawn as bytes instead of by F.dropout."""

    def dropout(features: Tensor, share: float, training: bool) -> Tensor:
        if not training:
            return features
        keep = torch.randint(0, 256, features.shape, dtype=torch.uint8) >= round(256 * share)
        return features * keep * (1 / (1 - share))

    def forward(images: Tensor) -> Tensor:
        with mock.patch.object(F, "dropout", dropout):
            return CNN.forward(own.model, images)

    own.model.forward = forward


def compiled(own: Ours) -> None:
    """The network through torch.compile, which needs a C++ compiler."""
    own.model.forward = torch.compile(own.model.forward)


IDEAS = {
    "default memory layout": default_layout,
    "bias and ReLU before pooling": usual_order,
    "loss and accuracy summed in every step": tallies_in_the_loop,
    "torch.optim.SGD(fused=True)": torch_optimizer,
    "images normalised once": normalised_once,
    "dropout masks from bytes": dropout_from_bytes,
    "torch.compile": compiled,
}


def way(data: Data, idea: str = "") -> Ours:
    """The epochs of train.py, with one thing changed."""
    torch.manual_seed(0)
    own = Ours(Images(data, torch.device("cpu")), CNN())
    if idea:
        IDEAS[idea](own)
    return own


def print_profile(own: Ours) -> None:
    """Which kernels an epoch's training time goes to."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        own.train()
    kernels = sorted(profiled.key_averages(), key=lambda own: -own.self_cpu_time_total)
    total = sum(own.self_cpu_time_total for own in kernels)
    print("\nshare of train.py's own time, as torch's profiler sees it")
    for own in kernels[:7]:
        print(f"  {own.key:44} {100 * own.self_cpu_time_total / total:3.0f}%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print_machine()
    data = load_data(options.data, options.image_size)
    ideas = [idea for idea in IDEAS if idea != "torch.compile" or shutil.which("g++")]
    ways = {idea: way(data, idea).train for idea in ideas} | {"train.py": way(data).train}
    print_ratios("an epoch's training, 8-24-48, 1 thread", alternate(ways, options.rounds))
    print_profile(way(data))


if __name__ == "__main__":
    main()
