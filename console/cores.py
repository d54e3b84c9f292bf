"""Cores: how many this program may use, and threads that leave them to others while they wait.

wait_politely()      # before torch is imported
threads_for(64)      # of a training or test at 64 pixels
"""

import os
import platform
from pathlib import Path

# Of an image. With fewer a second thread gains a third on a quiet machine, and loses more beside
# one busy program.
PIXELS_A_THREAD = 2048


def wait_politely() -> None:
    """Have threads sleep while they wait, unless the user has said how they are to wait.

    OpenMP's would spin: beside other programs on the same cores an epoch takes five times as long.
    OpenMP reads this when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def usable_cores() -> int:
    """How many cores this program may use: those that a job was given, not the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(image_size: int) -> int:
    """Threads that one training or test deserves at this image size: one up to 63 pixels.

    So `train.py` by itself gives small images the bits of the sweep, whose trainings have one
    thread each. docs/speed.md holds the measurement.
    """
    return max(1, min(usable_cores(), image_size**2 // PIXELS_A_THREAD))


def machine() -> str:
    """The processor's name, the cores and the system, as a figure names them."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}"


def processor() -> str:
    """The processor's name, where Linux or the platform tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()
