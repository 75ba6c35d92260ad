"""Things that are not faces and tempt a detector: round ones with dots, holes in pairs, blank heads, scribbles.

Every function returns SVG centered at (x, y) with radius `r`; the colors come from `rng`.
"""

import math
from collections.abc import Callable
from random import Random

from pipeline.cartoon.letters import WORDS, word_svg

BRIGHT = ("#e4572e", "#f3a712", "#6a994e", "#3d7ea6", "#a44a9c", "#d8c99b", "#e8e4da", "#c08552", "#f7b2bd", "#88c0c0")
INK = "#2b2430"

Decoy = Callable[[Random, float, float, float], str]


def circle(x: float, y: float, r: float, fill: str, stroke: str = INK, width: float = 0.0) -> str:
    """An SVG circle."""
    line = f' stroke="{stroke}" stroke-width="{width:.1f}"' if width else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(r, 0.1):.1f}" fill="{fill}"{line}/>'


def rect(x: float, y: float, width: float, height: float, fill: str, *, line: float = 0.0, round_: float = 0.0) -> str:
    """An SVG rectangle centered at (x, y)."""
    stroke = f' stroke="{INK}" stroke-width="{line:.1f}"' if line else ""
    left, top = x - width / 2, y - height / 2
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{round_:.1f}" '
        f'fill="{fill}"{stroke}/>'
    )


def path(d: str, fill: str = "none", stroke: str = INK, width: float = 0.0) -> str:
    """An SVG path."""
    line = (
        f' stroke="{stroke}" stroke-width="{width:.1f}" stroke-linecap="round" stroke-linejoin="round"' if width else ""
    )
    return f'<path d="{d}" fill="{fill}"{line}/>'


def ball(rng: Random, x: float, y: float, r: float) -> str:
    """A beach ball with segments, or a bowling ball with its three holes."""
    color, other = rng.sample(BRIGHT, 2)
    body = circle(x, y, r, color, width=r * 0.08)
    if rng.random() < 0.5:
        holes = ((-0.25, -0.3), (0.2, -0.35), (0.02, 0.0))
        return body + "".join(circle(x + dx * r, y + dy * r, r * 0.11, INK) for dx, dy in holes)
    bands = f"M{x - r * 0.7:.1f} {y - r * 0.7:.1f}Q{x:.1f} {y:.1f} {x - r * 0.7:.1f} {y + r * 0.7:.1f}"
    bands += f"M{x + r * 0.7:.1f} {y - r * 0.7:.1f}Q{x:.1f} {y:.1f} {x + r * 0.7:.1f} {y + r * 0.7:.1f}"
    return body + path(bands, stroke=other, width=r * 0.2)


def button(rng: Random, x: float, y: float, r: float) -> str:
    """A coat button: a rim and two or four holes."""
    color = rng.choice(BRIGHT)
    holes = (
        ((-0.3, 0), (0.3, 0)) if rng.random() < 0.4 else ((-0.26, -0.26), (0.26, -0.26), (-0.26, 0.26), (0.26, 0.26))
    )
    rim = circle(x, y, r, color, width=r * 0.07) + circle(x, y, r * 0.74, "none", width=r * 0.05)
    return rim + "".join(circle(x + dx * r, y + dy * r, r * 0.12, INK) for dx, dy in holes)


def dial(rng: Random, x: float, y: float, r: float) -> str:
    """A clock or gauge."""
    face = circle(x, y, r, rng.choice(("#f6f1e4", "#dfe8ea", "#3c4450", "#f2e2b8")), width=r * 0.1)
    ticks = [2 * math.pi * k / 12 for k in range(12)]
    marks = "".join(circle(x + 0.8 * r * math.cos(t), y + 0.8 * r * math.sin(t), r * 0.05, INK) for t in ticks)
    hands = ""
    for length in (0.5, 0.7):
        t = rng.uniform(0, 2 * math.pi)
        tip = f"{x + length * r * math.cos(t):.1f} {y + length * r * math.sin(t):.1f}"
        hands += path(f"M{x:.1f} {y:.1f}L{tip}", stroke="#b03030", width=r * 0.08)
    return face + marks + hands + circle(x, y, r * 0.1, INK)


def wheel(rng: Random, x: float, y: float, r: float) -> str:
    """A wheel with spokes."""
    count = rng.choice((5, 6, 8))
    turn = rng.uniform(0, 1)
    spokes = "".join(
        f"M{x:.1f} {y:.1f}L{x + 0.8 * r * math.cos(t):.1f} {y + 0.8 * r * math.sin(t):.1f}"
        for t in (turn + 2 * math.pi * k / count for k in range(count))
    )
    tyre = circle(x, y, r * 0.86, rng.choice(BRIGHT), stroke="#2a2a2e", width=r * 0.26)
    return tyre + path(spokes, stroke="#d9d9de", width=r * 0.09) + circle(x, y, r * 0.2, "#55555c")


