"""Where work runs: this process, or a pool of processes on this machine."""

import logging
import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from pipeline.core.errors import WorkspaceError

log = logging.getLogger(__name__)

T = TypeVar("T")
Tick = Callable[[float], None]
"""says that so many more units of work are done"""


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[[Any, Tick], T], items: Sequence[Any], jobs: int, tick: Tick
) -> Iterator[tuple[int, T | Exception]]:
    """Runs `work(item, tick)` for every item and yields (position, result or exception) as each ends.

    With `jobs` 1 all runs here, in order. Otherwise in a pool of processes: `work` and the items are pickled, and a
    worker that dies (out of memory, killed) fails its own item alone; the others are run again in a new pool.

    Raises:
        WorkspaceError: raised by `work`; no later item could succeed.
    """
    if jobs <= 1 or len(items) <= 1:
        for position, item in enumerate(items):
            yield position, _guarded(work, item, tick)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy threads' locks (cv2, torch, numba)
    pending = dict(enumerate(items))
    suspects: set[int] = set()
    with _TickPump(context, tick) as ticks:
        while pending:
            # after a death nobody knows whose fault it was: those that ran then are tried again one at a time
            alone = bool(suspects & set(pending))
            batch = sorted(suspects & set(pending))[:1] if alone else sorted(pending)
            with ProcessPoolExecutor(
                1 if alone else jobs, mp_context=context, initializer=_start_worker, initargs=(ticks,)
            ) as pool:
                running = {pool.submit(_in_worker, work, pending[i]): i for i in batch}
                for position, outcome in _outcomes(running):
                    if isinstance(outcome, BrokenProcessPool):
                        if alone:
                            del pending[position]
                            yield position, RuntimeError("its worker process died (out of memory, or killed)")
                        else:
                            suspects.add(position)
                        continue
                    del pending[position]
                    yield position, outcome


def _outcomes(running: "dict[Future[T], int]") -> Iterator[tuple[int, T | Exception]]:
    left = set(running)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for future in done:
            error = future.exception()
            if isinstance(error, WorkspaceError):
                for other in left:
                    other.cancel()
                raise error
            if error is not None and not isinstance(error, Exception):
                raise error
            yield running[future], error if error is not None else future.result()


def _guarded(work: Callable[[Any, Tick], T], item: Any, tick: Tick) -> T | Exception:
    try:
        return work(item, tick)
    except WorkspaceError:
        raise
    except Exception as error:  # one bad item never stops the others; the caller reports it by name
        log.debug("failed: %s", item, exc_info=True)
        return error


class _TickPump:
    """A queue that workers put progress into, and a thread that hands it on."""

    def __init__(self, context: multiprocessing.context.SpawnContext, tick: Tick) -> None:
        self.queue: Any = context.Queue()
        self.tick, self.ended = tick, threading.Event()
        self.thread = threading.Thread(target=self._pump, daemon=True)

    def __enter__(self) -> Any:
        self.thread.start()
        return self.queue

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.queue.close()

    def _pump(self) -> None:
        while not self.ended.is_set():
            try:
                self.tick(self.queue.get(timeout=0.1))
            except queue.Empty:
                continue


_worker_ticks: Any = None


def _start_worker(ticks: Any) -> None:
    global _worker_ticks
    _worker_ticks = ticks
    import cv2

    cv2.setNumThreads(1)  # the pool is the parallelism


def _in_worker(work: Callable[[Any, Tick], T], item: Any) -> T:
    held = 0.0

    def tick(amount: float) -> None:
        nonlocal held
        held += amount
        if held >= 24:
            _worker_ticks.put(held)
            held = 0.0

    result = work(item, tick)
    _worker_ticks.put(held)
    return result
