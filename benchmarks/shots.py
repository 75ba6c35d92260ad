"""Cuts, fades, dissolves and holds against exact truth, beside PySceneDetect run alone at full resolution.

    python -m benchmarks.shots [--shared DIR] [--seeds 111 112 113] [--seconds 30]

Truth: series drawn at 1280x720 and encoded thrice. A cut is right at its very frame, tolerance none; a gradual transition is
found when one cut lies within the frames that it mixes (the first mixed frame to the first frame after it); any further
cut there is a false one. `off` is how far, on average, the cut of a found gradual transition lies from its exact middle.
With --shared also the cuts of penny_chip: the truth lists hard cuts only, so dissolves that are found there count apart.
CPU: user + system, minimum of three runs on frames that are decoded already.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.mining import cpu_seconds
from pipeline.cartoon import CartoonOptions, EpisodeTruth, draw_series
from pipeline.frames import ffmpeg_path, watch
from pipeline.shots import DETECTORS, Cut, CutFinder, HoldFinder, ShotOptions

ENCODINGS = (("854x480", 18), ("1280x720", 28), ("854x480", 35))
PEERS = ("AdaptiveDetector", "ContentDetector", "HistogramDetector", "ThresholdDetector", "HashDetector")
KINDS = ("cut", "fade", "dissolve")


@dataclass
class Tally:
    """Right, found and wanted cuts."""

    hit: Counter[str] = field(default_factory=Counter)
    wanted: Counter[str] = field(default_factory=Counter)
    false: int = 0
    off: list[int] = field(default_factory=list)

    def add(self, cuts: Iterable[int], truth: EpisodeTruth) -> None:
        left = sorted(cuts)
        for shot in truth.shots[1:]:
            first, after = shot.mixed
            self.wanted[shot.transition] += 1
            inside = [cut for cut in left if first <= cut <= after]
            if inside:
                best = min(inside, key=lambda cut: abs(cut - shot.start))
                left.remove(best)
                self.hit[shot.transition] += 1
                if shot.transition != "cut":
                    self.off.append(abs(best - shot.start))
        self.false += len(left)

    def row(self, name: str) -> str:
        hits, wanted = self.hit.total(), self.wanted.total()
        precision = hits / (hits + self.false) if hits + self.false else 0.0
        f1 = 2 * hits / (hits + self.false + wanted)
        kinds = "".join(f"{self.hit[kind]:>6} of {self.wanted[kind]:<4}" for kind in KINDS)
        off = f"{np.mean(self.off):.2f}" if self.off else "-"
        return f"{name:<34}{f1:7.3f}{precision:7.3f}{hits / max(1, wanted):7.3f}{self.false:6}{kinds}{off:>7}"


HEAD = f"{'':<34}{'F1':>7}{'prec.':>7}{'recall':>7}{'false':>6}{'cuts':^13}{'fades':^13}{'dissolves':^13}{'off':>6}"


def small_frames(path: Path) -> NDArray[np.uint8]:
    """Every frame as mining sees it, 160 pixels wide, (N, H, W, 3)."""
    return np.stack([frame.small for frame in watch(path, 0.01, ShotOptions().small_width)])


def ours(frames: NDArray[np.uint8], options: ShotOptions) -> tuple[list[Cut], list[int]]:
    """Cuts, and the first frames of held drawings."""
    finder, holds, cuts, starts = CutFinder(options), HoldFinder(options), [], []
    for index, small in enumerate(frames):
        new = holds.push(small)
        if new:
            starts.append(index)
        cuts += finder.push(small, new)
    return cuts + finder.finish(), starts


def peer(path: Path, name: str) -> list[int]:
    """PySceneDetect's cuts, with its defaults, at full resolution."""
    import scenedetect

    scenes = scenedetect.detect(str(path), getattr(scenedetect.detectors, name)())
    return [scene[0].frame_num for scene in scenes][1:]


def hold_counts(starts: Sequence[int], truth: EpisodeTruth) -> NDArray[np.int64]:
    """Right beginnings, found ones, drawn ones; right beginnings with the right length; drawn ones that show nothing new.

    The first frame of a shot that fades in is as black as the last one of the shot before.
    """
    ends = dict(zip(starts, [*starts[1:], truth.frames], strict=True))
    drawn = {hold.start: hold.end for hold in truth.holds}
    black = {shot.start for shot in truth.shots if shot.transition == "fade"}
    right = ends.keys() & drawn.keys()
    whole = sum(ends[start] == drawn[start] for start in right)
    return np.array([len(right), len(ends), len(drawn), whole, len(black & drawn.keys())])


