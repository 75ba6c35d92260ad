"""Work for the engines under test; of a module, so that it can be sent to other processes."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from pipeline.core.errors import DiskFullError, VideoError
from pipeline.engine import Send


def counting(item: tuple[int, int, str], send: Send) -> int:
    """Sends `first`, ..., `last` - 1 one by one; with a folder it kills its own process at 3, as often as there is a file."""
    first, last, folder = item
    for number in range(first, last):
        if number == 3 and folder and (bullets := sorted(Path(folder).iterdir())):
            bullets[0].unlink()
            time.sleep(0.2)  # what was sent is read by then
            os.kill(os.getpid(), signal.SIGKILL)
        send(number)
    return last


def failing(item: Any, send: Send) -> None:
    """Fails in the way its item says."""
    send("begun")
    if item == "bad":
        raise VideoError("this one is bad")
    if item == "odd":
        raise Unsendable(lambda: None)
    if item == "full":
        raise DiskFullError("no room")


class Unsendable(Exception):
    """Cannot be pickled."""


def big(item: int, send: Send) -> int:
    """Sends more than fits into a pipe."""
    for _ in range(item):
        send(b"\0" * 1_000_000)
    return os.getpid()