def flower(rng: Random, x: float, y: float, r: float) -> str:
    """Petals around a dotted middle."""
    petal, middle = rng.sample(BRIGHT, 2)
    count = rng.choice((5, 6, 8))
    angles = [2 * math.pi * k / count for k in range(count)]
    petals = "".join(
        circle(x + 0.62 * r * math.cos(t), y + 0.62 * r * math.sin(t), r * 0.4, petal, width=r * 0.05) for t in angles
    )
    dots = "".join(
        circle(x + rng.uniform(-0.25, 0.25) * r, y + rng.uniform(-0.25, 0.25) * r, r * 0.05, INK) for _ in range(4)
    )
    return petals + circle(x, y, r * 0.42, middle, width=r * 0.05) + dots


def moon(rng: Random, x: float, y: float, r: float) -> str:
    """A moon with craters, some of them where eyes would be."""
    color = rng.choice(("#f4ecc2", "#dfe3ea", "#f5d98b"))
    craters = [(-0.35, -0.2, 0.15), (0.3, -0.25, 0.18), (0.05, 0.35, 0.22)]
    craters += [(rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), rng.uniform(0.05, 0.13)) for _ in range(3)]
    return circle(x, y, r, color) + "".join(circle(x + a * r, y + b * r, c * r, "#c2b790") for a, b, c in craters)


def socket(rng: Random, x: float, y: float, r: float) -> str:
    """A wall socket: two slots over a hole."""
    plate = rect(x, y, 2 * r, 2 * r, rng.choice(("#f4f1ea", "#e6dfd0")), line=r * 0.07, round_=r * 0.3)
    slots = rect(x - r * 0.35, y - r * 0.25, r * 0.16, r * 0.5, INK) + rect(
        x + r * 0.35, y - r * 0.25, r * 0.16, r * 0.5, INK
    )
    return plate + slots + circle(x, y + r * 0.45, r * 0.17, INK)


def mask(rng: Random, x: float, y: float, r: float) -> str:
    """A blank oval head: a mannequin or a mask without holes."""
    color = rng.choice(("#f0e6d8", "#e9c9a6", "#cfd6d9", "#b98a63"))
    oval = f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{r * 0.78:.1f}" ry="{r:.1f}" fill="{color}" stroke="{INK}" stroke-width="{r * 0.06:.1f}"/>'
    seam = (
        f"M{x:.1f} {y - r * 0.9:.1f}V{y + r * 0.9:.1f}"
        if rng.random() < 0.5
        else f"M{x - r * 0.7:.1f} {y:.1f}H{x + r * 0.7:.1f}"
    )
    return rect(x, y + r * 1.2, r * 0.4, r * 0.6, color, line=r * 0.06) + oval + path(seam, width=r * 0.03)


def poster(rng: Random, x: float, y: float, r: float) -> str:
    """A sheet with scribbles: loops, dots, a word."""
    sheet = rect(x, y, 1.7 * r, 2 * r, rng.choice(("#fdf6e3", "#dcecf2", "#f7d9d0", "#e9f2d8")), line=r * 0.05)
    points = [(x + rng.uniform(-0.6, 0.6) * r, y + rng.uniform(-0.75, 0.35) * r) for _ in range(9)]
    curve = f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(
        f"Q{points[k][0]:.1f} {points[k][1]:.1f} {points[k + 1][0]:.1f} {points[k + 1][1]:.1f}" for k in (1, 3, 5, 7)
    )
    dots = "".join(circle(a, b, r * 0.08, rng.choice(BRIGHT)) for a, b in points[:4])
    return (
        sheet
        + path(curve, stroke=rng.choice(BRIGHT), width=r * 0.08)
        + dots
        + word_svg(rng.choice(WORDS), x, y + r * 0.7, r * 0.25, INK)
    )


def window(rng: Random, x: float, y: float, r: float) -> str:
    """A window with a cross, light or dark."""
    glass = rect(x, y, 1.6 * r, 2 * r, rng.choice(("#a9d3e8", "#f6e3a1", "#35405c", "#cfe6ef")), line=r * 0.12)
    return glass + path(f"M{x:.1f} {y - r:.1f}V{y + r:.1f}M{x - r * 0.8:.1f} {y:.1f}H{x + r * 0.8:.1f}", width=r * 0.08)


def sign(rng: Random, x: float, y: float, r: float) -> str:
    """A board with a word."""
    board = rect(x, y, 3 * r, 1.3 * r, rng.choice(BRIGHT), line=r * 0.08, round_=r * 0.15)
    return board + word_svg(rng.choice(WORDS), x, y, r * 0.7, rng.choice(("#ffffff", INK)))


def lights(rng: Random, x: float, y: float, r: float) -> str:
    """Traffic lights."""
    on = rng.randrange(3)
    bulbs = "".join(
        circle(x, y + (k - 1) * r * 0.62, r * 0.24, color if k == on else "#4a4a4a", width=r * 0.04)
        for k, color in enumerate(("#e03c31", "#f4c430", "#3aa655"))
    )
    return rect(x, y, r * 0.9, 2 * r, "#2f3136", line=r * 0.06, round_=r * 0.2) + bulbs


INDOOR: tuple[Decoy, ...] = (button, dial, socket, mask, poster, window, ball, poster, window)
OUTDOOR: tuple[Decoy, ...] = (ball, wheel, flower, flower, sign, lights, mask, wheel)
"""what stands about in rooms and under the sky"""
