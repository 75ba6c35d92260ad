"""Suspects as people get them: a CSV to fill in and a contact sheet to look at. `import labels` reads the CSV back."""

import base64
import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cascades.studio.suspects import Suspect
from pipeline.core.errors import InputError
from pipeline.core.geometry import clip, grow
from pipeline.core.images import RGB, cut, decode_rgb
from pipeline.core.places import Box, Timestamp
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade, Crop, Episode
from pipeline.core.workspace import Workspace

COLUMNS = (
    "rank", "crop", "answer", "annotator", "character", "episode", "timecode", "left", "top", "right", "bottom",
    "cascade", "score", "doubt", "reasons", "like_it",
)  # fmt: skip
TEMPLATES = Path(__file__).parent / "templates"
AROUND = 0.7
"""of the box's size, shown on each side of it: a face is told by what it sits on"""
SHOWN_PIXELS = 220
"""longest side of a picture on the sheet"""
SHEET_SUSPECTS = 400
"""on one sheet at most; the CSV holds all"""


@dataclass(frozen=True, slots=True)
class View:
    """A suspect as the sheet shows it."""

    suspect: Suspect
    picture: RGB | None
    """with its surroundings; None where neither the episode nor a crop can be read"""
    inner: tuple[float, float, float, float]
    """left, top, width, height of the box within the picture, as shares of it"""


def as_csv(suspects: Sequence[Suspect], workspace: Workspace) -> str:
    """A row for each suspect; the column `answer` is empty: a character's name, `not-a-face`, `unsure` or `skip`."""
    episodes = {episode.id: episode for episode in workspace.catalogue.all(Episode)}
    names = {cascade.sha256: cascade.id for cascade in workspace.catalogue.all(Cascade)}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, suspect in enumerate(suspects, start=1):
        d = suspect.detection
        writer.writerow(
            [
                rank, suspect.item, "", "", _harmless(d.character), _harmless(episodes[d.episode].name),
                _timecode(episodes, suspect), d.box.left, d.box.top, d.box.right, d.box.bottom,
                _harmless(names.get(d.cascade, d.cascade[:12])), f"{d.score:.3f}", f"{suspect.doubt:.3f}",
                "; ".join(suspect.reasons), suspect.like_it,
            ]
        )  # fmt: skip
    return text.getvalue()


def views_of(suspects: Sequence[Suspect], workspace: Workspace, progress: Progress | None = None) -> list[View]:
    """Pictures of the suspects, in their order, from one pass over each episode; a crop stands in for a lost episode."""
    pictures: dict[str, tuple[RGB, Box]] = {}
    by_episode: dict[str, list[Suspect]] = defaultdict(list)
    for suspect in suspects:
        by_episode[suspect.detection.episode].append(suspect)
    with (progress or Silent()).step("pictures", len(suspects), "faces") as step:
        for id, here in sorted(by_episode.items()):
            episode = workspace.catalogue.get(Episode, id)
            if episode is not None:
                pictures |= _seen(episode, here)
            step.advance(len(here))
    views = []
    for suspect in suspects:
        found = pictures.get(suspect.detection.id) or _crop_picture(workspace, suspect)
        views.append(View(suspect, *(_shares(suspect, *found) if found else (None, (0.0, 0.0, 1.0, 1.0)))))
    return views


def sheet_html(views: Sequence[View], workspace: Workspace, csv_name: str, total: int) -> str:
    """The contact sheet as one page that needs nothing else; every text from outside is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    episodes = {episode.id: episode for episode in workspace.catalogue.all(Episode)}
    shown = [_as_drawn(view, episodes) for view in views[:SHEET_SUSPECTS]]
    return environment.get_template("suspects.html.j2").render(views=shown, csv=csv_name, total=total)


def _seen(episode: Episode, suspects: Sequence[Suspect]) -> dict[str, tuple[RGB, Box]]:
    """Detection id -> its surroundings and the box they were cut at; empty where the file is of no use."""
    from pipeline.moments import frames_at_times

    at: dict[int, list[Suspect]] = defaultdict(list)
    for suspect in suspects:
        at[suspect.detection.pts].append(suspect)
    found: dict[str, tuple[RGB, Box]] = {}
    try:
        for frame in frames_at_times(Path(episode.path), at):
            for suspect in at[frame.pts]:
                height, width = frame.image.shape[:2]
                box = clip(grow(suspect.detection.box, AROUND), width, height)
                if box is not None:
                    found[suspect.detection.id] = cut(frame.image, box.left, box.top, box.right, box.bottom), box
    except InputError:
        return found
    return found


def _crop_picture(workspace: Workspace, suspect: Suspect) -> tuple[RGB, Box] | None:
    crop = workspace.catalogue.get(Crop, suspect.item)
    if crop is None:
        return None
    try:
        return decode_rgb(workspace.objects.read(crop.sha256, ".png"), crop.id), crop.box
    except (InputError, OSError):
        return None


def _shares(suspect: Suspect, picture: RGB, around: Box) -> tuple[RGB, tuple[float, float, float, float]]:
    box = suspect.detection.box
    inner = (
        (box.left - around.left) / around.width,
        (box.top - around.top) / around.height,
        box.width / around.width,
        box.height / around.height,
    )
    return picture, inner


def _as_drawn(view: View, episodes: Mapping[str, Episode]) -> dict[str, object]:
    """What the template fills in."""
    suspect = view.suspect
    names = ("left", "top", "width", "height")
    more = (f"{suspect.like_it} more like it",) if suspect.like_it else ()
    return {
        "uri": _uri(view.picture) if view.picture is not None else "",
        "mark": ";".join(f"{name}:{100 * share:.1f}%" for name, share in zip(names, view.inner, strict=True)),
        "who": suspect.detection.character or "face",
        "place": f"{episodes[suspect.detection.episode].name} {_timecode(episodes, suspect)}",
        "why": "; ".join((*suspect.reasons, *more)),
        "doubt": suspect.doubt,
    }


def _uri(picture: RGB) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((SHOWN_PIXELS, SHOWN_PIXELS), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=76, method=3)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _timecode(episodes: Mapping[str, Episode], suspect: Suspect) -> str:
    episode = episodes[suspect.detection.episode]
    return Timestamp(pts=suspect.detection.pts, time_base=episode.time_base).timecode


def _harmless(text: str) -> str:
    """The text, not to be taken for a formula by a spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
