"""Images on the device, normalised batch by batch; scores of a model for many images.

    from batches import Images, score_all
    images = Images(data, torch.device("cpu"))
    scores = score_all(model, images, images.splits["valid"])

No worker processes, no files: a batch is a slice of one uint8 tensor.
"""

import contextlib
import os
import textwrap
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dataset import Data
from losses import one_hot
from runs import InputError

EVALUATION_PIXELS = 256 * 32 * 32  # scored at once: more gained nothing and takes more memory


class Images:
    """A data set's images, targets and splits as tensors on one device."""

    def __init__(self, data: Data, device: torch.device) -> None:
        with warnings.catch_warnings():
            # Read-only on purpose: nothing writes to the decoded images.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.images = torch.from_numpy(data.images).to(device)  # uint8 (N, H, W, 3)
        self.targets = torch.from_numpy(data.targets).to(device)  # int64 (N,)
        self.one_hot = one_hot(self.targets)  # float32 (N, 2)
        self.splits = {name: torch.from_numpy(own).to(device) for name, own in data.splits.items()}
        # value * scale + shift normalises; spread over a whole image, so that the arithmetic
        # runs along memory instead of three channels at a time.
        scale = 1 / (255 * torch.tensor(data.std, device=device))
        shift = -torch.tensor(data.mean, device=device) * 255 * scale
        self.scale = scale.expand(self.images.shape[1:]).contiguous()
        self.shift = shift.expand(self.images.shape[1:]).contiguous()

    def inputs(self, indices: Tensor) -> Tensor:
        """Normalised float32 (n, 3, H, W) in channels_last memory, as convolutions like it."""
        pixels = self.images.index_select(0, indices).to(torch.float32)
        return torch.addcmul(self.shift, pixels, self.scale).permute(0, 3, 1, 2)


def choose_device(name: str) -> torch.device:
    """Turn auto, cpu, cuda, cuda:1 or mps into a device; InputError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = textwrap.shorten(str(error), 100, placeholder=" …")
        raise InputError(f"--device {name} cannot be used: {reason}; try --device cpu") from None
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)  # streams, graphs and NCCL use the current device
        torch.backends.cudnn.benchmark = False  # a benchmark's winner may differ between runs
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else its bits vary
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """The context in which a model computes at a precision: float32 or bfloat16."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def shuffled_batches(indices: Tensor, batch_size: int, random: torch.Generator) -> Sequence[Tensor]:
    """Split int64 indices (n,) into batches in a new order; the last one may be smaller."""
    order = torch.randperm(len(indices), generator=random).to(indices.device)
    return indices[order].split(batch_size)


def seed_of(seed: int, *key: int) -> int:
    """The seed of one stream of a training's random numbers, named by its key.

    numpy's spawn keys keep streams apart, also those whose keys differ by a zero at the end.
    """
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def as_cuda_graph(
    step: Callable[[Tensor], Tensor], batch_size: int, changed: list[Tensor]
) -> Callable[[Tensor], Tensor]:
    """Make a step's kernels one graph: small batches on a GPU are bound by launching kernels.

    A graph has fixed shapes, so batches of another size are stepped as they are. `changed` are
    the tensors that a step changes; they are left as they were. The scores that the graph's step
    returns are written over by the next one.
    """
    before = [own.detach().clone() for own in changed]
    batch = torch.zeros(batch_size, dtype=torch.int64, device=changed[0].device)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # libraries set themselves up in the first steps
            step(batch)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=aside):
        scores = step(batch)
    with torch.no_grad():
        for own, value in zip(changed, before, strict=True):
            own.copy_(value)

    def run(own: Tensor) -> Tensor:
        if len(own) != batch_size:
            return step(own)
        batch.copy_(own)
        graph.replay()
        return scores

    return run


@torch.inference_mode()
def score_all(
    model: nn.Module,
    images: Images,
    indices: Tensor,
    precision: str = "float32",
    batch_size: int | None = None,
) -> Tensor:
    """Raw scores, float32 (n, 2), of the images at `indices`, without dropout."""
    model.eval()
    pixels = images.images[0, ..., 0].numel()
    scores = []
    for batch in indices.split(batch_size or max(1, EVALUATION_PIXELS // pixels)):
        with autocast(images.images.device, precision):
            scores.append(model(images.inputs(batch)).float())
    return torch.cat(scores)
