"""Small real videos, encoded through the ffmpeg that the product uses."""

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.frames import ffmpeg_path


def encode(
    path: Path,
    frames: NDArray[np.uint8],
    fps: float = 24,
    *,
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p"),
) -> Path:
    """Writes (T, H, W, 3) RGB frames as a video; `before` and `after` are ffmpeg options around the input."""
    count, height, width, _ = frames.shape
    command = [ffmpeg_path(), "-y", "-v", "error", *before, "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0", *after, f"file:{path}"]
    subprocess.run(command, input=frames.tobytes(), check=True, capture_output=True)
    assert count
    return path


def ffmpeg(*words: str) -> None:
    """Runs ffmpeg, raising with its words when it fails."""
    done = subprocess.run([ffmpeg_path(), "-y", "-v", "error", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def scenes(
    count: int = 3, frames_each: int = 24, width: int = 160, height: int = 96, seed: int = 0
) -> NDArray[np.uint8]:
    """Clearly different scenes, each with a square that moves on twos: hard cuts every `frames_each` frames."""
    random = np.random.default_rng(seed)
    shots = []
    for _ in range(count):
        coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        backdrop = np.kron(coarse, np.ones((height // 6, width // 8, 1), dtype=np.uint8))
        backdrop = np.pad(backdrop, ((0, height - backdrop.shape[0]), (0, width - backdrop.shape[1]), (0, 0)), "edge")
        shot = np.repeat(backdrop[None], frames_each, axis=0)
        for t in range(frames_each):
            x = 10 + 4 * (t // 2)
            shot[t, 30:60, x : x + 30] = 255 - shot[t, 30:60, x : x + 30]
        shots.append(shot)
    return np.concatenate(shots)
