"""Kernels without reference counts: Numba's loops over arrays are up to three times as fast, but may make no array.

The option is Numba's own and private: where a version of Numba no longer has it, kernels are compiled as all others are.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def uncounted_option() -> dict[str, Any]:
    """The option that leaves out reference counts; nothing where Numba does not know it."""
    try:
        from numba.core.cpu import CPUTargetOptions
    except ImportError:
        return {}
    return {"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else {}


_OPTION = uncounted_option()


def lean(function: Kernel) -> Kernel:
    """As `cascades.compiled.compiled`, without counting references where Numba can do that."""
    return _compiled(function, False)


def inlined(function: Kernel) -> Kernel:
    """As `lean`, put where it is called: handing a cascade's many arrays over costs more than a few stumps."""
    return _compiled(function, True)


def _compiled(function: Kernel, forceinline: bool) -> Kernel:
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True, forceinline=forceinline, **_OPTION)(function))
    except RuntimeError:  # no folder is writable
        return cast(Kernel, numba.njit(nogil=True, forceinline=forceinline, **_OPTION)(function))
