"""The way from any item back to its episode and timecode, its cascade, its annotators, and on to its datasets."""

import contextlib
import json
import shlex
from pathlib import Path
from typing import Any

from pipeline.core.errors import MissingToolError, NotFoundError
from pipeline.core.manifest import Example, read_dataset
from pipeline.core.places import Box, Timestamp
from pipeline.core.records import (
    Cascade,
    Crop,
    DatasetVersion,
    Detection,
    DuplicateGroup,
    Episode,
    Hold,
    Label,
    Shot,
    Track,
)
from pipeline.core.workspace import Workspace
from pipeline.decoder import ffmpeg_path
from pipeline.inventory import flat
from pipeline.stream_header import StreamHeader, read_stream_header, spelled

Found = Crop | Detection | Track | Shot | Hold | Episode


def trace(workspace: Workspace, item: str) -> dict[str, Any]:
    """Where an item comes from: episode, exact time, shot, track, box, cascade, labels, the datasets it is in, and the
    command that cuts it again.

    Args:
        workspace: where it is looked for.
        item: id of a crop, detection, track, shot, hold, episode or example; the SHA-256 of a picture; or the path of
            an image of a dataset.

    Raises:
        NotFoundError: nothing of that kind.
    """
    wanted = _name_of(item)
    record = _record(workspace, wanted)
    places = _datasets_with(workspace, record.id if record else wanted)
    if record is None and places and places[0][1] is not None:
        record = _record(workspace, places[0][1].id)  # asked for by the picture's digest
    if record is None:
        return _of_example(workspace, item, places)
    return _of_record(workspace, record, places)


def _name_of(item: str) -> str:
    """The id or digest that is meant: a path of an image means its name."""
    path = Path(item)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp") else item


def _record(workspace: Workspace, wanted: str) -> Found | None:
    catalogue = workspace.catalogue
    for kind in (Crop, Detection, Track, Shot, Hold, Episode):
        record: Any = catalogue.get(kind, wanted)
        if isinstance(record, Found):
            return record
    return next(iter(catalogue.all(Crop, sha256=wanted)), None)


def _of_record(workspace: Workspace, record: Found, places: list[tuple[str, Example | None, str]]) -> dict[str, Any]:
    catalogue = workspace.catalogue
    episode = record if isinstance(record, Episode) else catalogue.get(Episode, record.episode)
    assert episode is not None
    pts = record.pts if isinstance(record, Crop | Detection) else record.start_pts
    found = {"item": record.id, "kind": type(record).__name__.lower()} | _of_episode(episode, pts)
    found["record"] = flat(record, {episode.id: episode.time_base})
    shot, track = catalogue.get(Shot, getattr(record, "shot", "")), catalogue.get(Track, getattr(record, "track", ""))
    found |= {"shot": _span(shot, episode)} if shot else {}
    found |= {"track": _span(track, episode)} if track else {}
    if isinstance(record, Crop | Detection):
        found["box"] = _box(record.box)
        found["cascade"] = _cascade(workspace, record.cascade)
        found["command"] = command(episode, pts, record.box, f"{record.id}.png")
    if isinstance(record, Crop):
        labels = catalogue.all(Label, crop=record.id)
        found["labels"] = [flat(label, {}) for label in labels]
        found["annotators"] = sorted({label.annotator for label in labels})
        found["group"] = next((g.id for g in catalogue.all(DuplicateGroup) if record.id in g.members), "")
        found["picture"] = str(workspace.objects.path(record.sha256, ".png"))
        found["datasets"] = _said(places)
    return found


