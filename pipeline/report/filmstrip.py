"""A mined episode's shots as the page shows them: a frame each, the faces found on it, who is in it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.places import Timestamp
from pipeline.core.records import Detection, Episode, Hold, Repeat, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.holdings import Holdings
from pipeline.report.strips import Moment, faces_at
from pipeline.report.thumbnails import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecords:
    """The records of one episode."""

    episode: Episode
    """itself"""
    shots: Sequence[Shot]
    """in time order"""
    holds: Sequence[Hold]
    """in time order"""
    detections: Sequence[Detection]
    """any order"""
    tracks: Sequence[Track]
    """in time order"""
    repeats: Mapping[str, Repeat]
    """shot id -> its mark, for shots that other episodes show too"""

    def timecode(self, pts: int) -> str:
        """`H:MM:SS.mmm`"""
        return Timestamp(pts=pts, time_base=self.episode.time_base).timecode


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBox:
    """A detection drawn over a frame."""

    left: int
    top: int
    width: int
    height: int
    """pixels of the source frame"""
    hue: str
    """colour class of the character"""
    tracked: bool
    """whether it belongs to a track"""
    title: str
    """character and score"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotView:
    """One shot with its telling frame."""

    number: int
    """from 1, within the episode"""
    start: str
    """timecode"""
    length: str
    """of time"""
    drawings: str
    """how many, in how many frames"""
    alt: str
    """what the picture shows, for those who cannot see it"""
    picture: Picture | None
    """None when it could not be decoded"""
    boxes: tuple[FaceBox, ...]
    """drawn over the picture"""
    cast: tuple[tuple[str, str, int], ...]
    """character, colour class, tracks"""
    transition: str
    """how it begins: `fade`, `dissolve`; empty for a cut"""
    repeat: str
    """`opening`, `ending`, `recap`, `repeat`, `original`; empty for a shot that no other episode shows"""


def read_mined(workspace: Workspace, episode: Episode) -> EpisodeRecords:
    """Reads the records of an episode."""
    catalogue = workspace.catalogue
    return EpisodeRecords(
        episode=episode,
        shots=sorted(catalogue.all(Shot, episode=episode.id), key=lambda s: s.start_pts),
        holds=sorted(catalogue.all(Hold, episode=episode.id), key=lambda h: h.start_pts),
        detections=catalogue.all(Detection, episode=episode.id),
        tracks=sorted(catalogue.all(Track, episode=episode.id), key=lambda t: t.start_pts),
        repeats={mark.id: mark for mark in catalogue.all(Repeat, episode=episode.id)},
    )


def shot_views(
    mined: EpisodeRecords, moments: Sequence[Moment], pictures: Mapping[int, Picture | None], holdings: Holdings
) -> tuple[ShotView, ...]:
    """The shots of the moments, in time order; one that did not decode has no picture."""
    numbers = {shot.id: number for number, shot in enumerate(mined.shots, 1)}
    drawings = Counter(hold.shot for hold in mined.holds)
    faces_of: dict[str, list[Detection]] = defaultdict(list)
    for detection in mined.detections:
        faces_of[detection.shot].append(detection)
    cast_of: dict[str, Counter[str]] = defaultdict(Counter)
    for track in mined.tracks:
        cast_of[track.shot][track.character] += 1
    views = []
    for moment in moments:
        shot, picture = moment.shot, pictures.get(moment.pts)
        faces = faces_at(moment.pts, faces_of[shot.id])
        when = mined.timecode(moment.pts)
        held = wording.counted(drawings[shot.id], "drawing")
        views.append(
            ShotView(
                number=numbers[shot.id],
                start=mined.timecode(shot.start_pts),
                length=wording.duration(float((shot.end_pts - shot.start_pts) * mined.episode.time_base)),
                drawings=f"{held} in {wording.counted(shot.frames, 'frame')}",
                alt=f"Shot {numbers[shot.id]}, frame at {when}, {wording.counted(len(faces), 'face')} found",
                picture=picture,
                boxes=tuple(_face_box(face, holdings) for face in faces),
                cast=tuple((n or "unknown", holdings.hue(n), k) for n, k in sorted(cast_of[shot.id].items())),
                transition="" if shot.transition == "cut" else shot.transition,
                repeat=mined.repeats[shot.id].kind if shot.id in mined.repeats else "",
            )
        )
    return tuple(views)


def _face_box(detection: Detection, holdings: Holdings) -> FaceBox:
    box = detection.box
    title = f"{detection.character or 'unknown'}, score {detection.score:.1f}"
    return FaceBox(
        left=box.left,
        top=box.top,
        width=box.width,
        height=box.height,
        hue=holdings.hue(detection.character),
        tracked=detection.track != "",
        title=title if detection.track else f"{title}, in no track",
    )
