"""CPU seconds of finding faces, beside `cv2.CascadeClassifier`: `python -m benchmarks.detection --shared DIR`.

DIR holds clips/, cascades/ and bench/ of the project's shared files. Compared are, on the same luma images, OpenCV's
detectMultiScale without grouping and our search (the same windows); our fast search, and how many of the exact one's faces
(grouped as OpenCV does) it finds; what a second cascade of the same size adds, which is
the same one under another name; what a larger one adds; what a search of regions costs beside their share of the picture.
Decoding and the conversion to luma are not part of it, nor is compiling, which is done once and kept on disk. The tools
run in turns, each figure is the least of several turns, user and system seconds of the whole process; quote the ratios.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cascades.model import CascadeModel
from cascades.scan.fast import FastScanner
from cascades.scan.grouping import group_like_opencv
from cascades.scan.regions import Region
from cascades.scan.search import Hits, Scanner, ScanOptions
from cascades.xml import read_xml, write_xml
from pipeline.core.images import Luma, luma_of, read_rgb
from pipeline.frames import ffmpeg_path

SCALE_FACTOR = 1.1
TURNS = 2
TOGETHER = 24
"""images that are searched at a time, as a batch"""
WANTED_RATIO, WANTED_SECOND = 2.5, 0.7
WANTED_FAST_RATIO, WANTED_FAST_SHARE = 6.0, 0.98
NEIGHBORS = 3
"""windows that make a face, as in detectMultiScale"""
SAME_FACE = 0.5
"""intersection over union of two finds of one face"""
REGIONS = [
    Region(left=x, top=y, right=x + 120, bottom=y + 120, largest=(96, 96))
    for x, y in ((60, 40), (400, 180), (640, 300))
]
REGION_SHARE = len(REGIONS) * 120 * 120 / (854 * 480)


@dataclass(frozen=True, slots=True)
class FastRow:
    """The fast search with one cascade on one set of images."""

    opencv: float
    fast: float
    faces: int
    """of the exact search"""
    found: int
    """of those, by the fast search"""


@dataclass(frozen=True, slots=True)
class Row:
    """One cascade on one set of images; seconds are for all of them."""

    opencv: float
    ours: float
    same: bool
    windows: int
    trees_per_window: float
    second: float
    """what the same cascade costs once more, as a share of the first"""


def main() -> None:
    arguments = _arguments()
    shared: Path = arguments.shared
    frames = _frames(shared / "clips" / "big_buck_bunny_60s.mp4")[:: arguments.every]
    scenes = [luma_of(read_rgb(p)) for p in sorted((shared / "bench" / "cascade" / "scenes").glob("*.png"))][
        :: arguments.every
    ]
    tom, jerry = (read_xml(shared / "cascades" / name) for name in ("tom.xml", "jerry.xml"))
    ours = read_xml(arguments.cascade) if arguments.cascade else _fitted(shared / "bench" / "cascade")
    lbp = read_xml(shared / "cascades" / "lbpcascade_animeface.xml")
    trees = _fitted(shared / "bench" / "cascade", depth=2)
    print(f"OpenCV {cv2.__version__}, one thread each; ms of CPU per image, least of {TURNS} turns")
    print(
        f"wanted: the same windows at {WANTED_RATIO:g} times less, a second cascade for at most {WANTED_SECOND:.0%} of the first"
    )
    print(f"{'':32}{'OpenCV':>8}{'ours':>8}{'ratio':>7}  same  trees/window  a second")
    for title, model, images, smallest in (
        ("tom.xml, film, from 48 px", tom, frames, 48),
        ("ours, film, from 48 px", ours, frames, 48),
        ("tom.xml, scenes, all sizes", tom, scenes, 0),
        ("ours, scenes, all sizes", ours, scenes, 0),
        ("animeface (LBP), film", lbp, frames, 48),
        ("animeface (LBP), scenes", lbp, scenes, 0),
        ("ours, trees of depth 2, film", trees, frames, 48),
        ("ours, trees of depth 2, scenes", trees, scenes, 0),
    ):
        _print(title, len(images), compare(model, images, smallest))
        if model in (tom, ours):
            _print_fast(len(images), compare_fast(model, images, smallest))
    one, two = second_cascade(tom, jerry, frames, 48)
    print(f"tom.xml {one / len(frames) * 1e3:.1f} ms, with jerry.xml (2.6 times the stumps) too ", end="")
    print(f"{two / len(frames) * 1e3:.1f} ms: the second costs {(two - one) / one:.0%} of the first")
    whole, parts = in_regions(tom, frames, 48)
    print(
        f"tom.xml in {len(REGIONS)} regions of {REGION_SHARE:.0%} of the film's picture in all: {parts / whole:.0%} of the whole search"
    )


def compare(model: CascadeModel, images: Sequence[Luma], smallest_px: int, turns: int = TURNS) -> Row:
    """OpenCV and our search on the same images, one thread."""
    cv2.setNumThreads(1)
    classifier, scanner, twice = _classifier(model), Scanner([model]), Scanner([model, model])
    smallest = (smallest_px, smallest_px) if smallest_px else (0, 0)

    def theirs() -> list[NDArray[np.int64]]:
        raw = [classifier.detectMultiScale(i, SCALE_FACTOR, 0, minSize=smallest) for i in images]
        return [np.asarray(r, dtype=np.int64).reshape(-1, 4) for r in raw]

    options = ScanOptions(scale_factor=SCALE_FACTOR, smallest=smallest)
    times, (boxes, ours, _) = _in_turns(
        [theirs, lambda: _scan(scanner, images, options), lambda: _scan(twice, images, options)], turns
    )
    same = all(sorted(b.tolist()) == sorted(h.boxes.tolist()) for b, h in zip(boxes, ours, strict=True))
    windows, trees = sum(h.windows for h in ours), sum(_trees_run(model, i, smallest) for i in images[::TOGETHER])
    sampled = sum(h.windows for h in ours[::TOGETHER])
    return Row(times[0], times[1], same, windows, trees / max(sampled, 1), (times[2] - times[1]) / times[1])


def compare_fast(model: CascadeModel, images: Sequence[Luma], smallest_px: int, turns: int = TURNS) -> FastRow:
    """OpenCV and our fast search on the same images, one thread; faces beside those of the exact search."""
    cv2.setNumThreads(1)
    classifier, scanner = _classifier(model), FastScanner([model])
    smallest = (smallest_px, smallest_px) if smallest_px else (0, 0)
    options = ScanOptions(scale_factor=SCALE_FACTOR, smallest=smallest)

    def theirs() -> list[object]:
        return [classifier.detectMultiScale(i, SCALE_FACTOR, 0, minSize=smallest) for i in images]

    times, (_, fast) = _in_turns([theirs, lambda: _scan(scanner, images, options)], turns)
    counts = [
        _faces_found(exact.boxes, some.boxes)
        for exact, some in zip(_scan(Scanner([model]), images, options), fast, strict=True)
    ]
    return FastRow(times[0], times[1], sum(faces for faces, _ in counts), sum(found for _, found in counts))


def _faces_found(exact_N4: NDArray[np.int64], fast_M4: NDArray[np.int64]) -> tuple[int, int]:
    """How many faces the windows of the exact search make, and how many of those the windows of the fast one do."""
    wanted, given = (group_like_opencv(boxes, NEIGHBORS).boxes for boxes in (exact_N4, fast_M4))
    return len(wanted), sum(_is_among(box, given) for box in wanted)


def _is_among(box_4: NDArray[np.int64], others_M4: NDArray[np.int64]) -> bool:
    ends, others_ends = box_4[:2] + box_4[2:], others_M4[:, :2] + others_M4[:, 2:]
    sides = np.minimum(ends, others_ends) - np.maximum(box_4[:2], others_M4[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    return bool((shared >= SAME_FACE * (box_4[2:].prod() + others_M4[:, 2:].prod(axis=1) - shared)).any())


def second_cascade(
    one: CascadeModel, other: CascadeModel, images: Sequence[Luma], smallest_px: int
) -> tuple[float, float]:
    """Seconds of the search with one cascade, and with both."""
    options = ScanOptions(scale_factor=SCALE_FACTOR, smallest=(smallest_px, smallest_px))
    alone, both = Scanner([one]), Scanner([one, other])
    (first, second), _ = _in_turns([lambda: _scan(alone, images, options), lambda: _scan(both, images, options)], TURNS)
    return first, second


def in_regions(model: CascadeModel, images: Sequence[Luma], smallest_px: int) -> tuple[float, float]:
    """Seconds of the whole search, and of that in `REGIONS`."""
    options, scanner = ScanOptions(scale_factor=SCALE_FACTOR, smallest=(smallest_px, smallest_px)), Scanner([model])
    (whole, parts), _ = _in_turns(
        [
            lambda: _scan(scanner, images, options),
            lambda: [scanner.scan_regions(i, [REGIONS], options) for i in images],
        ],
        TURNS,
    )
    return whole, parts


def _scan(scanner: Scanner | FastScanner, images: Sequence[Luma], options: ScanOptions) -> list[Hits]:
    """The first cascade's hits, images in batches."""
    batches = [images[i : i + TOGETHER] for i in range(0, len(images), TOGETHER)]
    return [hits[0] for batch in batches for hits in scanner.scan_batch(batch, options)]


