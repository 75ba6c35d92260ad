"""Numba in one place: kernels cached on disk that release the GIL, and a way to run one over slices on every core.

A kernel writes only to its own slice and no sum crosses a slice, so the result has the same bits on any number of
threads. Kernels that call one another live in one file: Numba's cache does not notice a change in another one.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def _spare_scipy() -> None:
    """Numba loads SciPy's linear algebra with its first kernel only to know whether it is there: a fifth of a second.

    No kernel here needs it, so for that moment it is told that there is none (`np.cov` in a kernel then does without).
    """
    import numba.np.linalg as asking

    def refuse() -> None:
        raise ImportError

    ask = asking.ensure_blas
    asking.ensure_blas = refuse
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        asking.ensure_blas = ask


with contextlib.suppress(ImportError, AttributeError):  # another Numba may be built otherwise
    _spare_scipy()


def compiled(function: Kernel) -> Kernel:
    """The function as machine code; compiled at the first call, kept beside the source or in the user's cache folder."""
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder is writable: compile anew in every process rather than not at all
        return cast(Kernel, numba.njit(nogil=True)(function))


def contracted(function: Kernel) -> Kernel:
    """As `compiled`, but a product and the sum that it goes into are rounded once: twice as fast where both are many.

    The bits are the same in every run on one kind of processor, not between kinds; there is no check for division by 0.
    """
    options = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return cast(Kernel, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no folder is writable
        return cast(Kernel, numba.njit(**options)(function))


_sharers = 1


def thread_count() -> int:
    """Cores this process may use, or its part of them; `TOONSIFT_THREADS` says otherwise."""
    asked = os.environ.get("TOONSIFT_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores // _sharers, 1)


@contextlib.contextmanager
def sharing_cores(sharers: int) -> Iterator[None]:
    """While it lasts kernels take one part in `sharers` of the cores: another process is at work for this one."""
    global _sharers
    before, _sharers = _sharers, sharers
    try:
        yield
    finally:
        _sharers = before


def in_slices(work: Callable[[int, int], object], count: int, smallest: int) -> None:
    """Calls `work(first, end)` on slices that cover `range(count)`, at once where each is `smallest` or more long."""
    pieces = max(1, min(thread_count(), count // max(smallest, 1)))
    if pieces == 1:
        work(0, count)
        return
    edges = [count * i // pieces for i in range(pieces + 1)]
    with ThreadPoolExecutor(pieces) as pool:
        for done in [pool.submit(work, edges[i], edges[i + 1]) for i in range(pieces)]:
            done.result()
