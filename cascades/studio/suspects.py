"""Mined detections ranked by how likely they are wrong, so that people look at these first.

Each sign of doubt is a number from 0 to 1: alone in time, no track or a short one, a low score, a size unlike its
track's or its cascade's, near a crop that people called no face, a second cascade that names somebody else. They are
put together as if independent (noisy or, Pearl 1988): one strong sign is enough, several weak ones add up.
"""

import json
import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, takewhile

import numpy as np

from cascades.scoring.calibration import Calibration
from cascades.truth.workspace import SAME_FACE_IOU, face_in, what_was_said
from pipeline.core.geometry import grow
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, Crop, Detection, Episode, Label, Run, Track
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.duplicates import HASH_KIND, phash

USUAL_FPS = 4.0
"""at which an episode is taken to be searched when that was not recorded"""
SAME_SPOT_IOU = 0.5
"""two detections of a shot that overlap this much look at one thing"""
LEAST_DOUBT = 0.05
"""below which nobody is asked"""
ALIKE_BITS = 10
"""largest Hamming distance of two pHashes to call two crops alike"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectOptions:
    """How much each sign of doubt weighs, 0 to 1, and how many of a kind are shown."""

    alone: float = 0.6
    """nothing was found near it in the samples before and after"""
    no_track: float = 0.35
    """it belongs to no track; the shorter a track, the more of this"""
    low_score: float = 0.6
    """the lowest of its cascade; none for the better half"""
    improbable: float = 0.9
    """by the cascade's calibration (then its score's rank says no more)"""
    odd_size: float = 0.5
    """twice or half as large as its track, or far from all its cascade finds"""
    like_rejected: float = 0.8
    """near-duplicate of, or at the same spot of a shot as, what people called no face"""
    disagreement: float = 0.5
    """another cascade names somebody else there, with a higher score's rank"""
    usual_track: int = 6
    """detections from which on a track is not short"""
    of_a_kind: int = 2
    """suspects of one track, or of one spot of a shot"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A detection that may be wrong."""

    detection: Detection
    item: str
    """what an answer is about: id of the crop that shows it, else of its place"""
    doubt: float
    """0 to 1, for ranking only: no probability"""
    reasons: tuple[str, ...]
    """in words, the strongest first"""
    like_it: int
    """further detections of its track, or at its spot, that are not shown for its sake"""


@dataclass(slots=True)
class _Episode:
    """What is known of one episode, for looking up neighbours."""

    step: int
    """ticks between two samples"""
    detections: list[Detection]
    at: dict[int, list[Detection]] = field(default_factory=lambda: defaultdict(list))
    crops: dict[int, list[Crop]] = field(default_factory=lambda: defaultdict(list))
    times: list[int] = field(default_factory=list)
    """pts with a detection, ascending"""
    tracks: dict[str, Track] = field(default_factory=dict)
    sizes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """of each track's detections"""
    settled: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    """boxes with an answer, by pts"""
    refused: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    """boxes called no face, by shot"""


def rank_suspects(
    workspace: Workspace,
    cascade: str | None = None,
    limit: int = 100,
    options: SuspectOptions = SuspectOptions(),
    calibrations: Mapping[str, Calibration] | None = None,
) -> list[Suspect]:
    """The most doubtful detections without an answer, at most `limit`, the most doubtful first.

    Args:
        workspace: as mined; its labels say what is settled.
        cascade: digest of the cascade whose detections are ranked; None for all.
        limit: how many.
        options: how signs weigh.
        calibrations: digest -> what its scores mean, for the cascades that have one.
    """
    signs = _Signs(workspace, options, calibrations or {})
    found: list[Suspect] = []
    for episode in workspace.catalogue.all(Episode):
        about = _read_episode(workspace, episode, signs.said)
        found += _spread(
            (signs.judge(detection, about) for detection in about.detections if cascade in (None, detection.cascade)),
            options.of_a_kind,
        )
    found.sort(key=lambda s: (-s.doubt, s.detection.id))
    return [suspect for suspect in found if suspect.doubt >= LEAST_DOUBT][:limit]


