"""A Ray cluster: an episode is a task; what it sends streams back to us, who alone write the catalogue.

Without an address a cluster of this machine alone is started, on the loopback address. A task whose process or machine
dies is begun again from what it had handed in, on whatever is left of the cluster.
"""

import contextlib
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from pipeline.core.errors import MissingToolError, UsageError, WorkspaceError
from pipeline.engine import ATTEMPTS, Work
from pipeline.engines.guard import died, guarded, portable

log = logging.getLogger(__name__)

AHEAD = 4
"""parts that a task may hand in before we have taken the first; bounds memory"""
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""set to 0 Ray keeps to the loopback address, on every system; asked for 127.0.0.1 it takes the machine's own instead"""
STARTS = 3
"""how often a cluster of this machine is tried to be started"""
WAITING_TASKS = 2
"""tasks that wait for a core, per core, so that none is idle while we write"""


class ClusterEngine:
    """Runs items as tasks of one core each."""

    def __init__(self, address: str = "", cores: int = 2) -> None:
        """`address`: of a cluster that runs (`HOST:PORT`, `auto`); empty for one on this machine with so many cores."""
        self.address, self.cores = address, cores

    def run(
        self, work: Work, count: int, item: Callable[[int], Any], receive: Callable[[int, Any], None]
    ) -> Generator[tuple[int, Any], None, None]:
        """As `Engine.run`."""
        if count == 0:
            return
        with self._connected() as ray:
            tasks = _Tasks(ray, work, item, receive)
            try:
                yield from tasks.run(count)
            finally:
                tasks.cancel()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        if not self.address:
            os.environ.setdefault(LOOPBACK_ONLY, "0")
        try:
            import ray
        except ImportError as error:
            raise MissingToolError("--engine ray needs Ray: pip install 'toonsift[cluster]'") from error
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address:
            options |= {"address": self.address}
            if self.address.startswith("127."):  # else Ray looks for its own processes on another address
                options |= {"_node_ip_address": self.address.partition(":")[0]}
        else:
            options |= {"address": "local", "num_cpus": self.cores, "include_dashboard": False}
        self._begin(ray, options)
        try:
            yield ray
        finally:
            ray.shutdown()

    def _begin(self, ray: Any, options: dict[str, Any]) -> None:
        """Connects; a busy machine needs more than one try, because Ray gives its own processes 30 s to appear."""
        said = ""
        for _ in range(STARTS):
            try:
                ray.init(**options)
                return
            except Exception as error:  # Ray raises what it likes, bare Exception too
                said = str(error).splitlines()[0] if str(error) else type(error).__name__
                ray.shutdown()
            if self.address:
                break
        raise UsageError(
            f"no Ray cluster at {self.address or 'this machine'}: {said}; check --ray-address, and that both run "
            "the same versions of Ray and Python"
        )


class _Tasks:
    def __init__(self, ray: Any, work: Work, item: Callable[[int], Any], receive: Callable[[int, Any], None]) -> None:
        self.ray, self.work, self.item, self.receive = ray, work, item, receive
        # no retries by Ray: it would begin at the start, and send again what is committed
        self.remote = ray.remote(
            num_cpus=1, max_retries=0, num_returns="streaming", _generator_backpressure_num_objects=AHEAD
        )(_parts)
        self.running: dict[Any, int] = {}
        self.begun: dict[int, int] = {}

    def run(self, count: int) -> Generator[tuple[int, Any], None, None]:
        waiting = deque(range(count))
        while waiting or self.running:
            room = max(1, int(self.ray.cluster_resources().get("CPU", 1))) * (1 + WAITING_TASKS)
            while waiting and len(self.running) < room:
                self._begin(waiting.popleft())
            ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=1.0)
            for stream in ready:
                ended = self._hear(stream, waiting)
                if ended is not None:
                    yield ended

    def cancel(self) -> None:
        """Ends every task that still runs."""
        for stream in self.running:
            with contextlib.suppress(Exception):
                self.ray.cancel(stream, force=True)

    def _begin(self, position: int) -> None:
        self.begun[position] = self.begun.get(position, 0) + 1
        self.running[self.remote.remote(self.work, self.item(position))] = position

    def _hear(self, stream: Any, waiting: "deque[int]") -> tuple[int, Any] | None:
        position = self.running[stream]
        try:
            ended, value = self.ray.get(next(stream))
        except StopIteration:
            return self._bury(stream, waiting, "it ended without a word")
        except self.ray.exceptions.RayError as error:
            return self._bury(stream, waiting, type(error).__name__)
        if not ended:
            self.receive(position, value)
            return None
        del self.running[stream]
        if isinstance(value, WorkspaceError):
            raise value
        return position, value

    def _bury(self, stream: Any, waiting: "deque[int]", how: str) -> tuple[int, Any] | None:
        position = self.running.pop(stream)
        log.warning("a worker of the cluster died (%s) at item %d", how, position)
        if self.begun[position] >= ATTEMPTS:
            return position, died(how)
        waiting.append(position)
        return None


def _parts(work: Work, item: Any) -> Iterator[tuple[bool, Any]]:
    """Runs in the cluster: (False, part) for everything that the work sends, then (True, its result or exception)."""
    parts: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=AHEAD)

    def do() -> None:
        try:
            outcome = guarded(work, item, lambda part: parts.put((False, part)))
        except WorkspaceError as error:
            outcome = error
        parts.put((True, portable(outcome) if isinstance(outcome, Exception) else outcome))

    threading.Thread(target=do, daemon=True).start()
    ended = False
    while not ended:
        ended, value = parts.get()
        yield ended, value
