"""Which colour stands for whom: eight hues that colour-blind readers tell apart (after Okabe & Ito 2008), as CSS classes.

The style sheet defines each class twice, for light and for dark pages.
"""

from collections.abc import Mapping
from types import MappingProxyType

HUES = 8
SPLIT_HUES: Mapping[str, str] = MappingProxyType({"train": "k0", "val": "k4", "test": "k2"})
"""split -> class"""


def hues_for(counts: Mapping[str, int]) -> dict[str, str]:
    """Name -> class `k0` to `k7`, the most frequent name first; they begin again where there are more names."""
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: f"k{rank % HUES}" for rank, name in enumerate(ranked)}