class _Signs:
    """Looks at one detection after another."""

    def __init__(self, workspace: Workspace, options: SuspectOptions, calibrations: Mapping[str, Calibration]) -> None:
        self.options, self.calibrations = options, calibrations
        self.said = {item: said.kind for item, said in what_was_said(workspace.catalogue.all(Label)).items()}
        scores: dict[str, list[float]] = defaultdict(list)
        sizes: dict[str, list[float]] = defaultdict(list)
        for detection in workspace.catalogue.all(Detection):
            scores[detection.cascade].append(detection.score)
            sizes[detection.cascade].append(math.log(_size(detection.box)))
        self.scores = {cascade: np.sort(values) for cascade, values in scores.items()}
        self.sizes = {cascade: _middle_and_spread(values) for cascade, values in sizes.items()}
        self.hashes = _hashes_of_refused(workspace, self.said)
        self.known = workspace.catalogue.hashes(HASH_KIND)

    def judge(self, detection: Detection, about: _Episode) -> Suspect | None:
        """The detection with what speaks against it; None where it is settled."""
        if _overlaps(detection.box, about.settled[detection.pts], SAME_SPOT_IOU):
            return None
        crop = _crop_of(detection, about)
        signs = sorted((s for s in self._signs(detection, crop, about) if s[0] > 0.02), key=lambda s: (-s[0], s[1]))
        place = Place(episode=detection.episode, pts=detection.pts, box=detection.box)
        return Suspect(
            detection=detection,
            item=crop.id if crop else place.id,
            doubt=round(1.0 - math.prod(1.0 - weight for weight, _ in signs), 6),
            reasons=tuple(words for _, words in signs),
            like_it=0,
        )

    def _signs(self, d: Detection, crop: Crop | None, about: _Episode) -> Iterable[tuple[float, str]]:
        o = self.options
        if not _has_neighbour(d, about):
            yield o.alone, "alone in time"
        track = about.tracks.get(d.track)
        if track is None:
            yield o.no_track, "no track"
        elif track.detections < o.usual_track:
            yield o.no_track * (1 - track.detections / o.usual_track), f"track of {track.detections}"
        calibration = self.calibrations.get(d.cascade)
        rank = self._rank(d)
        if calibration is not None:
            chance = float(calibration.probability(np.array([d.score]))[0])
            yield o.improbable * (1 - chance), f"a face with probability {chance:.2f}"
        elif rank < 0.5:
            yield o.low_score * (1 - 2 * rank), f"score {d.score:.1f}, lower than {1 - rank:.0%} of its cascade's"
        yield from self._odd_size(d, about)
        if self._like_refused(d, crop, about):
            yield o.like_rejected, "like what was called no face"
        rivals = [
            other for other in about.at[d.pts]
            if other.character != d.character and _overlaps(d.box, [other.box], SAME_FACE_IOU)
        ]  # fmt: skip
        if rivals:
            best = max(rivals, key=lambda r: (self._rank(r), r.id))
            share = o.disagreement * (1.0 if self._rank(best) > rank else 0.4)
            yield share, f"{best.character} was found there too"

    def _rank(self, d: Detection) -> float:
        """Share of the cascade's detections with a lower score."""
        scores = self.scores[d.cascade]
        return float(np.searchsorted(scores, d.score, side="left")) / max(len(scores), 1)

    def _odd_size(self, d: Detection, about: _Episode) -> Iterable[tuple[float, str]]:
        size = _size(d.box)
        mates = about.sizes[d.track]
        if d.track and len(mates) > 2:
            ratio = size / float(np.median(mates))
            share = min(abs(math.log(ratio)) / math.log(2.0), 1.0)
            if share > 0.3:
                yield self.options.odd_size * share, f"{ratio:.1f} times as large as its track"
                return
        middle, spread = self.sizes[d.cascade]
        away = abs(math.log(size) - middle) / spread
        if away > 2.5:
            share = min((away - 2.5) / 2.5, 1.0)
            yield self.options.odd_size * 0.8 * share, "of a size that its cascade seldom finds"

    def _like_refused(self, d: Detection, crop: Crop | None, about: _Episode) -> bool:
        if _overlaps(d.box, about.refused[d.shot], SAME_SPOT_IOU):
            return True
        digits = self.known.get(crop.id, "") if crop else ""
        return bool(digits) and any((int(digits, 16) ^ h).bit_count() <= ALIKE_BITS for h in self.hashes)