def encoded(source: Path, size: str, crf: int) -> Path:
    path = source.with_name(f"{source.stem}-{size}-{crf}.mkv")
    subprocess.run(
        [ffmpeg_path(), "-y", "-v", "error", "-i", str(source), "-vf", f"scale={size.replace('x', ':')}"]
        + ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), str(path)], check=True,
    )  # fmt: skip
    return path


def per_frame(frames: NDArray[np.uint8], options: ShotOptions) -> float:
    """CPU milliseconds of holds and cuts, the least of three runs."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        ours(frames, options)
        best = min(best, time.process_time() - began)
    return 1000 * best / len(frames)


def drawn(seeds: Sequence[int], seconds: float) -> None:
    tables: dict[str, Tally] = {}
    holds: dict[str, NDArray[np.int64]] = {}
    costs: list[str] = []
    choices = {"default": ShotOptions(), "default, unconfirmed": ShotOptions(confirm=False)}
    choices |= {f"{name} alone": ShotOptions(detectors=(name,)) for name in DETECTORS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as place:
            wanted = CartoonOptions(episodes=1, seconds=seconds, width=1280, height=720, seed=seed, crf=12)
            truth = draw_series(Path(place), wanted).episodes[0]
            for size, crf in ENCODINGS:
                path = encoded(Path(place) / truth.file, size, crf)
                frames = small_frames(path)
                for name, options in choices.items():
                    cuts, starts = ours(frames, options)
                    tables.setdefault(f"toonsift, {name}", Tally()).add(cuts, truth)
                    if name == "default":
                        key = f"{size} crf {crf}"
                        holds[key] = holds.get(key, np.zeros(5, dtype=np.int64)) + hold_counts(starts, truth)
                for name in PEERS:
                    tables.setdefault(f"PySceneDetect {name}", Tally()).add(peer(path, name), truth)
                if seed == seeds[0]:
                    costs.append(cost_row(path, frames))
    print(
        f"drawn series, seeds {', '.join(map(str, seeds))}, {len(ENCODINGS)} encodings of each, {seconds:g} s\n{HEAD}"
    )
    for name, tally in tables.items():
        print(tally.row(name))
    print(
        f"\n{'held drawings':<20}{'F1':>8}{'prec.':>8}{'recall':>8}{'whole':>8}   without a shot's black first frame: recall"
    )
    for name, (right, found, there, whole, black) in holds.items():
        print(
            f"{name:<20}{2 * right / (found + there):8.4f}{right / found:8.4f}{right / there:8.4f}{whole / there:8.4f}"
            f"{min(1.0, right / (there - black)):10.4f}"
        )
    print("\nCPU per frame\n" + "\n".join(costs))


def cost_row(path: Path, frames: NDArray[np.uint8]) -> str:
    decoding = 1000 * min(
        cpu_seconds([ffmpeg_path(), "-v", "error", "-i", str(path), "-f", "null", "-"]) for _ in range(3)
    ) / len(frames)  # fmt: skip
    mine = per_frame(frames, ShotOptions())
    script = f"import scenedetect as s; s.detect({str(path)!r}, s.AdaptiveDetector())"
    alone = 1000 * min(cpu_seconds([sys.executable, "-c", script]) for _ in range(2)) / len(frames)
    return (
        f"{path.name}: decoding {decoding:.2f} ms, holds and cuts {mine:.3f} ms ({100 * mine / decoding:.0f} % of it), "
        f"PySceneDetect's AdaptiveDetector with its decoding {alone:.2f} ms"
    )


def penny_chip(shared: Path) -> None:
    labelled = json.loads((shared / "labels" / "penny_chip_cuts.json").read_text())
    rows: dict[str, list[int]] = {}

    def count(name: str, found: Iterable[int], wanted: set[int]) -> None:
        cuts = set(map(int, found))
        row = rows.setdefault(name, [0, 0, 0])
        rows[name] = [row[0] + len(cuts & wanted), row[1] + len(cuts - wanted), row[2] + len(wanted)]

    for name, episode in labelled.items():
        path, wanted = shared / "clips" / "penny_chip" / name, set(episode["cuts"])
        cuts, _ = ours(small_frames(path), ShotOptions())
        count("toonsift, hard cuts", [cut for cut in cuts if cut.kind == "cut"], wanted)
        count("toonsift, dissolves and fades too", cuts, wanted)
        for detector in PEERS:
            count(f"PySceneDetect {detector}", peer(path, detector), wanted)
    print(f"\npenny_chip, hard cuts\n{'':<34}{'F1':>7}{'false':>7}{'found':>7}{'of':>5}")
    for name, (hit, false, wanted_count) in rows.items():
        print(f"{name:<34}{2 * hit / (hit + false + wanted_count):7.3f}{false:7}{hit:7}{wanted_count:5}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[111, 112, 113])
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    drawn(given.seeds, given.seconds)
    if given.shared:
        penny_chip(given.shared)


if __name__ == "__main__":
    main()
