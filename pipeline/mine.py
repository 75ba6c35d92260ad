"""The one pass over an episode: every frame is decoded once and feeds cuts, holds, faces, tracks and crops.

Nothing is written here but through `store`; what comes back streams shot by shot.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pipeline.core.errors import UsageError, VideoError
from pipeline.core.images import RGB, encode_png
from pipeline.core.records import Crop, Detection, Episode, Hold, Shot, ShotPrint, Track
from pipeline.crops import Candidate, CropOptions, candidate, choose
from pipeline.frames import WatchedFrame
from pipeline.repeats import PrintMaker
from pipeline.searches import (
    ContinuedSearch,
    FaceFinder,
    FaceSearch,
    FoundFace,
    KnownFaces,
    SearchOptions,
    slack_seconds,
)
from pipeline.shots import Cut, CutFinder, HoldFinder, ShotOptions
from pipeline.tracks import Face, TrackOptions, link

MOST_PICTURED = 512
"""searched frames of a shot whose faces' pictures are held in memory"""
PART_SAMPLES = 40
"""searched frames after which what was found is handed in though the shot goes on"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """How an episode is mined."""

    fps: float = 4.0
    """frames searched for faces per second of the episode"""
    min_face: int = 40
    """pixels; smaller faces are not looked for"""
    scale_factor: float = 1.1
    """between two sizes that are searched"""
    search: SearchOptions = field(default_factory=SearchOptions)
    """where and how often faces are searched"""
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
    print: ShotPrint
    """what it looks like, for finding it again in other episodes"""
    sampled: int
    """frames searched for faces"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSoFar:
    """Everything found, from where the last shot or part ended, in a shot that is still open."""

    detections: tuple[Detection, ...]
    """without their shot and track, which nobody knows yet"""
    end_pts: int
    """the frame up to which the episode is searched"""

    def followed_by(self, more: "FoundSoFar") -> "FoundSoFar":
        """Both as one."""
        return FoundSoFar(detections=self.detections + more.detections, end_pts=more.end_pts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A frame that was searched: its faces, each with its cut-out picture."""

    index: int
    slot: int
    pts: int
    faces: list[tuple[Detection, Candidate | None]]
    image: RGB | None
    """kept until the next one is searched, which may show what was missed here"""

    def without_pictures(self) -> "_Sample":
        return replace(self, faces=[(detection, None) for detection, _ in self.faces])


class Mining:
    """One pass over an episode: hands out its shots as they close, and afterwards what the whole episode is.

    Memory is bounded by the longest shot.
    """

    def __init__(
        self,
        episode: Episode,
        finder: FaceFinder,
        options: MineOptions,
        store: Callable[[bytes], str],
        resume_from_pts: int | None = None,
        known: Iterable[Detection] | None = None,
        found: FoundSoFar | None = None,
    ) -> None:
        """Args:
        episode: from `ingest.identify`; its id prefixes every id made here.
        store: takes the PNG bytes of a crop, returns their SHA-256.
        resume_from_pts: end of the last shot that is known already; only later shots are handed out, the same ones
            that an uninterrupted pass gives. Frames before `search_from_pts(...)` need no whole picture then.
        known: everything that a search with the same options found: then nothing is searched again.
        found: what was handed in of the shot that begins at `resume_from_pts`: then only what follows is searched.
        """
        self.options, self.store, self.resume_from_pts = options, store, resume_from_pts
        self.damage = ""
        """why decoding ended early; empty for a sound file, and until the pass has ended"""
        self._identified = episode
        self._cuts, self._holds = CutFinder(options.shots), HoldFinder(options.shots)
        self._search: FaceSearch | KnownFaces | ContinuedSearch = FaceSearch(finder, options.search, options.min_face)
        self._handed_in_pts = resume_from_pts
        if known is not None:
            self._search = KnownFaces(known)
        elif found is not None:
            self._handed_in_pts, begin_pts = found.end_pts, search_from_pts(found.end_pts, episode.time_base, options)
            self._search = ContinuedSearch(KnownFaces(found.detections), found.end_pts, self._search, begin_pts)
        self._prints = PrintMaker(episode.time_base)
        self._times: list[int] = []
        self._drawings: list[int] = []
        self._samples: list[_Sample] = []
        self._shot_start, self._stride = Cut(0), 1
        self._end_pts = episode.start_pts

    @property
    def episode(self) -> Episode:
        """With its real frame count and end as far as the pass has come."""
        return replace(
            self._identified, frames=len(self._times), start_pts=self._times[0] if self._times else self._end_pts,
            end_pts=self._end_pts,
        )  # fmt: skip

    def shots(self, frames: Iterator[WatchedFrame], on_frame: Callable[[], None] = lambda: None) -> Iterator[MinedShot]:
        """Each shot as soon as it is known to have ended, in time order; `parts` without what was found on the way."""
        return (part for part in self.parts(frames, on_frame) if isinstance(part, MinedShot))

    def parts(
        self, frames: Iterator[WatchedFrame], on_frame: Callable[[], None] = lambda: None
    ) -> Iterator[MinedShot | FoundSoFar]:
        """Each shot as soon as it is known to have ended, in time order; while one is open, what was found so far.

        Args:
            frames: from `frames.watch`; a VideoError it raises after some frames ends the pass, and what was seen is kept.
            on_frame: called after every frame.

        Raises:
            VideoError: not one frame decodes.
        """
        try:
            for frame in frames:
                yield from self._push(frame)
                on_frame()
        except VideoError as error:
            if not self._times:
                raise
            self.damage = str(error)
        for end in [*self._cuts.finish(), Cut(len(self._times))]:
            yield from self._close_shot(end)

    def _push(self, frame: WatchedFrame) -> Iterator[MinedShot | FoundSoFar]:
        index = len(self._times)
        pts = frame.pts if not self._times else max(frame.pts, self._times[-1] + 1)  # a broken clock never runs back
        self._times.append(pts)
        self._end_pts = pts + max(frame.duration, 1)
        new_drawing = self._holds.push(frame.small)
        if new_drawing:
            self._drawings.append(index)
        self._prints.push(pts, frame.small, new_drawing)
        cuts = self._cuts.push(frame.small, new_drawing)
        if frame.image is not None:
            self._sample(frame, frame.image, index, pts)
            self._thin()
            yield from self._found_so_far()
        for cut in cuts:
            yield from self._close_shot(cut)

    def _sample(self, frame: WatchedFrame, image: RGB, index: int, pts: int) -> None:
        search = self._search.search(frame if frame.pts == pts else replace(frame, pts=pts))
        if search.before and self._samples:
            before = self._samples[-1]
            before.faces.extend(self._detected(before.image, before.pts, search.before))
        if self._samples:
            self._samples[-1] = replace(self._samples[-1], image=None)
        faces = self._detected(image, pts, search.faces)
        self._samples.append(_Sample(index=index, slot=frame.slot or 0, pts=pts, faces=faces, image=image))

    def _detected(
        self, image: RGB | None, pts: int, faces: list[FoundFace]
    ) -> list[tuple[Detection, Candidate | None]]:
        detected = []
        for face in faces:
            box = face.box
            place = f"{box.left}.{box.top}.{box.right}.{box.bottom}"
            detection = Detection(
                id=f"{self._identified.id}.d{pts}.{face.cascade[:6]}.{place}", episode=self._identified.id, shot="",
                pts=pts, box=box, character=face.character, cascade=face.cascade, score=face.score,
            )  # fmt: skip
            detected.append((detection, None if image is None else candidate(image, box, self.options.crops)))
        return detected

    def _found_so_far(self) -> Iterator[FoundSoFar]:
        """What was found since the last time, now and then: all but on the last picture, which may still gain faces."""
        if len(self._samples) < 2 or isinstance(self._search, KnownFaces):
            return
        end_pts, from_pts = self._samples[-1].pts, self._handed_in_pts
        new = [s for s in self._samples[-PART_SAMPLES - 2 : -1] if from_pts is None or s.pts >= from_pts]
        if len(new) < PART_SAMPLES:
            return
        self._handed_in_pts = end_pts
        yield FoundSoFar(detections=tuple(d for sample in new for d, _ in sample.faces), end_pts=end_pts)

    def _thin(self) -> None:
        """Lets go of every second picture of a shot that never ends, again and again; its detections stay."""
        if len(self._samples) <= MOST_PICTURED * self._stride:
            return
        self._stride *= 2
        self._samples = [s if s.slot % self._stride == 0 else s.without_pictures() for s in self._samples]

    def _close_shot(self, end: Cut) -> Iterator[MinedShot]:
        """The shot that ends before frame `end`; its pictures are let go."""
        if end <= self._shot_start:
            return
        begin, self._shot_start, self._stride = self._shot_start, end, 1
        samples = [s for s in self._samples if s.index < end]
        self._samples = [s for s in self._samples if s.index >= end]
        inside = [i for i in self._drawings if begin < i < end]
        self._drawings = [i for i in self._drawings if i >= end]
        if self.resume_from_pts is None or self._times[begin] >= self.resume_from_pts:
            yield self._shot(begin, end, samples, [begin, *inside, end])

    def _shot(self, begin: Cut, end: Cut, samples: "list[_Sample]", drawings: list[int]) -> MinedShot:
        start_pts = self._times[begin]
        end_pts = self._times[end] if end < len(self._times) else self._end_pts
        id_ = self._identified.id
        shot = Shot(
            id=f"{id_}.s{start_pts}", episode=id_, start_pts=start_pts, end_pts=end_pts, frames=end - begin,
            transition=begin.kind,
        )  # fmt: skip
        pictures = {d.id: picture for sample in samples for d, picture in sample.faces}
        found = [replace(d, shot=shot.id) for s in samples for d in sorted((d for d, _ in s.faces), key=_in_place)]
        linked = link(found, [s.pts for s in samples], self.options.tracks)
        track_of = {d.id: track.id for track, faces in linked for face in faces for d in face.all}
        return MinedShot(
            shot=shot,
            holds=self._holds_of(shot, drawings),
            detections=[replace(d, track=track_of.get(d.id, "")) for d in found],
            tracks=[track for track, _ in linked],
            crops=[crop for track, faces in linked for crop in self._crops(track, faces, pictures)],
            print=self._prints.take(shot),
            sampled=len(samples),
        )

    def _holds_of(self, shot: Shot, starts: list[int]) -> list[Hold]:
        """The drawings of a shot, whose first frames are `starts` but for the last, its end; a cut begins a new one."""
        times = [self._times[i] for i in starts[:-1]] + [shot.end_pts]
        return [
            Hold(
                id=f"{shot.episode}.h{times[n]}", episode=shot.episode, shot=shot.id, start_pts=times[n],
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


def _in_place(d: Detection) -> tuple[str, int, int, int, int]:
    """An order of the faces of a frame that does not depend on how they were found."""
    return d.cascade, d.box.left, d.box.top, d.box.right, d.box.bottom


def search_from_pts(resume_from_pts: int, time_base: Fraction, options: MineOptions) -> int:
    """From where on a pass that is resumed needs whole frames, in ticks."""
    return resume_from_pts - int(slack_seconds(options.search, options.fps) / time_base) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedEpisode:
    """What the pass over one episode gave."""

    episode: Episode
    """with its real frame count and end"""
    shots: list[MinedShot]
    """in time order"""
    damage: str
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
    frames: Iterator[WatchedFrame],
    finder: FaceFinder,
    options: MineOptions,
    store: Callable[[bytes], str],
    on_frame: Callable[[], None] = lambda: None,
) -> MinedEpisode:
    """The whole of `Mining` at once.

    Raises:
        VideoError: not one frame decodes.
    """
    mining = Mining(episode, finder, options, store)
    shots = list(mining.shots(frames, on_frame))
    return MinedEpisode(episode=mining.episode, shots=shots, damage=mining.damage)