def _read_episode(workspace: Workspace, episode: Episode, said: Mapping[str, str]) -> _Episode:
    catalogue = workspace.catalogue
    about = _Episode(_step(workspace, episode), catalogue.all(Detection, episode=episode.id))
    for detection in about.detections:
        about.at[detection.pts].append(detection)
        about.sizes[detection.track].append(_size(detection.box))
    about.times = sorted(about.at)
    for crop in catalogue.all(Crop, episode=episode.id):
        about.crops[crop.pts].append(crop)
        if crop.id in said:
            box = face_in(crop, about.at[crop.pts])
            about.settled[crop.pts].append(box)
            if said[crop.id] == NOT_A_FACE:
                about.refused[crop.shot].append(box)
    about.tracks = {track.id: track for track in catalogue.all(Track, episode=episode.id)}
    for item, kind in said.items():
        place = Place.read(item)
        if place is not None and place.episode == episode.id:
            about.settled[place.pts].append(place.box)
            shots = {d.shot for d in about.at[place.pts]}
            if kind == NOT_A_FACE and len(shots) == 1:
                about.refused[shots.pop()].append(place.box)
    return about


def _step(workspace: Workspace, episode: Episode) -> int:
    """Ticks between two searched frames, as recorded when the episode was mined."""
    run = workspace.catalogue.get(Run, f"mine:{episode.id}")
    try:
        fps = float(json.loads(run.options)["fps"]) if run else USUAL_FPS
    except (ValueError, KeyError, TypeError):
        fps = USUAL_FPS
    return max(round(1 / (Fraction(max(fps, 0.01)) * episode.time_base)), 1)


def _spread(found: Iterable[Suspect | None], of_a_kind: int) -> list[Suspect]:
    """The most doubtful of each track, and of each spot of a shot, with how many more there are."""
    kept: list[Suspect] = []
    spots: dict[tuple[str, str], list[int]] = defaultdict(list)
    more: Counter[int] = Counter()
    for suspect in sorted((s for s in found if s), key=lambda s: (-s.doubt, s.detection.id)):
        d = suspect.detection
        near = [
            i for i in spots[d.shot, d.cascade]
            if (d.track and kept[i].detection.track == d.track)
            or _overlaps(d.box, [kept[i].detection.box], SAME_SPOT_IOU)
        ]  # fmt: skip
        if len(near) >= of_a_kind:
            more[near[0]] += 1
            continue
        spots[d.shot, d.cascade].append(len(kept))
        kept.append(suspect)
    return [replace(suspect, like_it=more[i]) for i, suspect in enumerate(kept)]


def _has_neighbour(d: Detection, about: _Episode) -> bool:
    """Whether something near it, of about its size, was found one sample before or after in its shot."""
    reach, lowest = 0.8 * d.box.width, 1 / 1.6
    first = bisect_left(about.times, d.pts - about.step * 3 // 2)
    for pts in takewhile(lambda pts: (pts - d.pts) * 2 <= 3 * about.step, islice(about.times, first, None)):
        for other in about.at[pts]:
            if other.shot != d.shot or other.pts == d.pts:
                continue
            (x, y), (u, v) = d.box.center, other.box.center
            if math.hypot(x - u, y - v) <= reach and lowest <= other.box.width / d.box.width <= 1.6:
                return True
    return False


def _crop_of(d: Detection, about: _Episode) -> Crop | None:
    """The crop that was cut around a detection."""
    wanted = grow(d.box, CropOptions().margin_fraction)
    near = [crop for crop in about.crops[d.pts] if _overlaps(wanted, [crop.box], 0.8)]
    return near[0] if near else None


def _hashes_of_refused(workspace: Workspace, said: Mapping[str, str]) -> list[int]:
    """pHashes of the crops that people called no face; those not hashed yet are hashed now, nothing is stored."""
    from pipeline.core.errors import InputError
    from pipeline.core.images import decode_rgb

    known = workspace.catalogue.hashes(HASH_KIND)
    found: list[int] = []
    for crop in workspace.catalogue.all(Crop):
        if said.get(crop.id) != NOT_A_FACE:
            continue
        try:
            digits = known.get(crop.id) or phash(decode_rgb(workspace.objects.read(crop.sha256, ".png"), crop.id))
        except InputError:
            continue
        found.append(int(digits, 16))
    return found


def _middle_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Median, and the median absolute deviation scaled to a standard deviation (at least 0.1)."""
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(np.array(values) - middle))), 0.1)


def _size(box: Box) -> float:
    return math.sqrt(box.width * box.height)


def _overlaps(box: Box, others: Iterable[Box], least: float) -> bool:
    """Whether the intersection over union with any of a few boxes is `least` or more; plain Python, faster for these."""
    return any(_overlap(box, other) >= least for other in others)


def _overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.area + b.area - shared)
