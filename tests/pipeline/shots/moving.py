"""Small moving pictures with exact cuts, made of shapes: 160x90, drawn on twos, scenes that share no palette."""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
HEIGHT, WIDTH = 90, 160


def scene(seed: int, frames: int, *, pan: int = 0, step: int = 2) -> Frames:
    """(frames, 90, 160, 3): a place with stripes and things in colours of its own, somebody walking, maybe a pan."""
    rng = np.random.default_rng(seed)
    wide = WIDTH + abs(pan) * frames
    colours = rng.integers(0, 256, (4, 3))
    place = np.zeros((HEIGHT, wide, 3), dtype=np.uint8) + colours[0].astype(np.uint8)
    place[50:] = colours[1]
    for _ in range(wide // 12):
        x, y, size = rng.integers(0, wide), rng.integers(0, HEIGHT - 20), rng.integers(6, 20)
        place[y : y + size, x : x + size] = rng.integers(0, 256, 3)
    shot = np.empty((frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    for t in range(frames):
        drawn = t - t % step
        left = pan * drawn if pan >= 0 else wide - WIDTH + pan * drawn
        shot[t] = place[:, left : left + WIDTH]
        x = 10 + drawn % 110
        shot[t, 35:75, x : x + 22] = colours[2]
        shot[t, 42:48, x + 4 : x + 18] = colours[3]
    return shot


def dissolved(before: Frames, after: Frames, frames: int) -> Frames:
    """`before`, then `after`, with so many mixed frames between that belong half to each."""
    shares = (np.arange(1, frames + 1) / (frames + 1))[:, None, None, None]
    mix = before[-frames:] * (1 - shares) + after[:frames] * shares
    return np.concatenate([before[:-frames], np.rint(mix).astype(np.uint8), after[frames:]])


def faded(before: Frames, after: Frames, frames: int, colour: int = 0) -> Frames:
    """`before` out to one colour and `after` in from it, so many frames each; between them two of the colour alone."""
    weights = (np.arange(frames - 1, -1, -1) / frames)[:, None, None, None]
    out = before[-frames:] * weights + colour * (1 - weights)
    into = after[:frames] * weights[::-1] + colour * (1 - weights[::-1])
    return np.concatenate(
        [before[:-frames], np.rint(out).astype(np.uint8), np.rint(into).astype(np.uint8), after[frames:]]
    )


def noisy(frames: Frames, seed: int, strength: float = 2.0) -> Frames:
    """With noise as a codec leaves it: another one in every frame."""
    noise = np.random.default_rng(seed).normal(0, strength, frames.shape)
    return np.clip(frames + np.round(noise), 0, 255).astype(np.uint8)
