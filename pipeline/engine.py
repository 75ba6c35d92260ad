"""Where work runs: what every engine promises. The engines are in `engines/`: this machine, or a Ray cluster."""

import os
from collections.abc import Callable, Generator
from typing import Any, Protocol

Send = Callable[[Any], None]
"""hands a part of an item's result to whoever runs the engine; returns when there is room for it"""
Work = Callable[[Any, Send], Any]
"""`work(item, send)` does one item and returns what closes it; a function of a module, so that it can be sent anywhere"""
ATTEMPTS = 3
"""how often an item is begun when the process or machine that does it dies; the last time on its own"""


class Engine(Protocol):
    """Runs work over items."""

    def run(
        self, work: Work, count: int, item: Callable[[int], Any], receive: Callable[[int, Any], None]
    ) -> Generator[tuple[int, Any], None, None]:
        """Does `count` items and yields (position, result or exception) as each ends.

        `item(position)` is asked for when an item is begun, and again when it is begun anew because its worker died:
        it then says how much of it is done. `receive(position, part)` gets what the work sends, one call at a time,
        in the caller's thread; a part that was received is never sent again by that worker.

        Raises:
            WorkspaceError: raised by `work` or `receive`; no later item could succeed.
        """
        ...


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
