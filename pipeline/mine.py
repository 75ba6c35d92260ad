"""The one pass over an episode: every frame is decoded once and feeds cuts, holds, faces, tracks and crops.

Nothing is written here but through `store`; what comes back streams shot by shot, so memory stays bounded by the
longest shot.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from pipeline.core.errors import UsageError, VideoError
from pipeline.core.images import RGB, encode_png
from pipeline.core.records import Box, Crop, Detection, Episode, Hold, Shot, Track
from pipeline.crops import Candidate, CropOptions, candidate, choose
from pipeline.frames import Frame
from pipeline.shots import CutFinder, HoldFinder, ShotOptions, shrink
from pipeline.tracks import Face, TrackOptions, link


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """How an episode is mined."""

    fps: float = 4.0
    """frames searched for faces per second of the episode"""
    min_face: int = 40
    """pixels; smaller faces are not looked for"""
    scale_factor: float = 1.1
    """between two sizes that are searched"""
    shots: ShotOptions = field(default_factory=ShotOptions)
    """how cuts and holds are found"""
    tracks: TrackOptions = field(default_factory=TrackOptions)
    """how detections are linked"""
    crops: CropOptions = field(default_factory=CropOptions)
    """what is kept of a track"""

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 240:
            raise UsageError(f"--fps must be above 0 and at most 240, got {self.fps:g}")
        if not 8 <= self.min_face <= 10_000:
            raise UsageError(f"--min-face must be 8 to 10000 pixels, got {self.min_face}")
        if not 1.01 <= self.scale_factor <= 2:
            raise UsageError(f"scale_factor must be 1.01 to 2, got {self.scale_factor:g}")


class FaceFinder(Protocol):
    """Finds the faces on one picture (cascades.detect.Detector is one)."""

    def find(self, image_HW3: RGB) -> list[tuple[Box, str, str, float]]:
        """Box, character, digest of the cascade, and score of each face."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedShot:
    """Everything found in one shot."""

    shot: Shot
    """the shot itself"""
    holds: list[Hold]
    """in time order"""
    detections: list[Detection]
    """in time order"""
    tracks: list[Track]
    """in time order"""
    crops: list[Crop]
    """in time order; their pictures are stored already"""
    sampled: int
    """frames searched for faces"""


@dataclass(slots=True)
class MinedEpisode:
    """What the pass over one episode gave."""

    episode: Episode
    """with its real frame count and end"""
    shots: list[MinedShot]
    """in time order"""
    damage: str = ""
    """why decoding ended early; empty for a sound file"""

    @property
    def counts(self) -> dict[str, int]:
        """What was made, by kind."""
        return {
            "frames": self.episode.frames,
            "sampled": sum(s.sampled for s in self.shots),
            "shots": len(self.shots),
            "holds": sum(len(s.holds) for s in self.shots),
            "detections": sum(len(s.detections) for s in self.shots),
            "tracks": sum(len(s.tracks) for s in self.shots),
            "crops": sum(len(s.crops) for s in self.shots),
        }


def mine(
    episode: Episode,
    frames: Iterator[Frame],
    finder: FaceFinder,
    options: MineOptions,
    store: Callable[[bytes], str],
    on_frame: Callable[[], None] = lambda: None,
) -> MinedEpisode:
    """Mines one episode in one pass.

    Args:
        episode: from `ingest.identify`; its id prefixes every id made here.
        frames: from `frames.decode`; a VideoError it raises after some frames ends the pass, and what was seen is kept.
        store: takes the PNG bytes of a crop, returns their SHA-256.
        on_frame: called after every frame.

    Raises:
        VideoError: not one frame decodes.
    """
    pass_ = _Pass(episode, finder, options, store)
    damage = ""
    try:
        for frame in frames:
            pass_.push(frame)
            on_frame()
    except VideoError as error:
        if not pass_.times:
            raise
        damage = str(error)
    return pass_.finish(damage)


@dataclass(slots=True)
class _Sample:
    """A frame that was searched: its faces, each with its cut-out picture."""

    index: int
    pts: int
    faces: list[tuple[Detection, Candidate | None]]


