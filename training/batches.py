"""Images on the device, normalised batch by batch; scores of a model for many images.

    images = Images(data, torch.device("cpu"))
    scores = score_all(model, images, images.splits["valid"])

No worker processes, no files: a batch is a slice of one uint8 tensor. Where several processes
train together each gets its share of the images here, and what is counted is counted over all.
"""

import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dataset import Data
from losses import Loss, one_hot
from training.processes import rank, share_buffers, sum_over_all, take_share, world_size

Augment = Callable[[Tensor], Tensor]  # of an image, uint8 (3, H, W)
EVALUATION_PIXELS = 256 * 32 * 32  # scored at once: more gained nothing and takes more memory


class LossAndAccuracy(NamedTuple):
    """Means over some images."""

    loss: float
    accuracy: float


class Images:
    """A data set's images, targets and splits as tensors on one device.

    A network gets them in `memory_format`: convolutions like channels_last, but `.view` in a
    network may need contiguous_format.
    """

    def __init__(
        self,
        data: Data,
        device: torch.device,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        self.device = device
        self.memory_format = memory_format
        with warnings.catch_warnings():
            # Read-only on purpose: nothing writes to the decoded images.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.images = torch.from_numpy(data.images).to(device)  # uint8 (N, H, W, 3)
        self.size = data.images.shape[1]  # in pixels, of a side
        self.targets = torch.from_numpy(data.targets).to(device)  # int64 (N,)
        self.one_hot = one_hot(self.targets)  # float32 (N, 2)
        self.splits: dict[str, Tensor] = {}
        for part, indices in data.splits.items():
            self.splits[part] = torch.from_numpy(indices).to(device)
        # value * scale + shift normalises; spread over a whole image, so that the arithmetic
        # runs along memory instead of three channels at a time.
        scale = 1 / (255 * torch.tensor(data.std, device=device))
        shift = -torch.tensor(data.mean, device=device) * 255 * scale
        shape = self.images.shape[1:]
        self.scale = scale.expand(shape).contiguous()
        self.shift = shift.expand(shape).contiguous()

    def inputs(self, indices: Tensor, augment: Augment | None = None) -> Tensor:
        """Normalised float32 (n, 3, H, W) in the memory format; `augment` gets each image first."""
        pixels = self.images.index_select(0, indices)
        if augment is not None:
            augmented = [augment(image) for image in pixels.permute(0, 3, 1, 2)]
            pixels = torch.stack(augmented).permute(0, 2, 3, 1)
        normalised = torch.addcmul(self.shift, pixels.to(torch.float32), self.scale)
        channels_first = normalised.permute(0, 3, 1, 2)
        return channels_first.contiguous(memory_format=self.memory_format)


class Batches:
    """The training images of one epoch in batches and in a new order, and what they scored.

    Iterating gives the indices of each batch, int64 (n,): of this process's share of it, where
    several train together.
    """

    def __init__(self, images: Images, batch_size: int, order: int) -> None:
        self.images = images
        self.batches = shuffled_batches(images.splits["train"], batch_size, order)
        self.indices = [images.splits["train"][:0]]  # nothing yet: a process may have no share
        self.scores = [images.one_hot[:0]]

    def __iter__(self) -> Iterator[Tensor]:
        for batch in self.batches:
            self.share = take_share(batch)
            yield self.share.indices

    def note(self, scores: Tensor) -> None:
        """Keep the scores of the batch at hand, float32 (n, 2), for the means of the epoch."""
        if self.share.weight > 0:
            self.indices.append(self.share.indices)
            self.scores.append(scores.detach().clone())

    def loss_and_accuracy(self, loss_function: Loss) -> LossAndAccuracy:
        """Means over all images whose scores were noted."""
        scores = torch.cat(self.scores)
        indices = torch.cat(self.indices)
        return loss_and_accuracy(loss_function, scores, self.images, indices)


def validate(model: nn.Module, loss_function: Loss, images: Images) -> LossAndAccuracy:
    """Means over the validation images, each of which one process scores."""
    share_buffers(model)
    indices = images.splits["valid"][rank() :: world_size()]
    scores = score_all(model, images, indices)
    return loss_and_accuracy(loss_function, scores, images, indices)


def shuffled_batches(indices: Tensor, batch_size: int, seed: int) -> Sequence[Tensor]:
    """Split int64 indices (n,) into batches in a new order; the last one may be smaller.

    A remainder of one image joins the batch before it: batch normalisation needs two.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(indices), generator=generator)
    shuffled = indices[order.to(indices.device)]
    batches = shuffled.split(batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        joined = torch.cat(batches[-2:])
        return (*batches[:-2], joined)
    return batches


def seed_of(seed: int, *key: int) -> int:
    """The seed of one stream of a training's random numbers, named by its key.

    numpy's spawn keys keep streams apart, also those whose keys differ by a zero at the end.
    """
    stream = np.random.SeedSequence(seed, spawn_key=key)
    return int(stream.generate_state(1)[0])


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed the random numbers of an epoch, dropout's for one; each process draws its own."""
    seed_all(seed, epoch, rank())


def seed_all(seed: int, *key: int) -> None:
    """Seed the random numbers of torch, numpy and Python with one stream's seed.

    numpy gets more words than torch: both would draw the same numbers from the same word.
    """
    word = seed_of(seed, *key)
    torch.manual_seed(word)
    random.seed(word)
    stream = np.random.SeedSequence(seed, spawn_key=key)
    np.random.seed(stream.generate_state(4))


@torch.inference_mode()
def score_all(
    model: nn.Module,
    images: Images,
    indices: Tensor | np.ndarray,
    batch_size: int | None = None,
) -> Tensor:
    """Raw scores, float32 (n, 2), of the images at int64 `indices` (n,), without dropout."""
    model.eval()
    if batch_size is None:
        pixels = images.images[0, ..., 0].numel()
        batch_size = max(1, EVALUATION_PIXELS // pixels)
    indices = torch.as_tensor(indices, device=images.targets.device)
    scores = []
    for batch in indices.split(batch_size):
        scores.append(model(images.inputs(batch)).float())
    return torch.cat(scores)


@torch.no_grad()  # a loss may have parameters of its own
def loss_and_accuracy(
    loss_function: Loss, scores: Tensor, images: Images, indices: Tensor
) -> LossAndAccuracy:
    """Means over the images of all processes; `scores`, float32 (n, 2), belong to `indices`."""
    totals = torch.zeros(3, device=scores.device)  # loss, correct, images
    count = len(indices)
    if count > 0:
        loss = loss_function(scores, images.one_hot[indices])
        correct = (scores.argmax(1) == images.targets[indices]).sum()
        totals += torch.stack([loss * count, correct, totals.new_tensor(count)])
    loss_of_all, correct_of_all, count_of_all = sum_over_all(totals).tolist()
    return LossAndAccuracy(loss_of_all / count_of_all, correct_of_all / count_of_all)
