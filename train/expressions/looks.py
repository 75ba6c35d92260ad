"""What a drawn face shows, in numbers, and which numbers an emotion is drawn with.

The numbers are what animators move and what Ekman & Friesen's action units name: brows up and down (1, 2, 4), lids (5, 7), the
corners and the opening of the mouth (12, 15, 25 to 27). Emotions overlap on purpose, as they do in cartoons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Ranges = tuple[tuple[float, float, float], ...]
"""share of the faces, least, most; what the shares leave keeps the usual value"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One expression; the usual values are those of a face at rest."""

    brow_height: float = 0.0
    """-1 pressed down, 1 raised"""
    brow_slope: float = 0.0
    """-1 the inner ends down, as in anger; 1 the outer ends, as in grief"""
    eye_opening: float = 1.0
    """0 shut, 1 as usual, 1.5 torn open"""
    lower_lid: float = 0.0
    """1 pushed up over half of the eye"""
    pupil: float = 1.0
    """size, of the character's own"""
    squeezed: float = 0.0
    """above 0: eyes are drawn as > <"""
    smile: float = 0.0
    """-1 the corners of the mouth down, 1 up"""
    mouth_opening: float = 0.0
    """1 as wide as it goes"""
    mouth_width: float = 0.3
    """half of it, in half faces"""
    lopsided: float = 0.0
    """brows, lids and mouth higher on one side"""
    wavy: float = 0.0
    """how much the mouth's line trembles"""
    teeth: float = 0.0
    """above 0: teeth show"""
    tears: float = 0.0
    """above 0: there are some"""
    sweat: float = 0.0
    """above 0: there is a drop"""


def _ranges(**numbers: Ranges | tuple[float, float]) -> Mapping[str, Ranges]:
    """Two numbers alone hold for every face."""
    return MappingProxyType({name: r if isinstance(r[0], tuple) else ((1.0, *r),) for name, r in numbers.items()})


def _sometimes(share: float, least: float = 1.0, most: float = 1.0) -> Ranges:
    return ((share, least, most),)


