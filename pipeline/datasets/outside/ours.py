"""Whether a folder was written by `export --format`: its toonsift.json."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.formats import IDENTITY
from pipeline.datasets.outside.pictures import Found, Origin


def origin_beside(folder: Path) -> Iterator[Found]:
    """The Origin that lies in the folder, or nothing."""
    try:
        document = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(document, dict):
        yield Origin(document=document)
