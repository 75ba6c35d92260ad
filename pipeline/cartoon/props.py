"""Props that move or stand in front: fences, bushes, tables, pillars, balls, signs."""

from collections.abc import Callable
from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from pipeline.cartoon import decoys
from pipeline.cartoon.decoys import BRIGHT, circle, path, rect
from pipeline.cartoon.heads import rasterise
from pipeline.cartoon.letters import word_svg


def _fence(rng: Random) -> str:
    color = rng.choice(BRIGHT)
    posts = "".join(
        path(f"M{x - 26} 100V-70L{x} -100L{x + 26} -70V100Z", fill=color, width=5) for x in range(-350, 351, 100)
    )
    return rect(0, -20, 780, 24, color, line=5) + rect(0, 60, 780, 24, color, line=5) + posts


def _bush(rng: Random) -> str:
    greens = ("#4f7d3a", "#6b9a45", "#3e6b4f", "#86a04a")
    blobs = [(rng.uniform(-130, 130), rng.uniform(-45, 60), rng.uniform(35, 60)) for _ in range(14)]
    outline = "".join(circle(x, y, r + 5, decoys.INK) for x, y, r in blobs)
    leaves = "".join(circle(x, y, r, rng.choice(greens)) for x, y, r in blobs)
    flowers = "".join(decoys.flower(rng, rng.uniform(-120, 120), rng.uniform(-40, 60), 20) for _ in range(3))
    return outline + leaves + flowers


def _table(rng: Random) -> str:
    top = rect(0, -75, 560, 30, rng.choice(BRIGHT), line=6, round_=8)
    legs = rect(-220, 20, 26, 170, "#5c4033", line=6) + rect(220, 20, 26, 170, "#5c4033", line=6)
    cloth = rect(0, -10, 500, 130, rng.choice(BRIGHT), line=5)
    return legs + cloth + top


def _pillar(rng: Random) -> str:
    color = rng.choice(BRIGHT)
    return rect(0, 0, 44, 200, color, line=4) + path("M-8 -98V98M8 -98V98", width=2)


def _ball(rng: Random) -> str:
    return decoys.ball(rng, 0, 0, 92)


def _wheel(rng: Random) -> str:
    return decoys.wheel(rng, 0, 0, 92)


def _balloon(rng: Random) -> str:
    color = rng.choice(BRIGHT)
    string = path("M0 30Q20 60 0 98", width=4)
    oval = f'<ellipse cx="0" cy="-30" rx="55" ry="66" fill="{color}" stroke="{decoys.INK}" stroke-width="5"/>'
    return string + oval + circle(-18, -52, 9, "#ffffff")


def _sign(rng: Random) -> str:
    return rect(0, 45, 18, 110, "#5c4033", line=4) + decoys.sign(rng, 0, -50, 70)


def _title(rng: Random) -> str:
    del rng
    upper = word_svg("THE ODD", 0, -45, 80, decoys.INK, 0.3) + word_svg("THE ODD", 0, -45, 80, "#ffe27a", 0.15)
    return upper + word_svg("TRIO!", 0, 55, 80, decoys.INK, 0.3) + word_svg("TRIO!", 0, 55, 80, "#ff8f6b", 0.15)


PROPS: dict[str, tuple[Callable[[Random], str], float]] = {
    "fence": (_fence, 4.0),
    "bush": (_bush, 2.0),
    "table": (_table, 3.0),
    "pillar": (_pillar, 0.3),
    "ball": (_ball, 1.0),
    "wheel": (_wheel, 1.0),
    "balloon": (_balloon, 1.0),
    "sign": (_sign, 1.2),
    "title": (_title, 3.2),
}
"""kind -> (rng -> SVG within 200 units height, centered; width against height)"""


@lru_cache(maxsize=96)
def prop(kind: str, seed: str, height: int) -> NDArray[np.uint8]:
    """Premultiplied RGBA (height, W, 4) uint8 of a prop."""
    draw, aspect = PROPS[kind]
    content = draw(Random(f"prop/{kind}/{seed}"))
    box = f"{-100 * aspect:.1f} -100 {200 * aspect:.1f} 200"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{200 * aspect:.1f}" height="200">{content}</svg>'
    return rasterise(svg, max(round(height * aspect), 1))
