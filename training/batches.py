"""Images on the device, normalised batch by batch; scores of a model for many images.

    images = Images(data, torch.device("cpu"))
    scores = score_all(model, images, images.splits["valid"])

No worker processes, no files: a batch is a slice of one uint8 tensor.
"""

import functools
import random
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dataset import Data
from losses import Loss, one_hot
from training.processes import sum_over_all

EVALUATION_PIXELS = 256 * 32 * 32  # scored at once: more gained nothing and takes more memory


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
        self.device, self.memory_format = device, memory_format
        with warnings.catch_warnings():
            # Read-only on purpose: nothing writes to the decoded images.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.images = torch.from_numpy(data.images).to(device)  # uint8 (N, H, W, 3)
        self.targets = torch.from_numpy(data.targets).to(device)  # int64 (N,)
        self.one_hot = one_hot(self.targets)  # float32 (N, 2)
        self.splits = {part: torch.from_numpy(at).to(device) for part, at in data.splits.items()}
        # value * scale + shift normalises; spread over a whole image, so that the arithmetic
        # runs along memory instead of three channels at a time.
        scale = 1 / (255 * torch.tensor(data.std, device=device))
        shift = -torch.tensor(data.mean, device=device) * 255 * scale
        self.scale = scale.expand(self.images.shape[1:]).contiguous()
        self.shift = shift.expand(self.images.shape[1:]).contiguous()

    def inputs(self, indices: Tensor) -> Tensor:
        """Normalised float32 (n, 3, H, W) in the memory format."""
        pixels = self.images.index_select(0, indices).to(torch.float32)
        normalised = torch.addcmul(self.shift, pixels, self.scale).permute(0, 3, 1, 2)
        return normalised.contiguous(memory_format=self.memory_format)


def shuffled_batches(indices: Tensor, batch_size: int, seed: int) -> Sequence[Tensor]:
    """Split int64 indices (n,) into batches in a new order; the last one may be smaller.

    A remainder of one image joins the batch before it: batch normalisation needs two.
    """
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    batches = indices[order.to(indices.device)].split(batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        batches = (*batches[:-2], torch.cat(batches[-2:]))
    return batches


def seed_of(seed: int, *key: int) -> int:
    """The seed of one stream of a training's random numbers, named by its key.

    numpy's spawn keys keep streams apart, also those whose keys differ by a zero at the end.
    """
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def seed_all(seed: int, *key: int) -> None:
    """Seed the random numbers of torch, numpy and Python with one stream's seed.

    numpy gets more words than torch: both would draw the same numbers from the same word.
    """
    if has_gpu():
        torch.manual_seed(seed_of(seed, *key))
    else:  # torch's own asks for every kind of GPU, and takes ten times as long
        torch.default_generator.manual_seed(seed_of(seed, *key))
    random.seed(seed_of(seed, *key))
    np.random.seed(np.random.SeedSequence(seed, spawn_key=key).generate_state(4))


@functools.cache
def has_gpu() -> bool:
    """Whether there is a GPU that torch may use."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


@torch.inference_mode()
def score_all(
    model: nn.Module, images: Images, indices: Tensor | np.ndarray, batch_size: int | None = None
) -> Tensor:
    """Raw scores, float32 (n, 2), of the images at `indices`, without dropout."""
    model.eval()
    indices = torch.as_tensor(indices, device=images.targets.device)
    pixels = images.images[0, ..., 0].numel()
    batches = indices.split(batch_size or max(1, EVALUATION_PIXELS // pixels))
    return torch.cat([model(images.inputs(batch)).float() for batch in batches])


@torch.no_grad()  # a loss may have parameters of its own
def loss_and_accuracy(
    loss_function: Loss, scores: Tensor, images: Images, indices: Tensor
) -> tuple[float, float]:
    """Means over the images of all processes; `scores`, float32 (n, 2), belong to `indices`."""
    totals = torch.zeros(3, device=scores.device)  # loss, correct, images
    if len(indices):
        loss = loss_function(scores, images.one_hot[indices])
        correct = (scores.argmax(1) == images.targets[indices]).sum()
        totals += torch.stack([loss * len(indices), correct, totals.new_tensor(len(indices))])
    loss, correct, count = sum_over_all(totals).tolist()
    return loss / count, correct / count
