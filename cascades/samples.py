"""From truth to what a fit needs: positive windows, held-out ones, hard negatives, and scenes to mine in.

With a character chosen, the faces of all others are hard negatives; without one, every face is positive. Windows that
the detector would never look at (too little contrast) are left out and counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascades.augment import AugmentOptions, Region, Variation, cut_window, region_around, vary
from cascades.features import has_contrast
from cascades.negatives import Scene
from cascades.truth import Picture, Rejected, Truth, TruthBox, open_pictures, reasons
from pipeline.core.errors import ImageError, TruthError
from pipeline.core.images import Luma, luma_of, read_rgb
from pipeline.core.progress import Progress, Silent

Windows = NDArray[np.uint8]
"""(N, H, W)"""

FEWEST_POSITIVES = 10
"""windows without which no fit is tried"""
HARD_VARIATIONS = 8
"""windows made of each face of another character"""
HELD_OUT_VARIATIONS = 6
"""windows made of each held-out box"""
MOST_HELD_OUT = 20_000
"""boxes beyond which fewer variations of the held-out ones are made"""
SAME_SCENE_LEVELS = 10.0
"""two labelled frames of a video whose thumbnails differ by less than this many grey levels (mean) show one scene"""
USUAL_SMALLEST_PX = 40
"""windows smaller than this are not mined when all faces are larger: nobody looks for them"""
SMALLEST_SHARE = 0.9
"""of the smallest window, where mining begins"""
MAX_SCENE_BYTES = 1 << 30
"""of grey images kept in memory to mine in"""
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """What windows are made of truth."""

    width: int = 24
    """of the window, pixels"""
    height: int = 24
    """of the window, pixels"""
    positives: int = 2000
    """windows to fit to; boxes are varied until there are as many"""
    held_out_fraction: float = 0.15
    """of the faces, kept apart by scene to measure an honest hit rate"""
    margin_fraction: float = 0.0
    """of the box added on each side of it"""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    """how boxes are varied"""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a fit works on."""

    positives: Windows
    held_out: Windows
    """of scenes that no positive comes from; may be empty"""
    hard: Windows
    """other characters' faces"""
    scenes: tuple[Scene, ...]
    face: tuple[float, float, float, float]
    """left, top, right, bottom of the typical face within the window, as fractions"""
    smallest_px: int
    """width of the smallest window worth mining, pixels of the scene"""
    faces: int
    """boxes or patches that the positives were made of"""
    flat: int
    """windows left out because the detector never looks at so little contrast"""
    scenes_left_out: int
    """images beyond the memory set aside for scenes"""
    rejected: tuple[Rejected, ...]
    """rows and files that could not be used"""


def gather_samples(
    truth: Truth,
    negatives: Sequence[Path],
    character: str | None,
    options: SampleOptions,
    progress: Progress | None = None,
) -> Samples:
    """Reads every picture once and cuts the windows.

    Args:
        truth: from `read_truth`.
        negatives: folders (searched through) or files of images without the character.
        character: whose faces are positive; None for everyone's.

    Raises:
        TruthError: no such character, too few usable faces, or nothing to take negatives from.
    """
    if character is not None and truth.patches is None and character not in truth.characters and any(truth.characters):
        raise TruthError(f"{truth.name}: nobody is called {character!r} in it; there are {', '.join(truth.characters)}")
    gathering = _Gathering(options, character, list(truth.rejected))
    if truth.patches is None:
        gathering.add_pictures(truth.pictures, progress or Silent())
    else:
        gathering.add_patches(truth.patches)
    gathering.add_negatives(negatives, progress or Silent())
    return gathering.finish(truth.name)


@dataclass(slots=True)
class _Face:
    group: str
    windows: list[Luma]
    """the first one unvaried"""