def _in_turns(works: Sequence[Callable[[], list]], turns: int) -> tuple[list[float], list[list]]:  # type: ignore[type-arg]
    """The least CPU seconds of each, and what they gave; a first turn is not counted."""
    best, given = [float("inf")] * len(works), [work() for work in works]
    for _ in range(turns):
        for i, work in enumerate(works):
            start = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - start)
    return best, given


def _trees_run(model: CascadeModel, image: Luma, smallest: tuple[int, int]) -> int:
    """Trees that windows of an image need, stages in their own order: each until it is rejected, none stepped over."""
    options = ScanOptions(scale_factor=SCALE_FACTOR, smallest=smallest)
    return Scanner([model], together=False).scan(image, options)[0].trees


def _classifier(model: CascadeModel) -> cv2.CascadeClassifier:
    storage = cv2.FileStorage(write_xml(model).decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier = cv2.CascadeClassifier()
    if not classifier.read(storage.getFirstTopLevelNode()):
        raise SystemExit("OpenCV does not take this cascade")
    return classifier


def _frames(video: Path) -> list[Luma]:
    """Four frames a second, as luma."""
    command = [
        ffmpeg_path(),
        "-v",
        "error",
        "-i",
        str(video),
        "-vf",
        "fps=4",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return [luma_of(frame) for frame in np.frombuffer(raw, dtype=np.uint8).reshape(-1, 480, 854, 3)]


def _fitted(bench: Path, depth: int = 1) -> CascadeModel:
    """A cascade of our own for the benchmark's faces."""
    from cascades.fit import FitOptions, fit_cascade
    from cascades.sampling.samples import gather_samples
    from cascades.truth.reading import read_truth

    options = FitOptions(stages=10, positives=900, negatives_per_stage=1800, depth=depth)
    samples = gather_samples(read_truth(bench / "positives.npz"), [bench / "neg"], None, options.sampling)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ours.xml"
        path.write_bytes(write_xml(fit_cascade(samples, options).model))
        return read_xml(path)


def _print(title: str, images: int, row: Row) -> None:
    opencv, ours = (seconds / images * 1e3 for seconds in (row.opencv, row.ours))
    same = "yes" if row.same else "NO"
    print(
        f"{title:32}{opencv:8.1f}{ours:8.1f}{opencv / ours:6.1f}x  {same:4}  {row.trees_per_window:8.1f}{row.second:14.0%}",
        flush=True,
    )


def _print_fast(images: int, row: FastRow) -> None:
    fast, share = row.fast / images * 1e3, row.found / max(row.faces, 1)
    print(f"{'  fast':32}{row.opencv / images * 1e3:8.1f}{fast:8.1f}{row.opencv / row.fast:6.1f}x  ", end="")
    print(
        f"{row.found} of {row.faces} faces, {share:.1%} (wanted: {WANTED_FAST_RATIO:g}x, {WANTED_FAST_SHARE:.0%})",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--shared", type=Path, required=True, help="folder with clips/, cascades/ and bench/")
    parser.add_argument("--cascade", type=Path, help="XML of a cascade of our own; fitted on bench/ where absent")
    parser.add_argument("--every", type=int, default=1, help="take every Nth image alone, for a quick look")
    return parser.parse_args()


if __name__ == "__main__":
    main()
