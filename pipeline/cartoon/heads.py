"""Heads as pictures: DiceBear SVG, redrawn by one of several hands, rasterised by resvg into premultiplied RGBA."""

import io
import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.cartoon.cast import CAST, Actor, Look
from pipeline.cartoon.marks import MARKS

INK = "#1f1a1e"
"""what black lines become"""
LEVELS = (64, 96, 144, 208, 256)
"""face widths in pixels that heads are rasterised at; a frame takes the next larger one, or scales the last up"""

View = Literal["front", "blank", "behind"]
"""a face, a head without features, a head seen from behind"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """The hand that draws a shot: no two draw the same line."""

    name: int
    """0 to 3"""
    ink: float
    """line weight, 1 as usual"""
    slips: tuple[float, float, float]
    """features moved right, down (fractions of the face's half width) and enlarged (factor)"""


HANDS = (
    Hand(name=0, ink=1.0, slips=(0.0, 0.0, 1.0)),
    Hand(name=1, ink=1.8, slips=(-0.03, 0.02, 1.06)),
    Hand(name=2, ink=0.45, slips=(0.03, -0.02, 0.97)),
    Hand(name=3, ink=1.35, slips=(0.01, 0.03, 1.12)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Cel:
    """A rasterised head and where its face is."""

    picture: NDArray[np.uint8]
    """(H, W, 4) uint8 RGBA, premultiplied"""
    unit: float
    """pixels per face width"""
    center: tuple[float, float]
    """of the face, in pixels of the picture"""
    half_height: float
    """of the face, in face widths"""


@cache
def _definition(style: str) -> Any:
    return json.loads((resources.files("dicebear_styles") / f"{style}.json").read_text(encoding="utf-8"))


@cache
def _style(name: str) -> Any:
    """The style with no more variants than the cast uses: DiceBear checks every one of them against its schema."""
    from dicebear import Style

    used = {part for actor in CAST for looks in actor.looks.values() for look in looks for part in look.parts}
    used |= {item for actor in CAST for item in actor.fixed.items()}
    components = {}
    for component, content in _definition(name)["components"].items():
        variants = content.get("variants", {})
        wanted = [variant for variant in variants if (component, variant) in used] or list(variants)[:1]
        components[component] = {**content, "variants": {variant: variants[variant] for variant in wanted}}
    return Style({**_definition(name), "components": components})


@cache
def _sizes(style: str) -> dict[str, tuple[float, float]]:
    return {name: (part["width"], part["height"]) for name, part in _definition(style)["components"].items()}


def _avatar(actor: Actor, look: Look) -> str:
    from dicebear import Avatar

    options: dict[str, Any] = {"seed": actor.name, "backgroundColor": []}
    for key, value in (*actor.fixed.items(), *look.parts):
        if key.endswith("Color"):
            options[key] = [value]
        elif value:
            options[f"{key}Variant"], options[f"{key}Probability"] = [value], 100
        else:
            options[f"{key}Probability"] = 0
    return str(Avatar(_style(actor.style), options).to_string())


def _redrawn(svg: str, actor: Actor, hand: Hand) -> str:
    """The avatar's features moved and enlarged, its ink recolored and weighted, as `hand` does it."""
    sizes = _sizes(actor.style)
    right, down, larger = hand.slips

    def moved(use: re.Match[str]) -> str:
        width, height = sizes[use["part"]]
        scale = actor.exaggeration * larger
        x, y = right * actor.anatomy.face[2], down * actor.anatomy.face[2]
        about = f"translate({width / 2 + x:.3f} {height / 2 + y:.3f}) scale({scale:.4f}) translate({-width / 2} {-height / 2})"
        return f'<use transform="{use["place"]} {about}" href="#{use["part"]}-'

    parts = "|".join(actor.features)
    svg = re.sub(rf'<use transform="(?P<place>[^"]*)" href="#(?P<part>{parts})-', moved, svg)
    stroke = f'stroke="{INK}" stroke-width="{actor.ink_width * hand.ink:.2f}" stroke-linejoin="round"'
    svg = re.sub(r'fill="(#000000|black)"', f'fill="{INK}" {stroke}', svg)
    return re.sub(
        r'stroke-width="([0-9.]+)" stroke-linecap',
        lambda found: f'stroke-width="{float(found[1]) * (0.55 + 0.45 * hand.ink):.2f}" stroke-linecap',
        svg,
    )


def head_svg(actor: Actor, look: Look, hand: Hand, *, blank: bool = False) -> str:
    """SVG of an actor's head, cut to `anatomy.head`; without features if `blank`."""
    svg = _redrawn(_avatar(actor, look), actor, hand)
    marks = "".join(MARKS[name](actor.anatomy, INK, actor.skin) for name in look.marks)
    if blank:
        svg = re.sub(rf'<use [^>]*href="#(?:{"|".join(actor.features)})-[^>]*/>', "", svg)
        marks = ""
    left, top, right, bottom = actor.anatomy.head
    svg = re.sub(r'viewBox="[^"]*"', f'viewBox="{left} {top} {right - left} {bottom - top}"', svg, count=1)
    return svg.removesuffix("</svg>") + marks + "</svg>"


def rasterise(svg: str, width: int) -> NDArray[np.uint8]:
    """Premultiplied RGBA (H, W, 4) uint8 of an SVG, `width` pixels wide; uses no system fonts."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as picture:
        return np.array(picture.convert("RGBA").convert("RGBa"), dtype=np.uint8)


@lru_cache(maxsize=320)
def cel(actor: Actor, emotion: str, look: int, hand: int, view: View, level: int) -> Cel:
    """The drawing of a head with faces `level` pixels wide, kept for the next time it is asked for."""
    anatomy = actor.anatomy
    left, top, right, _ = anatomy.head
    scale = level / (2 * anatomy.face[2])
    svg = head_svg(actor, actor.looks[emotion][look], HANDS[hand], blank=view != "front")
    picture = rasterise(svg, round((right - left) * scale))
    below, neck_left, neck_right = anatomy.neck
    row = round((below - top) * scale)
    picture[row:, : max(round((neck_left - left) * scale), 0)] = 0
    picture[row:, max(round((neck_right - left) * scale), 0) :] = 0
    if view != "front":
        picture = _plaster(picture) if view == "blank" else _from_behind(picture, actor.hair)
    center = ((anatomy.face[0] - left) * scale, (anatomy.face[1] - top) * scale)
    return Cel(picture=picture, unit=float(level), center=center, half_height=anatomy.face[3] / (2 * anatomy.face[2]))


def _plaster(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A head without features in grey and white, as mannequins are."""
    grey = picture[..., :3].mean(axis=2, keepdims=True)
    pale = 0.45 * picture[..., 3:] + 0.5 * grey
    return np.concatenate([np.repeat(pale, 3, axis=2), picture[..., 3:]], axis=2).astype(np.uint8)


def _from_behind(picture: NDArray[np.uint8], hair: str) -> NDArray[np.uint8]:
    """The head's silhouette filled with hair, with a dark rim."""
    import cv2

    alpha = picture[..., 3]
    reach = max(picture.shape[1] // 45, 1)
    inside = cv2.erode(
        alpha, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    color = np.array([int(hair[k : k + 2], 16) for k in (1, 3, 5)], dtype=np.float32)
    shade = np.linspace(1.15, 0.8, picture.shape[0], dtype=np.float32)[:, None, None]
    filled = np.clip(color * shade, 0, 255) * (inside[..., None] / 255.0)
    return np.concatenate([np.minimum(filled, alpha[..., None]), alpha[..., None]], axis=2).astype(np.uint8)
