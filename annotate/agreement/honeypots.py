"""Items whose answer is known, mixed among the others: who sees what is plainly there?

They lie in the workspace, in `annotate/honeypots.csv` (or .json), as files of labels do: `crop`, `emotion`. Annotators are
never told which items they are.
"""

from dataclasses import dataclass
from pathlib import Path

from annotate.agreement.intervals import Interval, wilson
from annotate.labels import read_labels
from pipeline.core.errors import LabelError

FOLDER = "annotate"
NAMES = ("honeypots.csv", "honeypots.json")
WANTED = 0.8
"""share of right answers that a reliable annotator has"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One annotator on the honeypots."""

    answered: int
    """how many, UNSURE and skips not counted"""
    right: int
    """of them with the known answer"""
    interval: Interval | None
    """of the share of right answers, 95 %"""

    @property
    def verdict(self) -> str:
        """`passed` or `failed` where the interval lies on one side of WANTED, else `open`: too few answers to tell."""
        if self.interval is None:
            return "open"
        low, high = self.interval
        return "passed" if low >= WANTED else "failed" if high < WANTED else "open"


def find_honeypots(root: Path) -> Path | None:
    """The file of honeypots of the workspace in `root`; None when there is none."""
    return next((path for name in NAMES if (path := root / FOLDER / name).is_file()), None)


def read_honeypots(path: Path) -> dict[str, str]:
    """Crop -> its known answer.

    Raises:
        LabelError: the file is unusable, has a bad row, or two answers for one crop.
    """
    answers, rejected = read_labels(path)
    if rejected:
        raise LabelError(f"{path}: row {rejected[0].row}: {rejected[0].reason}; correct or remove it")
    known: dict[str, str] = {}
    for answer in answers:
        if not answer.crop or not answer.emotion:
            raise LabelError(f"{path}: row {answer.row}: a honeypot needs a crop's id and its emotion")
        if known.setdefault(answer.crop, answer.emotion) != answer.emotion:
            raise LabelError(
                f"{path}: row {answer.row}: {answer.crop} is {known[answer.crop]} above and {answer.emotion} here; keep one"
            )
    return known


def passing(answers: dict[str, str], known: dict[str, str]) -> Passing:
    """How an annotator's answers, by crop, fare against the known ones."""
    met = [crop for crop in answers if crop in known]
    right = sum(answers[crop] == known[crop] for crop in met)
    return Passing(answered=len(met), right=right, interval=wilson(right, len(met)))