def _of_example(workspace: Workspace, item: str, places: list[tuple[str, Example | None, str]]) -> dict[str, Any]:
    """An item that is only in datasets: imported, or rebuilt from a recipe."""
    known = next(((dataset, example) for dataset, example, _ in places if example is not None), None)
    if known is None:
        raise NotFoundError(
            f"nothing in {workspace.root} is called {item!r}; `toonsift list crops` shows the ids, examples.parquet those "
            "of a dataset"
        )
    example = known[1]
    found: dict[str, Any] = {
        "item": example.id, "kind": "example", "source": example.source, "sha256": example.sha256, "shot": example.shot,
        "track": example.track, "box": _box(example.box), "character": example.character,
        "annotators_count": example.annotators, "record": {}, "datasets": _said(places),
    }  # fmt: skip
    episode = workspace.catalogue.get(Episode, example.episode) if example.episode else None
    if episode is not None:
        found |= _of_episode(episode, example.pts)
        found["cascade"] = _cascade(workspace, example.cascade)
        found["command"] = command(episode, example.pts, example.box, f"{example.id}.png")
    return found


def command(episode: Episode, pts: int, box: Box, output: str) -> str:
    """The ffmpeg command that shows an item: it writes the very pixels of the crop.

    The colours are converted before the cut, as mining does it: half a chroma sample would else be lost at odd edges.
    """
    header, program = StreamHeader(), "ffmpeg"
    with contextlib.suppress(MissingToolError):
        program = ffmpeg_path()
        header = read_stream_header(Path(episode.path), program)
    cut = f"crop={box.width}:{box.height}:{box.left}:{box.top}:exact=1"
    chosen = [f"select=gte(pts\\,{pts})", *spelled(header.plain(program)), "format=rgb24", cut]
    filters = ",".join([*spelled(header.whole()), *chosen])
    return shlex.join(["ffmpeg", "-copyts", "-i", episode.path, "-vf", filters, "-frames:v", "1", output])


def _of_episode(episode: Episode, pts: int) -> dict[str, Any]:
    when = Timestamp(pts=pts, time_base=episode.time_base)
    path = Path(episode.path)
    return {
        "episode": episode.id,
        "name": episode.name,
        "path": episode.path,
        "there": path.is_file(),
        "sha256": episode.sha256,
        "pts": pts,
        "time_base": str(episode.time_base),
        "seconds": round(when.seconds, 6),
        "timecode": when.timecode,
    }


def _span(whole: Shot | Track, episode: Episode) -> dict[str, Any]:
    first, last = (Timestamp(pts=pts, time_base=episode.time_base) for pts in (whole.start_pts, whole.end_pts))
    return {"id": whole.id, "from": first.timecode, "to": last.timecode} | (
        {"detections": whole.detections} if isinstance(whole, Track) else {"frames": whole.frames}
    )


def _box(box: Box) -> dict[str, int]:
    return {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}


def _cascade(workspace: Workspace, digest: str) -> dict[str, Any]:
    """The cascade's digest, and its name and card where the workspace has it."""
    known = next(iter(workspace.catalogue.all(Cascade, sha256=digest)), None) if digest else None
    if known is None:
        return {"sha256": digest}
    try:
        card = json.loads(known.card)
    except ValueError:
        card = {}
    return {"sha256": digest, "name": known.id, "character": known.character, "created": known.created, "card": card}


def _datasets_with(workspace: Workspace, wanted: str) -> list[tuple[str, Example | None, str]]:
    """(version, example, what is wrong) of every version with an example of that id or picture; or one unreadable."""
    found: list[tuple[str, Example | None, str]] = []
    for version in workspace.catalogue.all(DatasetVersion):
        try:
            examples = read_dataset(workspace.root / version.path).examples
        except Exception as error:  # a damaged dataset must not hide where the item comes from
            found.append((version.id, None, f"unreadable: {error}"))
            continue
        found += [(version.id, e, "") for e in examples if wanted in (e.id, e.sha256)]
    return sorted(found, key=lambda one: one[1] is None)


def _said(places: list[tuple[str, Example | None, str]]) -> list[dict[str, str]]:
    return [
        {"dataset": dataset, "split": e.split, "label": e.label, "file": e.file}
        if e
        else {"dataset": dataset, "split": "", "label": "", "file": fault}
        for dataset, e, fault in places
    ]
