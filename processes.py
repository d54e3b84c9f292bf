"""The processes of one training: alone, or several under torchrun with gloo or NCCL.

    torchrun --nproc_per_node=2 train.py --epochs 20

Alone, every function here does nothing or returns what it is given.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from runs import InputError, RunError


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number; process 0 is the one that writes."""
    return int(os.environ.get("RANK", "0"))


def device_name(name: str) -> str:
    """Give each process of a machine its own GPU."""
    if world_size() > 1 and name in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return name


@contextlib.contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Meet the other processes, and part from them in the end.

    InputError if they cannot be reached, RunError if one of them ends before the training does.
    """
    if world_size() == 1:
        yield
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"cannot meet the other processes of this training: {reason}; start it with torchrun"
        ) from None
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        raise RunError(
            f"process {rank()} lost the others ({reason}); "
            "the same command goes on after the last finished epoch"
        ) from None
    distributed.destroy_process_group()


def wait_for_all() -> None:
    """Go on only when every process has come here."""
    if world_size() > 1:
        distributed.barrier()


def from_first(value: object) -> object:
    """Give every process the value that process 0 has."""
    if world_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def wrap(model: nn.Module) -> nn.Module:
    """Make backward() average gradients over all processes."""
    return nn.parallel.DistributedDataParallel(model) if world_size() > 1 else model


def share_of(batch: Tensor) -> Tensor:
    """This process's part of a batch; empty if it has fewer images than there are processes."""
    return batch[rank() :: world_size()] if world_size() > 1 else batch


def sum_over_all(values: Tensor) -> Tensor:
    """Add up a tensor over all processes."""
    if world_size() > 1:
        distributed.all_reduce(values)
    return values
