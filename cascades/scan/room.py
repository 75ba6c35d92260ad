"""Memory that each thread keeps from one sheet to the next: fresh pages cost more than what is written on them."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_KEPT = 1 << 24
"""numbers; more than that is not kept"""
_kept = threading.local()


def room(name: str, count: int, kind: type[np.generic]) -> NDArray[Any]:
    """Numbers of a kind that nobody has set; the same memory at the next call of that name in this thread."""
    if count > MOST_KEPT:
        return np.empty(count, dtype=kind)
    rooms: dict[str, NDArray[Any]] = _kept.__dict__
    if name not in rooms or len(rooms[name]) < count:
        rooms[name] = np.empty(count, dtype=kind)
    return rooms[name][:count]