EMOTIONS: Mapping[str, Mapping[str, Ranges]] = MappingProxyType(
    {
        "afraid": _ranges(
            brow_height=(0.1, 1), brow_slope=(0.3, 1), eye_opening=(1.05, 1.5), pupil=(0.2, 0.6), smile=(-0.8, 0),
            mouth_opening=_sometimes(0.6, 0.15, 0.8), mouth_width=(0.2, 0.48), wavy=_sometimes(0.6, 0.3, 1),
            teeth=_sometimes(0.5), sweat=_sometimes(0.35),
        ),
        "angry": _ranges(
            brow_height=(-1, -0.2), brow_slope=(-1, -0.4), eye_opening=(0.35, 1.05), lower_lid=(0, 0.3), pupil=(0.5, 1),
            smile=(-0.9, 0.15), mouth_opening=_sometimes(0.5, 0.1, 0.9), mouth_width=(0.15, 0.48),
            lopsided=(-0.25, 0.25), wavy=_sometimes(0.15, 0, 0.6), teeth=_sometimes(0.5),
        ),
        "asleep": _ranges(
            brow_height=(-0.1, 0.4), brow_slope=(-0.1, 0.4), eye_opening=(0, 0.3), smile=(-0.3, 0.3),
            mouth_opening=_sometimes(0.5, 0.1, 0.5), mouth_width=(0.08, 0.3),
        ),
        "disgusted": _ranges(
            brow_height=(-0.7, 0), brow_slope=(-0.6, 0.2), eye_opening=(0.3, 0.7), lower_lid=(0.3, 0.7),
            smile=(-0.8, -0.1), mouth_opening=_sometimes(0.4, 0.1, 0.6), mouth_width=(0.2, 0.42),
            lopsided=((0.5, -0.6, -0.2), (0.5, 0.2, 0.6)), wavy=_sometimes(0.5, 0, 0.8),
        ),
        "happy": _ranges(
            brow_height=(-0.1, 0.7), brow_slope=(-0.15, 0.3), eye_opening=((0.25, 0.05, 0.25), (0.75, 0.6, 1.15)),
            lower_lid=(0, 0.5), smile=(0.35, 1), mouth_opening=_sometimes(0.6, 0, 1), mouth_width=(0.22, 0.5),
            lopsided=(-0.15, 0.15), teeth=_sometimes(0.4),
        ),
        "neutral": _ranges(
            brow_height=(-0.2, 0.25), brow_slope=(-0.15, 0.15), eye_opening=(0.75, 1.05), smile=(-0.15, 0.15),
            mouth_width=(0.1, 0.35), lopsided=(-0.08, 0.08),
        ),
        "pained": _ranges(
            brow_height=(-1, -0.1), brow_slope=(-0.7, 0.3), eye_opening=(0, 0.15), lower_lid=(0.5, 0.5), squeezed=(1, 1),
            smile=(-0.9, -0.1), mouth_opening=_sometimes(0.7, 0.2, 1), mouth_width=(0.2, 0.5), lopsided=(-0.2, 0.2),
            wavy=_sometimes(0.3, 0, 0.8), teeth=_sometimes(0.6),
        ),
        "sad": _ranges(
            brow_height=(-0.3, 0.4), brow_slope=(0.35, 1), eye_opening=((0.2, 0.05, 0.2), (0.8, 0.35, 0.95)),
            smile=(-1, -0.3), mouth_opening=_sometimes(0.3, 0.1, 0.7), mouth_width=(0.1, 0.38), lopsided=(-0.15, 0.15),
            wavy=_sometimes(0.2, 0, 0.5), tears=_sometimes(0.25),
        ),
        "smug": _ranges(
            brow_height=(-0.2, 0.4), brow_slope=(-0.5, -0.05), eye_opening=(0.3, 0.6), lower_lid=(0, 0.3),
            smile=(0.25, 0.8), mouth_opening=_sometimes(0.3, 0.1, 0.4), mouth_width=(0.18, 0.4),
            lopsided=((0.5, -0.8, -0.3), (0.5, 0.3, 0.8)), teeth=_sometimes(0.5),
        ),
        "surprised": _ranges(
            brow_height=(0.4, 1), brow_slope=(-0.2, 0.3), eye_opening=(1.1, 1.5), pupil=(0.35, 1), smile=(-0.25, 0.3),
            mouth_opening=(0.4, 1), mouth_width=(0.07, 0.26),
        ),
    }
)  # fmt: skip
ANY = _ranges(
    brow_height=(-1, 1), brow_slope=(-1, 1), eye_opening=(0, 1.5), lower_lid=_sometimes(0.4, 0, 0.5), pupil=(0.25, 1),
    squeezed=_sometimes(0.05), smile=(-1, 1), mouth_opening=_sometimes(0.6, 0, 1), mouth_width=(0.07, 0.5),
    lopsided=_sometimes(0.4, -0.6, 0.6), wavy=_sometimes(0.15, 0, 1), teeth=_sometimes(0.35), tears=_sometimes(0.05),
)  # fmt: skip
"""no emotion in particular"""


def look_of(ranges: Mapping[str, Ranges], chance: np.random.Generator) -> Look:
    """A look with numbers from these ranges."""
    numbers = {}
    for name in (field.name for field in fields(Look)):
        left = chance.random()
        for share, least, most in ranges.get(name, ()):
            if left < share:
                numbers[name] = float(chance.uniform(least, most))
                break
            left -= share
    return Look(**numbers)


MEASURED = (
    "brow_height",
    "brow_slope",
    "eye_opening",
    "lower_lid",
    "smile",
    "mouth_opening",
    "mouth_width",
    "lopsided",
)
"""what of a look is to be read off a picture"""
_MIDDLES = np.array([0.0, 0.0, 0.8, 0.1, 0.0, 0.3, 0.28, 0.2], dtype=np.float32)
_REACHES = np.array([1.0, 1.0, 1.0, 0.5, 1.0, 0.5, 0.2, 0.5], dtype=np.float32)


def measures_of(look: Look) -> NDArray[np.float32]:
    """(8,) the numbers of MEASURED, most of them in -1..1; of a mirrored picture the same."""
    numbers = np.array([getattr(look, name) for name in MEASURED], dtype=np.float32)
    numbers[-1] = abs(numbers[-1])
    return np.asarray((numbers - _MIDDLES) / _REACHES, dtype=np.float32)
