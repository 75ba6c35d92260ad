"""What annotators were shown before they answered: a label says whose suggestion it was, this file says what it was.

`annotate/suggestions.csv` in the workspace: `prediction` (as in the label), `crop`, `emotion`. Without it anchoring is not
measured, for an answer equal to an unknown suggestion cannot be told.
"""

import csv
import io
from pathlib import Path

from pipeline.core.errors import LabelError
from pipeline.core.files import write_text

NAME = "suggestions.csv"
COLUMNS = ("prediction", "crop", "emotion")

Suggested = dict[tuple[str, str], str]
"""(prediction, crop) -> the answer suggested"""


def read_suggestions(path: Path) -> Suggested:
    """The suggestions of such a file; none where there is no file. Raises LabelError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise LabelError(f"{path}: no column {', '.join(sorted(missing))}; it needs {', '.join(COLUMNS)}")
            return {(row["prediction"], row["crop"]): row["emotion"] for row in reader if row["emotion"]}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: cannot be read ({error}); correct it or move it away") from error


def keep_suggestions(path: Path, suggested: Suggested) -> None:
    """Adds suggestions to such a file; a later one of the same model about the same crop replaces the one before.

    Raises:
        LabelError: the file that is there cannot be read.
        DiskFullError: no room.
    """
    if not suggested:
        return
    rows = sorted((*key, emotion) for key, emotion in (read_suggestions(path) | suggested).items())
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_text(path, text.getvalue())
