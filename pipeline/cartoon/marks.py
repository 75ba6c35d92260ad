"""Marks drawn over a face, as SVG in the canvas of the face's style: brows, a tear, sweat, a round mouth."""

from collections.abc import Callable
from types import MappingProxyType

from pipeline.cartoon.cast import Anatomy


def _stroke(path: str, width: float, ink: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{width:.2f}" stroke-linecap="round"/>'


def _brows(anatomy: Anatomy, ink: str, inner: float, outer: float) -> str:
    """Two strokes over the eyes; `inner` and `outer` lift their ends, in brow heights."""
    left_x, left_y, right_x, right_y = anatomy.eyes
    half = (right_x - left_x) * 0.27
    rise = anatomy.brow
    strokes = (
        f"M{left_x - half:.2f} {left_y - rise * outer:.2f}L{left_x + half:.2f} {left_y - rise * inner:.2f}",
        f"M{right_x + half:.2f} {right_y - rise * outer:.2f}L{right_x - half:.2f} {right_y - rise * inner:.2f}",
    )
    return "".join(_stroke(path, anatomy.face[2] * 0.09, ink) for path in strokes)


def sad_brows(anatomy: Anatomy, ink: str, skin: str) -> str:
    """Brows whose inner ends are up."""
    del skin
    return _brows(anatomy, ink, 1.35, 0.75)


def raised_brows(anatomy: Anatomy, ink: str, skin: str) -> str:
    """Brows lifted as a whole."""
    del skin
    return _brows(anatomy, ink, 1.5, 1.4)


def _drop(x: float, y: float, size: float, ink: str) -> str:
    return (
        f'<path d="M{x:.2f} {y:.2f}q{size * 0.7:.2f} {size:.2f} 0 {size * 1.5:.2f}q{-size * 0.7:.2f} {-size * 0.5:.2f} 0 '
        f'{-size * 1.5:.2f}z" fill="#bfe4ff" stroke="{ink}" stroke-width="{size * 0.12:.2f}"/>'
    )


def tear(anatomy: Anatomy, ink: str, skin: str) -> str:
    """A tear under each eye."""
    del skin
    left_x, left_y, right_x, right_y = anatomy.eyes
    size, down = anatomy.face[2] * 0.26, anatomy.face[3] * 0.1
    return _drop(left_x - size * 0.4, left_y + down, size, ink) + _drop(right_x + size * 0.1, right_y + down, size, ink)


def sweat(anatomy: Anatomy, ink: str, skin: str) -> str:
    """A drop at the temple."""
    del skin
    x, y, half_width, half_height = anatomy.face
    return _drop(x - half_width * 0.72, y - half_height * 0.42, half_width * 0.3, ink)


def round_mouth(anatomy: Anatomy, ink: str, skin: str) -> str:
    """Covers the mouth with skin and opens a round one."""
    x, y = anatomy.mouth
    half_width = anatomy.face[2]
    cover = f'<ellipse cx="{x - half_width * 0.08:.2f}" cy="{y}" rx="{half_width * 0.55:.2f}" ry="{half_width * 0.33:.2f}" fill="{skin}"/>'
    radius = half_width * 0.17
    return (
        f'{cover}<ellipse cx="{x}" cy="{y}" rx="{radius:.2f}" ry="{radius * 1.35:.2f}" fill="#6d1f2a" '
        f'stroke="{ink}" stroke-width="{radius * 0.3:.2f}"/>'
    )


MARKS: MappingProxyType[str, Callable[[Anatomy, str, str], str]] = MappingProxyType(
    {mark.__name__: mark for mark in (sad_brows, raised_brows, tear, sweat, round_mouth)}
)
"""name -> (anatomy, ink color, skin color) -> SVG"""
