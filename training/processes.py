"""Where one training computes: its device, its threads, and its processes, several under torchrun.

    torchrun --nproc_per_node=2 train.py --epochs 20

Alone, every function here does nothing or returns what it is given.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.futures import Future

from console.cores import threads_for
from console.errors import InputError
from records.runs import what_changed
from training.tried import TORCHRUN

T = TypeVar("T")


class Share(NamedTuple):
    """A process's part of a batch of indices, int64 (n,), and the weight of its gradients."""

    indices: Tensor
    weight: float


def world_size() -> int:
    """How many processes train together."""
    return number_from_torchrun("WORLD_SIZE", 1)


def rank() -> int:
    """This process's number; process 0 is the one that writes."""
    return number_from_torchrun("RANK", 0)


def number_from_torchrun(name: str, alone: int) -> int:
    """What torchrun tells its processes in their environment; `alone` where it has started none."""
    return int(os.environ[name]) if TORCHRUN in os.environ else alone


def choose_device(name: str) -> torch.device:
    """Turn auto, cpu, cuda, cuda:1 or mps into a device; InputError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    # Before CUDA starts, else its bits vary.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        device = torch.device(name)
        if name == "cuda":  # each process of a machine its own GPU
            device = torch.device("cuda", number_from_torchrun("LOCAL_RANK", 0))
            torch.cuda.set_device(device)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = first_line(error)
        if reason.startswith("Expected one of"):  # of all that torch knows, two dozen
            reason = "no device is called so"
        raise InputError(f"--device {name} cannot be used: {reason}; try --device cpu") from None
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.allow_tf32 = False  # float32 as on a CPU
    return device


def first_line(error: Exception) -> str:
    """What an error says first; torch adds traces of its own."""
    return str(error).split("\n")[0]


def choose_threads(image_size: int) -> None:
    """Compute on as many threads as the image size deserves, or as OMP_NUM_THREADS says."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads_for(image_size))


@contextlib.contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Meet the other processes, and part from them; exit status 1 if one of them is lost."""
    if world_size() == 1:
        yield
        return
    try:
        meet(device)
        yield
        distributed.destroy_process_group()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        remedy = "start it with torchrun; it goes on after the last finished epoch"
        sys.exit(f"error: process {rank()} lost the others ({first_line(error)}); {remedy}")


def meet(device: torch.device) -> None:
    """Wait for the other processes that torchrun has started.

    torchrun's store of addresses outlives a restart. Under the same names a process would find
    the address that another one had before, and be refused.
    """
    shared_store, _, _ = next(distributed.rendezvous("env://"))
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = distributed.PrefixStore(f"restart_{restart}", shared_store)
    group = partial(
        distributed.init_process_group, store=store, rank=rank(), world_size=world_size()
    )
    if device.type == "cuda":
        group("nccl", device_id=device)
    else:
        group("gloo")


def from_first(value: T) -> T:
    """Give every process the value that process 0 has."""
    if world_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def check_same(identity: dict[str, Any]) -> None:
    """InputError in all processes if one would train on something else than the first.

    `identity` is what decides this process's result: settings, images, sources, versions.
    """
    if world_size() == 1:
        return
    identities = [identity] * world_size()
    distributed.all_gather_object(identities, identity)
    for number, other in enumerate(identities):
        names = ", ".join(change.name for change in what_changed(identities[0], other))
        if names:
            remedy = "give every process the same images and the same program"
            raise InputError(f"process {number} has others than process 0: {names}; {remedy}")


class Average:
    """The average of the gradients of all processes, each weighted by its share of the batch."""

    def __init__(self) -> None:
        self.weight = 1.0  # of this process, for the batch at hand

    def add_up(self, bucket: distributed.GradBucket) -> Future[Tensor]:
        """Add up some gradients: a communication hook of DistributedDataParallel."""
        weighted = bucket.buffer().mul_(self.weight)
        work = distributed.all_reduce(weighted, async_op=True)
        return work.get_future().then(lambda ended: ended.value()[0])


AVERAGE = Average()  # one for a process: what backward() calls knows nothing of batches


@functools.lru_cache(maxsize=1)
def wrap(model: nn.Module) -> nn.Module:
    """Make backward() average gradients over all processes; once for a model."""
    if world_size() == 1:
        return model
    shared = nn.parallel.DistributedDataParallel(model)
    shared.register_comm_hook(AVERAGE, Average.add_up)
    return shared


def take_share(batch: Tensor) -> Share:
    """This process's part of a batch of indices, by which its gradients weigh from now on.

    Weighted so, the sum of the processes' gradients is that of the mean over the batch's images.
    No part is smaller than two images, which batch normalisation needs: of a small batch some
    processes get a part that weighs nothing, since all have to take part in averaging.
    """
    parts = max(1, min(world_size(), len(batch) // 2))
    indices = batch[rank() % parts :: parts]
    AVERAGE.weight = len(indices) / len(batch) if rank() < parts else 0.0
    return Share(indices, AVERAGE.weight)


def sum_over_all(values: Tensor) -> Tensor:
    """Add up a tensor over all processes."""
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def share_buffers(model: nn.Module) -> None:
    """Give every process the buffers of process 0: running means of batch normalisation."""
    if world_size() > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
