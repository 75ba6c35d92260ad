"""A timeline as JSON (everything) and CSV (a row per span)."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.core.files import write_text
from pipeline.core.places import Timestamp
from pipeline.timeline.records import Followed, Span, Timeline
from pipeline.timeline.shares import Shares
from pipeline.timeline.spans import said_emotions

FORMAT = "toonsift-timeline/1"
COLUMNS = (
    "episode", "episode_name", "character", "track", "shot", "start_pts", "end_pts", "time_base", "start_seconds",
    "end_seconds", "start_timecode", "end_timecode", "emotion", "probability",
)  # fmt: skip
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""a spreadsheet takes a cell that begins so for a formula"""


def timeline_document(timeline: Timeline, shares: Shares) -> dict[str, Any]:
    """Everything about the timeline as plain values."""
    episode = timeline.episode
    return {
        "format": FORMAT,
        "episode": {
            "id": episode.id, "name": episode.name, "sha256": episode.sha256, "time_base": str(episode.time_base),
            "start_pts": episode.start_pts, "end_pts": episode.end_pts, "frames": episode.frames,
        },
        "run": timeline.run,
        "emotions": list(timeline.emotions),
        "options": asdict(timeline.options),
        "provenance": dict(timeline.provenance),
        "characters": {
            name: [span_row(timeline, span) for span in timeline.spans if span.character == name]
            for name in timeline.characters
        },
        "shares": asdict(shares),
        "tracks": [_track(timeline, face) for face in timeline.tracks],
    }  # fmt: skip


def span_row(timeline: Timeline, span: Span) -> dict[str, Any]:
    """A span as a flat row of plain values, in the order of COLUMNS."""
    base = timeline.episode.time_base
    start, end = (Timestamp(pts=pts, time_base=base) for pts in (span.start_pts, span.end_pts))
    values = (
        timeline.episode.id, timeline.episode.name, span.character, span.track, span.shot, span.start_pts, span.end_pts,
        str(base), round(start.seconds, 6), round(end.seconds, 6), start.timecode, end.timecode, span.emotion,
        round(span.probability, 4),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def write_documents(timeline: Timeline, shares: Shares, folder: Path) -> None:
    """Writes timeline.csv, then timeline.json."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in span_row(timeline, span).items()} for span in timeline.spans)
    write_text(folder / "timeline.csv", stream.getvalue())
    document = json.dumps(timeline_document(timeline, shares), indent=1, ensure_ascii=False)
    write_text(folder / "timeline.json", document + "\n")


def _cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(RISKY) and len(value) > 1 else value


def _track(timeline: Timeline, face: Followed) -> dict[str, Any]:
    alone = said_emotions(face.said, timeline.emotions, 0.0)
    together = said_emotions(face.smoothed, timeline.emotions, timeline.options.min_confidence)
    return {
        "id": face.track.id,
        "character": face.track.character,
        "shot": face.track.shot,
        "faces": [
            {
                "pts": seen.pts, "start_pts": begin, "end_pts": end,
                "box": [seen.box.left, seen.box.top, seen.box.right, seen.box.bottom],
                "alone": before, "emotion": after, "probabilities": [round(float(p), 4) for p in row],
            }
            for seen, (begin, end), before, after, row in zip(
                face.sightings, face.extents, alone, together, face.smoothed, strict=True
            )
        ],
    }  # fmt: skip