class _Gathering:
    """Collects windows picture by picture, so that only grey scenes stay in memory."""

    def __init__(self, options: SampleOptions, character: str | None, rejected: list[Rejected]) -> None:
        self.options, self.character, self.rejected = options, character, rejected
        self.faces: list[_Face] = []
        self.hard: list[Luma] = []
        self.scenes: list[Scene] = []
        self.shapes: list[tuple[float, float]] = []
        self.window_widths: list[float] = []
        self.bytes_left = MAX_SCENE_BYTES
        self.scenes_left_out = 0

    def add_pictures(self, pictures: Sequence[Picture], progress: Progress) -> None:
        positives = sum(self._is_positive(b) for p in pictures for b in p.boxes)
        copies = max(self._copies(positives), min(HELD_OUT_VARIATIONS, MOST_HELD_OUT // max(positives, 1)))
        group, last_path, last = "", Path(), np.zeros(0)
        with progress.step("reading truth", len(pictures), "pictures") as step:
            for number, (picture, image) in enumerate(open_pictures(pictures, self.rejected)):
                grey = luma_of(image)
                thumbnail = _thumbnail(grey)
                same_scene = picture.frame is not None and picture.path == last_path and _alike(last, thumbnail)
                group = picture.group or (group if same_scene else picture.name)
                last_path, last = picture.path, thumbnail
                for position, box in enumerate(picture.boxes):
                    random = np.random.default_rng([self.options.seed, 2, number, position])
                    self._add_box(picture.name, grey, box, group, copies, random)
                self._add_scene(grey, [b for b in picture.boxes if b.ignored or self._is_positive(b)], picture.name)
                step.advance()

    def add_patches(self, patches_NHW: Windows) -> None:
        height, width = patches_NHW.shape[1:]
        whole = Region(x=width / 2, y=height / 2, width=width, height=height)
        copies = self._copies(len(patches_NHW))
        for number, patch in enumerate(patches_NHW):
            random = np.random.default_rng([self.options.seed, 2, number])
            self.faces.append(_Face(str(number), self._windows(patch, whole, copies, random)))
        self.shapes.append((1.0, 1.0))

    def _copies(self, faces: int) -> int:
        """Windows of each face, so that those not held out are enough."""
        fitted = max(int(faces * (1 - self.options.held_out_fraction)), 1)
        return -(-self.options.positives // fitted)

    def add_negatives(self, places: Sequence[Path], progress: Progress) -> None:
        paths = _image_files(places)
        if not paths:
            return
        order = np.random.default_rng([self.options.seed, 3]).permutation(len(paths))
        with progress.step("reading negatives", len(paths), "images") as step:
            for i in order:
                if self.bytes_left <= 0:
                    self.scenes_left_out += 1
                    continue
                try:
                    self._add_scene(luma_of(read_rgb(paths[i])), [], str(paths[i]))
                except ImageError as error:
                    self.rejected.append(Rejected(str(paths[i]), str(error)))
                step.advance()

    def finish(self, name: str) -> Samples:
        kept_apart = _held_out([face.group for face in self.faces], self.options)
        fitted = [face for face in self.faces if face.group not in kept_apart]
        apart = [face for face in self.faces if face.group in kept_apart]
        positives, flat = self._stack(_round_robin(fitted, self.options.positives, self.options.seed))
        held_out, _ = self._stack([w for face in apart for w in face.windows[:HELD_OUT_VARIATIONS]])
        hard, _ = self._stack(self.hard)
        why = f"; rejected: {reasons(self.rejected)}" if self.rejected else ""
        if len(positives) < FEWEST_POSITIVES:
            raise TruthError(
                f"{name}: {len(positives)} usable windows of {len(self.faces)} faces ({flat} have too little contrast for "
                f"the detector), at least {FEWEST_POSITIVES} are needed{why}; give more faces"
            )
        if not self.scenes:
            raise TruthError(
                f"{name}: nothing to take negatives from{why}; give --negatives a folder of pictures without the character"
            )
        return Samples(
            positives=positives,
            held_out=held_out,
            hard=hard,
            scenes=tuple(self.scenes),
            face=_typical_face(self.shapes),
            smallest_px=self._smallest_px(),
            faces=len(fitted),
            flat=flat,
            scenes_left_out=self.scenes_left_out,
            rejected=tuple(self.rejected),
        )

    def _smallest_px(self) -> int:
        """A little below the smallest face that is looked for: USUAL_SMALLEST_PX, or less where the truth has less."""
        smallest = SMALLEST_SHARE * min([USUAL_SMALLEST_PX, *self.window_widths]) if self.window_widths else 0
        return max(round(smallest), self.options.width)

    def _is_positive(self, box: TruthBox) -> bool:
        return not box.ignored and self.character in (None, box.character)

    def _add_box(
        self, picture: str, grey: Luma, box: TruthBox, group: str, copies: int, random: np.random.Generator
    ) -> None:
        if box.ignored:
            return
        height, width = grey.shape
        if box.left >= width or box.top >= height or box.right <= 0 or box.bottom <= 0:
            place = f"{box.left:g},{box.top:g} to {box.right:g},{box.bottom:g}"
            self.rejected.append(Rejected(picture, f"the box {place} lies outside the {width}x{height} picture"))
            return
        options = self.options
        aspect = options.width / options.height
        region = region_around(box.left, box.top, box.right, box.bottom, aspect, options.margin_fraction)
        if self._is_positive(box):
            self.faces.append(_Face(group, self._windows(grey, region, copies, random)))
            self.shapes.append(((box.right - box.left) / region.width, (box.bottom - box.top) / region.height))
            self.window_widths.append(region.width)
        else:
            self.hard += self._windows(grey, region, HARD_VARIATIONS, random)

    def _windows(self, grey: Luma, region: Region, count: int, random: np.random.Generator) -> list[Luma]:
        """`count` windows of a region: the first as it is, the others varied."""
        width, height, augment = self.options.width, self.options.height, self.options.augment
        variations = [Variation(), *(vary(random, augment) for _ in range(count - 1))]
        return [cut_window(grey, region, width, height, variation) for variation in variations]

    def _add_scene(self, grey: Luma, keep_out: list[TruthBox], name: str) -> None:
        if grey.shape[0] < self.options.height or grey.shape[1] < self.options.width:
            size = f"{self.options.width}x{self.options.height}"
            self.rejected.append(
                Rejected(name, f"{grey.shape[1]}x{grey.shape[0]} pixels are less than one {size} window")
            )
            return
        if grey.nbytes > self.bytes_left:
            self.scenes_left_out += 1
            return
        self.bytes_left -= grey.nbytes
        boxes = [(b.left, b.top, b.right, b.bottom) for b in keep_out]
        self.scenes.append(Scene(grey, np.array(boxes, dtype=np.float64).reshape(-1, 4)))

    def _stack(self, windows: list[Luma]) -> tuple[Windows, int]:
        """(those with contrast, how many are without)"""
        empty = np.zeros((0, self.options.height, self.options.width), dtype=np.uint8)
        stacked = np.stack(windows) if windows else empty
        contrasted = has_contrast(stacked)
        return stacked[contrasted], int((~contrasted).sum())


def _image_files(places: Iterable[Path]) -> list[Path]:
    """The image files among and inside `places`, sorted. Raises TruthError for a place that is not there."""
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += [p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        elif place.is_file():
            files.append(place)
        else:
            raise TruthError(f"{place}: no such file or folder; --negatives names pictures without the character")
    return sorted(set(files))


def _held_out(groups: list[str], options: SampleOptions) -> set[str]:
    """Groups to keep apart: seeded, whole, about the fraction asked for, never more than half of the faces."""
    sizes = Counter(groups)
    names = sorted(sizes)
    wanted, kept_apart, count = options.held_out_fraction * len(groups), set[str](), 0
    for i in np.random.default_rng([options.seed, 4]).permutation(len(names)):
        if count >= wanted:
            break
        if count + sizes[names[i]] <= len(groups) / 2:
            kept_apart.add(names[i])
            count += sizes[names[i]]
    return kept_apart


def _round_robin(faces: list[_Face], wanted: int, seed: int) -> list[Luma]:
    """`wanted` windows: every face's first, then every face's second, ...; the last round is a seeded choice."""
    chosen: list[Luma] = []
    for number in range(max((len(face.windows) for face in faces), default=0)):
        layer = [face.windows[number] for face in faces if number < len(face.windows)]
        if len(chosen) + len(layer) > wanted:
            order = np.random.default_rng([seed, 5]).permutation(len(layer))
            return chosen + [layer[i] for i in np.sort(order[: wanted - len(chosen)])]
        chosen += layer
    return chosen


def _typical_face(shapes: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The median face, centred in its window; float32 as the XML keeps it."""
    width, height = (float(np.clip(np.median([s[i] for s in shapes]), 0.05, 1.0)) for i in (0, 1))
    left, top, right, bottom = np.array([1 - width, 1 - height, 1 + width, 1 + height], dtype=np.float32) / np.float32(
        2
    )
    return float(left), float(top), float(right), float(bottom)


def _thumbnail(grey: Luma) -> NDArray[np.float64]:
    import cv2

    return np.asarray(cv2.resize(grey, (32, 18), interpolation=cv2.INTER_AREA), dtype=np.float64)


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return a.shape == b.shape and float(np.abs(a - b).mean()) < SAME_SCENE_LEVELS
