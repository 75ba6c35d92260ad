"""Light of a shot: tint, contrast, a shade over the picture, film grain."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.images import RGB


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How a shot is lit and filmed."""

    gains: tuple[float, float, float]
    """factor of red, green, blue"""
    gamma: float
    """over 1 darkens the middle"""
    shade: float
    """how much darker the dark side is, 0 to 1"""
    direction: float
    """degrees; where the dark side is"""
    grain: float
    """standard deviation of the film grain in grey levels; the same grain throughout the shot"""
    seed: int
    """of the grain"""


@lru_cache(maxsize=8)
def _curves(light: Light) -> NDArray[np.uint8]:
    levels = np.linspace(0, 1, 256)[:, None] ** light.gamma
    return np.asarray(np.clip(levels * np.array(light.gains) * 255, 0, 255), dtype=np.uint8).reshape(256, 1, 3)


@lru_cache(maxsize=8)
def _shade(light: Light, height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    turn = math.radians(light.direction)
    across = (x / width - 0.5) * math.cos(turn) + (y / height - 0.5) * math.sin(turn)
    dark = np.clip(255 * (1 - light.shade * (across + 0.7) / 1.4), 0, 255).astype(np.uint8)
    return np.repeat(dark[..., None], 3, axis=2)


@lru_cache(maxsize=8)
def _grain(light: Light, height: int, width: int) -> tuple[RGB, RGB]:
    noise = np.random.default_rng(light.seed).normal(0, light.grain, (height, width, 1))
    whole = np.repeat(np.round(noise), 3, axis=2)
    return np.clip(whole, 0, 255).astype(np.uint8), np.clip(-whole, 0, 255).astype(np.uint8)


def lit(picture: RGB, light: Light) -> RGB:
    """The picture, (H, W, 3) uint8, as the light shows it; a new array."""
    height, width = picture.shape[:2]
    toned = cv2.LUT(picture, _curves(light))
    if light.shade:
        toned = cv2.multiply(toned, _shade(light, height, width), scale=1 / 255)
    if light.grain:
        more, less = _grain(light, height, width)
        toned = cv2.subtract(cv2.add(toned, more), less)
    return np.asarray(toned, dtype=np.uint8)
