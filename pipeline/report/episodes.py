"""The episodes, one by one: timeline, shots with the faces found on them, and how long drawings are held."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.places import Timestamp
from pipeline.core.progress import Progress
from pipeline.core.records import Crop, Detection, Episode, Hold, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.faces import Face, best_first, face_of
from pipeline.report.filmstrip import EpisodeRecords, ShotView, read_mined, shot_views
from pipeline.report.holdings import Holdings, spread
from pipeline.report.strips import Stills, choose_moments, within_reach
from pipeline.report.thumbnails import Gallery

EPISODES_SHOWN = 12
SHOTS_SHOWN = 24
"""of an episode"""
ROWS_SHOWN = 100
"""episodes in the table"""
FRAMES_DECODED = 36_000
"""for one page, shared among the episodes that can be decoded from their start only: a minute at 1280x720 on two cores"""
CROPS_INSTEAD = 24
"""shown where an episode cannot be decoded"""
SPANS_DRAWN = 1500
"""shots, and tracks of one character, on a timeline"""
LANES_SHOWN = 12
"""characters on a timeline"""
CAST_SHOWN = 24
"""characters in the legend"""
HOLD_NAMES = ("on ones", "on twos", "on threes", "held longer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One row of the timeline."""

    name: str
    """a character; empty for the shots, and for those that other episodes show too"""
    hue: str
    """colour class"""
    spans: tuple[tuple[float, float], ...]
    """start and length, thousandths of the episode"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeView:
    """One episode."""

    id: str
    """of the episode"""
    name: str
    """for people"""
    facts: tuple[str, ...]
    """length, size, counts"""
    width: int
    """pixels of a frame"""
    height: int
    """pixels of a frame"""
    holds: tuple[tuple[str, float], ...]
    """(one of HOLD_NAMES, share of the frames)"""
    lanes: tuple[Lane, ...]
    """the shots, those that other episodes show too, then a row for each character"""
    start: str
    """timecode of the first frame"""
    end: str
    """timecode of the end"""
    shots: tuple[ShotView, ...]
    """in time order"""
    shots_total: int
    """in all"""
    trouble: str
    """why pictures are missing; empty when all is well"""
    crops: tuple[Face, ...]
    """instead of shots that cannot be shown"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """A line of the table of episodes."""

    name: str
    id: str
    length: str
    frames: int
    shots: int
    detections: int
    tracks: int
    crops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSection:
    """The episodes of a workspace."""

    views: tuple[EpisodeView, ...]
    """by name, evenly spread where there are more"""
    rows: tuple[EpisodeRow, ...]
    """by name"""
    total: int
    """in all"""
    cast: tuple[tuple[str, str], ...]
    """character and colour class, for the legend"""


def episode_section(workspace: Workspace, holdings: Holdings, gallery: Gallery, progress: Progress) -> EpisodeSection:
    """Reads the episodes that are shown, and decodes what no earlier report has."""
    chosen = spread(holdings.episodes, EPISODES_SHOWN)
    frames_each = FRAMES_DECODED // max(1, len(chosen))
    views = []
    with progress.step("report", len(chosen), "episodes") as step:
        for episode in chosen:
            views.append(_view(workspace, holdings, gallery, episode, frames_each))
            step.advance()
    return EpisodeSection(
        views=tuple(views),
        rows=tuple(_table_row(workspace, episode) for episode in holdings.episodes[:ROWS_SHOWN]),
        total=len(holdings.episodes),
        cast=tuple((name or "unknown", hue) for name, hue in list(holdings.hues.items())[:CAST_SHOWN]),
    )


def hold_shares(holds: Sequence[Hold]) -> tuple[tuple[str, float], ...]:
    """The share of frames that belong to drawings held for one, two, three and more frames; empty without frames."""
    frames = [0] * len(HOLD_NAMES)
    for hold in holds:
        frames[min(hold.frames, len(HOLD_NAMES)) - 1] += hold.frames
    total = sum(frames)
    return tuple((name, n / total) for name, n in zip(HOLD_NAMES, frames, strict=True)) if total else ()


def _view(
    workspace: Workspace, holdings: Holdings, gallery: Gallery, episode: Episode, frames_at_most: int
) -> EpisodeView:
    mined = read_mined(workspace, episode)
    stills = Stills(workspace.root / "cache", episode)
    shots = mined.shots if stills.trouble() else within_reach(Path(episode.path), mined.shots, frames_at_most)
    moments = choose_moments(shots, mined.holds, mined.detections, SHOTS_SHOWN)
    pictures, trouble = stills.pictures(moments, gallery)
    if not trouble and None in pictures.values():
        trouble = "The page is full: pictures of some shots were left out."
    crops: tuple[Face, ...] = ()
    if moments and not any(pictures.values()):
        best = best_first(workspace.catalogue.all(Crop, episode=episode.id))[:CROPS_INSTEAD]
        crops = tuple(face_of(workspace, holdings, gallery, crop) for crop in best)
        trouble += " Crops are shown instead of shots."
    return EpisodeView(
        id=episode.id,
        name=episode.name,
        facts=_facts(mined),
        width=episode.width,
        height=episode.height,
        holds=hold_shares(mined.holds),
        lanes=_lanes(mined, holdings),
        start=mined.timecode(episode.start_pts),
        end=mined.timecode(max(episode.start_pts, episode.end_pts)),
        shots=() if crops else shot_views(mined, moments, pictures, holdings),
        shots_total=len(mined.shots),
        trouble=trouble,
        crops=crops,
    )


def _facts(mined: EpisodeRecords) -> tuple[str, ...]:
    episode = mined.episode
    seconds = float((episode.end_pts - episode.start_pts) * episode.time_base)
    rate = f"{episode.frames / seconds:.4g} frames/s" if seconds > 0 else ""
    facts = (
        wording.duration(max(seconds, 0.0)),
        f"{episode.width}\u00d7{episode.height}",
        rate,
        wording.size(episode.size_bytes),
        wording.counted(len(mined.shots), "shot"),
        _began(mined),
        _repeated(mined),
        wording.counted(len(mined.holds), "drawing"),
        wording.counted(len(mined.detections), "face") + " found",
        wording.counted(len(mined.tracks), "track"),
    )
    return tuple(fact for fact in facts if fact)


def _began(mined: EpisodeRecords) -> str:
    """How many of the shots begin gradually."""
    kinds = [shot.transition for shot in mined.shots]
    words = [wording.counted(kinds.count(kind), kind) for kind in ("dissolve", "fade") if kind in kinds]
    return " and ".join(words)


def _repeated(mined: EpisodeRecords) -> str:
    """How many of the shots other episodes show as well."""
    again = sum(mark.kind != "original" for mark in mined.repeats.values())
    return f"{wording.counted(again, 'shot')} shown in other episodes too" if again else ""


def _lanes(mined: EpisodeRecords, holdings: Holdings) -> tuple[Lane, ...]:
    episode = mined.episode
    length = episode.end_pts - episode.start_pts
    if length <= 0 or not mined.shots:
        return ()

    def span(start_pts: int, end_pts: int) -> tuple[float, float]:
        return 1000 * (start_pts - episode.start_pts) / length, max(1.5, 1000 * (end_pts - start_pts) / length)

    by_character: dict[str, list[Track]] = defaultdict(list)
    for track in mined.tracks:
        by_character[track.character].append(track)
    most = sorted(by_character.items(), key=lambda item: (-len(item[1]), item[0]))
    shot_lane = Lane(name="", hue="", spans=tuple(span(s.start_pts, s.end_pts) for s in mined.shots[:SPANS_DRAWN]))
    again = [s for s in mined.shots if s.id in mined.repeats and mined.repeats[s.id].kind != "original"]
    spans = tuple(span(s.start_pts, s.end_pts) for s in again[:SPANS_DRAWN])
    repeat_lane = (Lane(name="", hue="again", spans=spans),) if spans else ()
    return (
        shot_lane,
        *repeat_lane,
        *(
            Lane(
                name=name or "unknown",
                hue=holdings.hue(name),
                spans=tuple(span(t.start_pts, t.end_pts) for t in found[:SPANS_DRAWN]),
            )
            for name, found in sorted(most[:LANES_SHOWN], key=lambda item: item[0])
        ),
    )


def _table_row(workspace: Workspace, episode: Episode) -> EpisodeRow:
    count = workspace.catalogue.count
    return EpisodeRow(
        name=episode.name,
        id=episode.id,
        length=Timestamp(pts=max(0, episode.end_pts - episode.start_pts), time_base=episode.time_base).timecode,
        frames=episode.frames,
        shots=count(Shot, episode=episode.id),
        detections=count(Detection, episode=episode.id),
        tracks=count(Track, episode=episode.id),
        crops=count(Crop, episode=episode.id),
    )
