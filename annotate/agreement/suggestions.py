"""What annotators were shown before they answered: a label says whose suggestion it was, this file says what it was.

`annotate/suggestions.csv` in the workspace: `prediction` (as in the label), `crop`, `emotion`. Without it anchoring is not
measured, for an answer equal to an unknown suggestion cannot be told.
"""

import csv
from pathlib import Path

from pipeline.core.errors import LabelError

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
