"""This machine: one process, or several that each do one item at a time.

A worker and its item belong together: when a worker dies, that item alone is begun again, from what it had handed in.
What workers send goes through a pipe each; a pipe that is full makes its worker wait, so memory stays bounded.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection, wait
from typing import Any

from pipeline.core.errors import WorkspaceError
from pipeline.engine import ATTEMPTS, Work, available_cores
from pipeline.engines.guard import died, guarded, portable

log = logging.getLogger(__name__)


class LocalEngine:
    """`jobs` items at once; with one, or one item, in this process."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def run(
        self, work: Work, count: int, item: Callable[[int], Any], receive: Callable[[int, Any], None]
    ) -> Generator[tuple[int, Any], None, None]:
        """As `Engine.run`."""
        if min(self.jobs, count) <= 1:
            for position in range(count):
                yield position, guarded(work, item(position), _to(receive, position))
            return
        with contextlib.closing(_Pool(work, item, receive, min(self.jobs, count))) as pool:
            yield from pool.run(range(count))


def _to(receive: Callable[[int, Any], None], position: int) -> Callable[[Any], None]:
    return lambda part: receive(position, part)


class _Worker:
    """A process and the item it does."""

    def __init__(self, context: Any, threads: int) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.position = -1

    def end(self) -> None:
        """Stops it at once; what it has not handed in is lost."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class _Pool:
    def __init__(self, work: Work, item: Callable[[int], Any], receive: Callable[[int, Any], None], size: int) -> None:
        self.context = multiprocessing.get_context("spawn")  # fork would copy threads' locks (cv2, torch, numba)
        self.work, self.item, self.receive, self.size = work, item, receive, size
        self.idle: list[_Worker] = []
        self.busy: dict[Connection, _Worker] = {}
        self.begun: dict[int, int] = {}
        self.alone: deque[int] = deque()

    def run(self, positions: range) -> Generator[tuple[int, Any], None, None]:
        waiting = deque(positions)
        while waiting or self.busy or self.alone:
            while waiting and len(self.busy) < self.size:
                self._begin(waiting.popleft())
            if not self.busy:
                self._begin(self.alone.popleft())
            for pipe in wait(list(self.busy)):
                ended = self._hear(self.busy[pipe], waiting)  # type: ignore[index]
                if ended is not None:
                    yield ended

    def close(self) -> None:
        """Ends every worker."""
        for worker in [*self.idle, *self.busy.values()]:
            worker.end()
        self.idle, self.busy = [], {}

    def _begin(self, position: int) -> None:
        worker = self.idle.pop() if self.idle else _Worker(self.context, max(1, available_cores() // self.size))
        worker.position = position
        self.begun[position] = self.begun.get(position, 0) + 1
        self.busy[worker.pipe] = worker
        with contextlib.suppress(BrokenPipeError):  # it died while idle: the next thing heard of it is that
            worker.pipe.send((self.work, self.item(position)))

    def _hear(self, worker: _Worker, waiting: "deque[int]") -> tuple[int, Any] | None:
        """Takes one message of a worker; what ended with it, if anything."""
        position = worker.position
        try:
            ended, value = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker, waiting)
        if not ended:
            self.receive(position, value)
            return None
        del self.busy[worker.pipe]
        self.idle.append(worker)
        if isinstance(value, WorkspaceError):
            raise value
        return position, value

    def _bury(self, worker: _Worker, waiting: "deque[int]") -> tuple[int, Any] | None:
        del self.busy[worker.pipe]
        worker.end()
        position, code = worker.position, worker.process.exitcode
        log.warning("a worker process died (%s) at item %d", _how(code), position)
        if self.begun[position] >= ATTEMPTS:
            return position, died(_how(code))
        (self.alone if self.begun[position] == ATTEMPTS - 1 else waiting).append(position)
        return None


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit code {code}"


def _serve(pipe: Connection, threads: int) -> None:
    """What a worker does: one item after the other until the pipe is closed at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.environ.setdefault("TOONSIFT_THREADS", str(threads))  # the pool is the parallelism
    import cv2

    cv2.setNumThreads(threads)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone: so do we
        while True:
            work, item = pipe.recv()
            try:
                outcome = guarded(work, item, lambda part: pipe.send((False, part)))
            except WorkspaceError as error:
                outcome = error
            pipe.send((True, portable(outcome) if isinstance(outcome, Exception) else outcome))