class _Pass:
    def __init__(
        self, episode: Episode, finder: FaceFinder, options: MineOptions, store: Callable[[bytes], str]
    ) -> None:
        self.episode, self.finder, self.options, self.store = episode, finder, options, store
        self.cuts, self.holds = CutFinder(options.shots), HoldFinder(options.shots)
        self.times: list[int] = []
        self.drawings: list[int] = []
        self.samples: list[_Sample] = []
        self.shots: list[MinedShot] = []
        self.shot_start = 0
        self.next_sample: Fraction | None = None
        self.end_pts = episode.start_pts

    def push(self, frame: Frame) -> None:
        index = len(self.times)
        pts = frame.pts if not self.times else max(frame.pts, self.times[-1] + 1)  # a broken clock never runs back
        self.times.append(pts)
        self.end_pts = pts + max(frame.duration, 1)
        small = shrink(frame.image, self.options.shots.small_width)
        new_drawing = self.holds.push(small)
        if new_drawing:
            self.drawings.append(index)
        cuts = self.cuts.push(small, new_drawing)
        if self._is_sample(pts):
            self.samples.append(self._search(frame, index, pts))
        for cut in cuts:
            self._close_shot(cut)

    def finish(self, damage: str) -> MinedEpisode:
        for cut in self.cuts.finish():
            self._close_shot(cut)
        self._close_shot(len(self.times))
        episode = Episode(
            id=self.episode.id, name=self.episode.name, path=self.episode.path, sha256=self.episode.sha256,
            size_bytes=self.episode.size_bytes, width=self.episode.width, height=self.episode.height,
            time_base=self.episode.time_base, frames=len(self.times), start_pts=self.times[0], end_pts=self.end_pts,
        )  # fmt: skip
        return MinedEpisode(episode, self.shots, damage)

    def _is_sample(self, pts: int) -> bool:
        """Whether the frame is the first at or after the next point of a grid of 1/fps seconds."""
        now = pts * self.episode.time_base
        if self.next_sample is None:
            self.next_sample = now
        if now < self.next_sample:
            return False
        step = 1 / Fraction(self.options.fps).limit_denominator(1000)
        self.next_sample += step * ((now - self.next_sample) // step + 1)
        return True

    def _search(self, frame: Frame, index: int, pts: int) -> _Sample:
        faces = []
        for box, character, cascade, score in self.finder.find(frame.image):
            place = f"{box.left}.{box.top}.{box.right}.{box.bottom}"
            detection = Detection(
                id=f"{self.episode.id}.d{pts}.{cascade[:6]}.{place}", episode=self.episode.id, shot="", pts=pts, box=box,
                character=character, cascade=cascade, score=score,
            )  # fmt: skip
            faces.append((detection, candidate(frame.image, box, self.options.crops)))
        return _Sample(index, pts, faces)

    def _close_shot(self, end: int) -> None:
        """Makes the records of the shot that ends before frame `end`, and lets its pictures go."""
        if end <= self.shot_start:
            return
        start_pts = self.times[self.shot_start]
        end_pts = self.times[end] if end < len(self.times) else self.end_pts
        shot = Shot(
            id=f"{self.episode.id}.s{start_pts}", episode=self.episode.id, start_pts=start_pts, end_pts=end_pts,
            frames=end - self.shot_start,
        )  # fmt: skip
        samples = [s for s in self.samples if s.index < end]
        self.samples = [s for s in self.samples if s.index >= end]
        pictures = {d.id: picture for sample in samples for d, picture in sample.faces}
        found = [_with(d, shot=shot.id) for sample in samples for d, _ in sample.faces]
        linked = link(found, [s.pts for s in samples], self.options.tracks)
        track_of = {d.id: track.id for track, faces in linked for face in faces for d in face.all}
        self.shots.append(
            MinedShot(
                shot=shot,
                holds=self._holds(shot, end, end_pts),
                detections=[_with(d, track=track_of.get(d.id, "")) for d in found],
                tracks=[track for track, _ in linked],
                crops=[crop for track, faces in linked for crop in self._crops(track, faces, pictures)],
                sampled=len(samples),
            )
        )
        self.shot_start = end

    def _holds(self, shot: Shot, end: int, end_pts: int) -> list[Hold]:
        """The drawings of a shot; a cut always begins a new one."""
        inside = [i for i in self.drawings if self.shot_start < i < end]
        self.drawings = [i for i in self.drawings if i >= end]
        starts = [self.shot_start, *inside, end]
        times = [self.times[i] for i in starts[:-1]] + [end_pts]
        return [
            Hold(
                id=f"{self.episode.id}.h{times[n]}", episode=self.episode.id, shot=shot.id, start_pts=times[n],
                end_pts=times[n + 1], frames=starts[n + 1] - starts[n],
            )
            for n in range(len(starts) - 1)
        ]  # fmt: skip

    def _crops(self, track: Track, faces: list[Face], pictures: dict[str, Candidate | None]) -> list[Crop]:
        cut_out = [(face.best, picture) for face in faces if (picture := pictures[face.best.id]) is not None]
        crops = []
        for position in choose([picture for _, picture in cut_out], self.options.crops):
            detection, picture = cut_out[position]
            box = picture.box
            crops.append(
                Crop(
                    id=f"{track.episode}.c{detection.pts}.{box.left}.{box.top}.{box.right}.{box.bottom}",
                    episode=track.episode, shot=track.shot, track=track.id, pts=detection.pts, box=box,
                    character=track.character, cascade=detection.cascade, score=detection.score,
                    sharpness=picture.sharpness, sha256=self.store(encode_png(picture.image)),
                )
            )  # fmt: skip
        return crops


def _with(d: Detection, *, shot: str | None = None, track: str | None = None) -> Detection:
    return Detection(
        id=d.id, episode=d.episode, shot=d.shot if shot is None else shot, pts=d.pts, box=d.box, character=d.character,
        cascade=d.cascade, score=d.score, track=d.track if track is None else track,
    )  # fmt: skip
