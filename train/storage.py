"""Where decoded pictures lie: in the device's memory while there is room, else in a file."""

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.core.files import disk_errors
from train.options import TrainOptions

SHARE = 0.5
"""of the memory that is free, what pictures may take"""


def free_bytes(device: torch.device) -> int:
    """Memory that is free there at the moment."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError, StopIteration, ValueError), Path("/proc/meminfo").open() as lines:
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def fits(count: int, side: int, options: TrainOptions, device: torch.device) -> bool:
    """Whether so many decoded pictures shall lie in the device's memory."""
    if options.data == "auto":
        return count * 3 * side * side <= SHARE * free_bytes(device)
    return options.data == "device"


def on_disk(shape: tuple[int, ...], folder: Path) -> NDArray[np.uint8]:
    """A uint8 array in a file without a name in that folder: the system keeps in memory what it has room for.

    The file is gone when nobody uses the array any more, however the process ends. Raises DiskFullError.
    """
    with disk_errors(folder), tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, int(np.prod(shape))))
        return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
