"""CPU seconds of mining an episode, beside ffmpeg decoding the same file: `python -m benchmarks.mining [VIDEO]`.

Whole processes, user + system, children included; the ratio is what to quote, machines differ.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.cartoon import CartoonOptions, coco_of, draw_series
from pipeline.core.files import write_json
from pipeline.frames import ffmpeg_path


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of a command and all its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        series = draw_series(folder / "series", CartoonOptions(episodes=1, seconds=40, width=854, height=480))
        video = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "series" / "s01e01.mp4"
        write_json(folder / "boxes.json", coco_of(series, every_frames=8))
        ours = [sys.executable, "-m", "pipeline.cli", "--quiet", "--workspace", str(folder / "workspace")]
        for name in [c for c in series.characters if c != "other"][:2]:
            fit = ["cascade", "fit", name, "--truth", str(folder / "boxes.json"), "--images", str(folder / "series")]
            fit += ["--character", name, "--stages", "10", "--positives", "800", "--negatives-per-stage", "1200"]
            subprocess.run([*ours, *fit], check=True, stdout=subprocess.DEVNULL)
        decoding = cpu_seconds([ffmpeg_path(), "-v", "error", "-i", str(video), "-an", "-f", "null", "-"])
        mining = cpu_seconds([*ours, "mine", str(video), "--jobs", "1", "--min-face", "48"])
    print(
        f"{video.name}: ffmpeg -f null {decoding:.2f} CPU s, mine with 2 cascades at 4 fps {mining:.2f} CPU s: ", end=""
    )
    print(f"{mining / decoding:.1f} times decoding")


if __name__ == "__main__":
    main()
