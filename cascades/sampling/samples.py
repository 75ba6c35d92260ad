"""From truth to what a fit needs: positive windows, held-out ones, hard negatives, and scenes to mine in.

With a character chosen, the faces of all others are hard negatives; without one, every face is positive. What people
said is no face is a hard negative too. Windows that the detector would never look at (too little contrast) are left out
and counted.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascades.learning.features import has_contrast
from cascades.learning.sheets import Scene
from cascades.sampling.augment import AugmentOptions, Region, Variation, cut_window, region_around, vary
from cascades.sampling.backgrounds import (
    SAME_SCENE_LEVELS,
    differ,
    find_backgrounds,
    read_backgrounds,
    sample_video,
    thumbnail,
)
from cascades.sampling.faces import Face, held_out_groups, round_robin, typical_face
from cascades.sampling.redraw import Backdrops, cut_redrawn
from cascades.sampling.window_shape import shape_for, shape_of_patches
from cascades.truth.reading import Picture, Rejected, Truth, TruthBox, open_pictures, reasons
from pipeline.core.errors import TruthError, UsageError
from pipeline.core.images import Luma, luma_of
from pipeline.core.progress import Progress, Silent

Windows = NDArray[np.uint8]
"""(N, H, W)"""

FEWEST_POSITIVES = 10
"""windows without which no fit is tried"""
FEWEST_FACES = 2
"""different faces without which no fit is tried"""
ENOUGH_TO_HOLD_OUT = 100
"""faces below which all are needed to fit to: `cascade cross-validate` tells how good that is"""
USUAL_HELD_OUT = 0.15
"""of more faces than that"""
HARD_VARIATIONS = 8
"""windows made of each face of another character, and of each box that people rejected"""
HELD_OUT_VARIATIONS = 6
"""windows made of each held-out box, where boxes are so few that they are varied"""
USUAL_SMALLEST_PX = 40
"""windows smaller than this are not mined when all faces are larger: nobody looks for them"""
SMALLEST_SHARE = 0.9
"""of the smallest window, where mining begins"""
MAX_SCENE_BYTES = 1 << 30
"""of grey images kept in memory to mine in"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """What windows are made of truth."""

    width: int = 24
    """of the window, pixels; 0, with `height` 0, for a window of the boxes' own shape"""
    height: int = 24
    """of the window, pixels"""
    positives: int = 2000
    """windows to fit to; boxes are varied until there are as many"""
    held_out_fraction: float | None = None
    """of the faces, kept apart by scene to measure an honest hit rate; None for what suits their number"""
    margin_fraction: float = 0.0
    """of the box added on each side of it"""
    negatives_fps: float = 1.0
    """frames a second that are taken from videos without the character"""
    unsure_negatives: bool = False
    """whether the character may be seen on the pictures without the character after all"""
    contrast_needed: bool = True
    """whether the detector never looks at flat windows, as it does not with Haar features"""
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    """how boxes are varied"""
    seed: int = 0

    def held_out(self, faces: int) -> float:
        """The share of that many faces that is kept apart."""
        if self.held_out_fraction is not None:
            return self.held_out_fraction
        return USUAL_HELD_OUT if faces >= ENOUGH_TO_HOLD_OUT else 0.0

    def __post_init__(self) -> None:
        if not 0 < self.negatives_fps <= 1000:
            raise UsageError(f"negatives_fps must be above 0 and at most 1000, got {self.negatives_fps:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What a fit works on."""

    positives: Windows
    held_out: Windows
    """of scenes that no positive comes from; may be empty"""
    hard: Windows
    """what people rejected, then other characters' faces"""
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
    people_rejected: int = 0
    """of the hard windows, how many people said are no face; they come first"""
    notes: tuple[str, ...] = ()
    """for people: what may spoil the fit"""


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
        negatives: pictures and videos without the character: files, or folders (searched through).
        character: whose faces are positive; None for everyone's.
        options: what windows are made.
        progress: hears how far it is.

    Raises:
        TruthError: no such character, too few usable faces, or nothing to take negatives from.
    """
    if character is not None and truth.patches is None and character not in truth.characters and any(truth.characters):
        raise TruthError(f"{truth.name}: nobody is called {character!r} in it; there are {', '.join(truth.characters)}")
    images, videos = find_backgrounds(negatives)
    progress = progress or Silent()
    gathering = _Gathering(_with_shape(options, truth, character), character, list(truth.rejected))
    whole = [picture for picture in truth.pictures if not picture.is_crop]
    gathering.add_pictures(whole, progress)
    gathering.add_negatives(images, videos, progress)
    # cut-out faces come last: the backgrounds that they are put before are then known
    gathering.add_pictures([picture for picture in truth.pictures if picture.is_crop], progress)
    if truth.patches is not None:
        gathering.add_patches(truth.patches)
    return gathering.finish(truth.name)


def _with_shape(options: SampleOptions, truth: Truth, character: str | None) -> SampleOptions:
    """The options with the window's size chosen, where they leave it open."""
    if options.width and options.height:
        return options
    if truth.patches is not None:
        width, height = shape_of_patches(*truth.patches.shape[1:])
    else:
        boxes = [b for p in truth.pictures for b in p.boxes if _is_positive(b, character)]
        width, height = shape_for((b.right - b.left) / (b.bottom - b.top) for b in boxes)
    return replace(options, width=width, height=height)


def _is_positive(box: TruthBox, character: str | None) -> bool:
    return not (box.ignored or box.rejected) and character in (None, box.character)


class _Gathering:
    """Collects windows picture by picture, so that only grey scenes stay in memory."""

    def __init__(self, options: SampleOptions, character: str | None, rejected: list[Rejected]) -> None:
        self.options, self.character, self.rejected = options, character, rejected
        self.faces: list[Face] = []
        self.hard: list[Luma] = []
        self.people_rejected: list[Luma] = []
        self.scenes: list[Scene] = []
        self.backdrops = Backdrops()
        self.shapes: list[tuple[float, float]] = []
        self.window_widths: list[float] = []
        self.bytes_left = MAX_SCENE_BYTES
        self.scenes_left_out = 0
        self.own: set[bytes] = set()
        """digests of the truth's pictures"""
        self.shown: dict[Path, list[NDArray[np.float64]]] = {}
        """thumbnails of the labelled frames of each video"""
        self.notes: list[str] = []

    def add_pictures(self, pictures: Sequence[Picture], progress: Progress) -> None:
        if not pictures:
            return
        positives = sum(_is_positive(b, self.character) for p in pictures for b in p.boxes)
        copies = self._copies(positives)
        group, last_path, last = "", Path(), np.zeros((0, 0))
        with progress.step("reading truth", len(pictures), "pictures") as step:
            for number, (picture, image) in enumerate(open_pictures(pictures, self.rejected)):
                grey = luma_of(image)
                small = thumbnail(grey)
                is_frame = picture.frame is not None or picture.pts is not None
                same_scene = is_frame and picture.path == last_path and differ(last, small) < SAME_SCENE_LEVELS
                group = picture.group or (group if same_scene else picture.name)
                last_path, last = picture.path, small
                if is_frame:
                    self.shown.setdefault(picture.path.resolve(), []).append(small)
                self.own.add(_digest(grey))
                if not picture.is_crop:
                    self._add_scene(grey, picture.boxes, picture.name, labelled=True)
                for position, box in enumerate(picture.boxes):
                    random = np.random.default_rng([self.options.seed, 2, number, position])
                    self._add_box(picture.name, grey, box, group, copies, random)
                step.advance()

    def add_patches(self, patches_NHW: Windows) -> None:
        height, width = patches_NHW.shape[1:]
        whole = Region(x=width / 2, y=height / 2, width=width, height=height)
        copies = self._copies(len(patches_NHW))
        apart = self._kept_apart([str(number) for number in range(len(patches_NHW))])
        for number, patch in enumerate(patches_NHW):
            random = np.random.default_rng([self.options.seed, 2, number])
            group = str(number)
            self._add_face(group, patch, whole, (width, height), copies, random, group in apart)
        self.shapes.append((1.0, 1.0))

    def add_negatives(self, images: Sequence[Path], videos: Sequence[Path], progress: Progress) -> None:
        share = self.bytes_left // (len(videos) + 1) if videos else self.bytes_left
        own: list[str] = []
        for name, grey in read_backgrounds(images, self.options.seed, share, self.rejected, progress):
            if grey is None:
                self.scenes_left_out += 1
            elif _digest(grey) in self.own:
                own.append(name)
            else:
                self._add_scene(grey, (), name, labelled=not self.options.unsure_negatives)
        if own:
            self.notes.append(
                f"{len(own)} of the negatives are pictures of the truth ({own[0]}): they are mined outside their boxes only"
            )
        for number, path in enumerate(videos):
            self._add_video(path, self.bytes_left // (len(videos) - number), progress)

    def _add_video(self, path: Path, most_bytes: int, progress: Progress) -> None:
        shown = self.shown.get(path.resolve(), [])
        if shown:
            self.notes.append(
                f"{path.name} is in the truth too: its frames without labels may show the character; windows there that "
                "look like a face are not learned from (mining spare_suspects), better label them"
            )
        fps = self.options.negatives_fps
        labelled = not (shown or self.options.unsure_negatives)
        for name, grey in sample_video(path, fps, most_bytes, shown, self.rejected, progress):
            self._add_scene(grey, (), name, labelled)

    def finish(self, name: str) -> Samples:
        kept_apart = self._kept_apart([face.group for face in self.faces])
        fitted = [face for face in self.faces if face.group not in kept_apart]
        apart = [face for face in self.faces if face.group in kept_apart]
        positives, flat = self._stack(round_robin(fitted, self.options.positives, self.options.seed))
        held_out, _ = self._stack([w for face in apart for w in face.mild])
        refused, _ = self._stack(self.people_rejected)
        others, _ = self._stack(self.hard)
        self._check(name, fitted, len(positives), flat)
        return Samples(
            positives=positives,
            held_out=held_out,
            hard=np.concatenate([refused, others]),
            scenes=tuple(self.scenes),
            face=typical_face(self.shapes),
            smallest_px=self._smallest_px(),
            faces=len(fitted),
            flat=flat,
            scenes_left_out=self.scenes_left_out,
            rejected=tuple(self.rejected),
            people_rejected=len(refused),
            notes=tuple(self.notes),
        )

    def _check(self, name: str, fitted: Sequence[Face], positives: int, flat: int) -> None:
        """Raises TruthError for what cannot be fitted."""
        why = f"; rejected: {reasons(self.rejected)}" if self.rejected else ""
        different = len({_digest(face.windows[0]) for face in self.faces})
        if 0 < different < FEWEST_FACES and not flat:
            found = "one face" if len(self.faces) == 1 else f"{len(self.faces)} faces that are all the same"
            raise TruthError(
                f"{name}: {found}; at least {FEWEST_FACES} different ones are needed, and 20 or more to be of use{why}"
            )
        if positives < FEWEST_POSITIVES:
            raise TruthError(
                f"{name}: {positives} usable windows of {len(self.faces)} faces ({flat} have too little contrast for "
                f"the detector), at least {FEWEST_POSITIVES} are needed{why}; give more faces"
            )
        if not self.scenes:
            raise TruthError(
                f"{name}: nothing to take negatives from{why}; give --negatives a folder of pictures without the character"
            )

    def _kept_apart(self, groups: Sequence[str]) -> set[str]:
        """Groups of faces that are held out."""
        return held_out_groups(groups, self.options.held_out(len(groups)), self.options.seed)

    def _copies(self, faces: int) -> int:
        """Windows of each face, so that those not held out are enough."""
        fitted = max(int(faces * (1 - self.options.held_out(faces))), 1)
        return -(-self.options.positives // fitted)

    def _smallest_px(self) -> int:
        """A little below the smallest face that is looked for: USUAL_SMALLEST_PX, or less where the truth has less."""
        smallest = SMALLEST_SHARE * min([USUAL_SMALLEST_PX, *self.window_widths]) if self.window_widths else 0
        return max(round(smallest), self.options.width)

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
        if _is_positive(box, self.character):
            sides = (box.right - box.left, box.bottom - box.top)
            self._add_face(group, grey, region, sides, copies, random)
            self.shapes.append((sides[0] / region.width, sides[1] / region.height))
            self.window_widths.append(region.width)
        else:
            to = self.people_rejected if box.rejected else self.hard
            to += self._mild(grey, region, HARD_VARIATIONS, random)

    def _add_face(
        self,
        group: str,
        grey: Luma,
        region: Region,
        sides: tuple[float, float],
        copies: int,
        random: np.random.Generator,
        may_be_apart: bool = True,
    ) -> None:
        """Cuts a face: as it is, and varied `copies - 1` times; to be judged by too, where it may be held out."""
        size = (self.options.width, self.options.height)
        windows = [cut_window(grey, region, *size)]
        # what is flat as it is stays flat: no background or contrast of ours makes it a face worth finding
        variations = (
            [vary(random, self.options.augment) for _ in range(copies - 1)]
            if self._is_seen(windows[0][None])[0]
            else []
        )
        windows += [cut_redrawn(grey, region, sides, size, v, self.backdrops, random) for v in variations]
        held_out = HELD_OUT_VARIATIONS if copies > 1 else 1
        mild = self._mild(grey, region, held_out, random) if may_be_apart else []
        self.faces.append(Face(group, windows, mild))

    def _mild(self, grey: Luma, region: Region, count: int, random: np.random.Generator) -> list[Luma]:
        """`count` windows of a region: the first as it is, the others as a detector's grid may meet it."""
        width, height, mild = self.options.width, self.options.height, self.options.augment.mild
        variations = [Variation(), *(vary(random, mild) for _ in range(count - 1))]
        return [cut_window(grey, region, width, height, variation) for variation in variations]

    def _add_scene(self, grey: Luma, boxes: Sequence[TruthBox], name: str, labelled: bool) -> None:
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
        ignored = _edges(b for b in boxes if b.ignored)
        faces = _edges(b for b in boxes if _is_positive(b, self.character))
        self.scenes.append(Scene(grey, ignored, faces, name, labelled))
        self.backdrops.add(grey, _edges(b for b in boxes if not b.rejected))

    def _stack(self, windows: list[Luma]) -> tuple[Windows, int]:
        """(those that the detector looks at, how many it does not)"""
        empty = np.zeros((0, self.options.height, self.options.width), dtype=np.uint8)
        stacked = np.stack(windows) if windows else empty
        contrasted = self._is_seen(stacked)
        return stacked[contrasted], int((~contrasted).sum())

    def _is_seen(self, windows_NHW: Windows) -> NDArray[np.bool_]:
        if self.options.contrast_needed:
            return has_contrast(windows_NHW)
        return np.asarray(windows_NHW.max(axis=(1, 2), initial=0) > windows_NHW.min(axis=(1, 2), initial=255))


def _edges(boxes: Iterable[TruthBox]) -> NDArray[np.float64]:
    return np.array([(b.left, b.top, b.right, b.bottom) for b in boxes], dtype=np.float64).reshape(-1, 4)


def _digest(image: Luma) -> bytes:
    return hashlib.blake2b(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes(), digest_size=12).digest()
