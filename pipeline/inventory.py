"""What is in a workspace: counts, rows of a kind, and whether it is as recorded."""

import csv
import dataclasses
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.conflicts import label_conflicts
from pipeline.core.catalogue import TABLES, Catalogue
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.files import sha256_of
from pipeline.core.places import Box, Place
from pipeline.core.records import (
    Cascade,
    Chunk,
    Crop,
    DatasetVersion,
    Detection,
    DuplicateGroup,
    Episode,
    Hold,
    Label,
    Run,
    SearchedPart,
    Shot,
    Track,
)
from pipeline.core.workspace import Workspace

KINDS: dict[str, type[Any]] = {
    name: kind for kind, name in TABLES.items() if name not in ("runs", "tasks", "chunks", "prints")
} | {"stages": Run}  # fmt: skip
"""what `list` can show from the catalogue; training runs are folders, see `training_runs`"""


def status(workspace: Workspace) -> dict[str, Any]:
    """Counts of everything, what failed and why, and the room left."""
    catalogue = workspace.catalogue
    labels = [label for label in catalogue.all(Label) if not label.withdrawn]
    groups = catalogue.all(DuplicateGroup)
    failed = catalogue.all(Run, status="failed")
    conflicts = label_conflicts(groups, labels)
    return {
        "workspace": str(workspace.root),
        "episodes": catalogue.count(Episode),
        "shots": catalogue.count(Shot),
        "holds": catalogue.count(Hold),
        "detections": catalogue.count(Detection),
        "tracks": catalogue.count(Track),
        "crops": catalogue.count(Crop),
        "duplicates": sum(len(group.members) - 1 for group in groups),
        "labels": len(labels),
        "labelled_crops": len({label.crop for label in labels if Place.read(label.crop) is None}),
        "label_conflicts": len(conflicts),
        "cascades": catalogue.count(Cascade),
        "datasets": catalogue.count(DatasetVersion),
        "runs": len(training_runs(workspace)),
        "unfinished": _unfinished(catalogue),
        "failed": [{"stage": run.stage, "item": run.item, "reason": run.reason} for run in failed],
        "conflicts": conflicts,
        "free_mib": workspace.free_bytes() >> 20,
    }


def _unfinished(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Episodes whose mining was cut off, and how far each is committed: the next `mine` goes on from there."""
    reached: dict[str, int] = {}
    parts: list[Chunk | SearchedPart] = [*catalogue.all(Chunk), *catalogue.all(SearchedPart)]
    for part in parts:
        reached[part.episode] = max(part.end_pts, reached.get(part.episode, part.end_pts))
    known = {episode.id: episode for episode in catalogue.some(Episode, reached)}
    return [
        {
            "episode": id,
            "path": known[id].path,
            "mined_seconds": float((end - known[id].start_pts) * known[id].time_base),
        }
        for id, end in reached.items()
        if id in known
    ]


def rows_of(workspace: Workspace, kind: str) -> list[dict[str, Any]]:
    """All records of a kind as flat rows: times as pts, time_base and seconds, boxes as left, top, right, bottom.

    Raises:
        UsageError: no such kind.
    """
    if kind == "runs":
        return training_runs(workspace)
    if kind not in KINDS:
        raise UsageError(f"cannot list {kind!r}; there are {', '.join(sorted([*KINDS, 'runs']))}")
    bases = {episode.id: episode.time_base for episode in workspace.catalogue.all(Episode)}
    return [flat(record, bases) for record in workspace.catalogue.all(KINDS[kind])]


def flat(record: Any, time_bases: dict[str, Fraction]) -> dict[str, Any]:
    """One record as a flat row of plain values."""
    row: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Box):
            row |= {"left": value.left, "top": value.top, "right": value.right, "bottom": value.bottom}
        elif isinstance(value, Fraction):
            row[field.name] = str(value)
        elif isinstance(value, tuple):
            row[field.name] = list(value)
        else:
            row[field.name] = value
    base = time_bases.get(row.get("episode", ""))
    pts = row.get("pts", row.get("start_pts"))
    if base is not None and pts is not None:
        row["time_base"] = str(base)
        row["seconds"] = round(float(pts * base), 6)
    return row


def training_runs(workspace: Workspace) -> list[dict[str, Any]]:
    """A row for each training run that has a summary, sorted by name."""
    rows = []
    for path in sorted(workspace.runs.glob("*/summary.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            summary = {}
        scores = summary.get("test") or {}
        row = {key: summary.get(key) for key in ("recipe", "dataset", "dataset_digest", "seed", "epochs")}
        rows.append({"run": path.parent.name} | row | {key: scores.get(key) for key in ("accuracy", "macro_f1")})
    return rows


def written(rows: list[dict[str, Any]], form: str) -> bytes:
    """The rows as `csv`, `json` or `parquet`."""
    if form == "json":
        return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), stream)
        return stream.getvalue()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def episode_named(workspace: Workspace, wanted: str) -> Episode:
    """The episode of that id, name or file name.

    Raises:
        NotFoundError: there is none.
        UsageError: several have that name.
    """
    episodes = workspace.catalogue.all(Episode)
    found = [e for e in episodes if wanted in (e.id, e.name, Path(e.path).name)]
    if not found:
        names = ", ".join(e.name for e in episodes[:10]) or "none yet"
        raise NotFoundError(f"no episode {wanted!r} was mined (there are: {names})")
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} episodes are called {wanted!r}; give one by id: {', '.join(e.id for e in found)}"
        )
    return found[0]


def verify(workspace: Workspace) -> list[str]:
    """Whether the workspace is as recorded: what is wrong, empty when nothing is."""
    catalogue = workspace.catalogue
    faults = catalogue.integrity_faults()
    stored = [(c.id, c.sha256, ".png") for c in catalogue.all(Crop)]
    stored += [(c.id, c.sha256, ".xml") for c in catalogue.all(Cascade)]
    for name, digest, suffix in stored:
        path = workspace.objects.path(digest, suffix)
        try:
            if sha256_of(path) != digest:
                faults.append(f"{name}: {path} has changed since it was stored")
        except OSError as error:
            faults.append(f"{name}: {path} cannot be read ({error.strerror})")
    return faults
