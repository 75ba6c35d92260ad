"""How good a classifier is on the test split, as a run's summary tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_whole

CLASSES_SHOWN = 60
"""in tables; of more classes only the overall figures are told"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class against the rest."""

    name: str
    """the class"""
    support: int
    """examples that are so"""
    precision: float
    """0 to 1"""
    recall: float
    """0 to 1"""
    f1: float
    """0 to 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScores:
    """A classifier on the test split."""

    name: str
    """for people"""
    examples: int
    """scored"""
    clusters: int
    """shots they come from"""
    accuracy: float
    """0 to 1"""
    macro_f1: float
    """0 to 1"""
    accuracy_interval: tuple[float, float] | None
    """95 %"""
    macro_f1_interval: tuple[float, float] | None
    """95 %"""
    per_class: tuple[ClassScore, ...]
    """in the order of the classes"""
    confusion: tuple[tuple[tuple[int, float], ...], ...]
    """row: true class, column: predicted class; count and share of the row"""

    @property
    def interval_words(self) -> str:
        """`95 % interval 81.0 % to 90.2 %`"""
        if self.accuracy_interval is None:
            return f"on {wording.counted(self.examples, 'test example')}"
        low, high = self.accuracy_interval
        return f"95{wording.THIN}% between {wording.percent(low)} and {wording.percent(high)}"


def read_scores(name: str, found: Document, classes: Sequence[str]) -> ModelScores | None:
    """A classifier's scores as summary.json has them; None when there is no accuracy in it."""
    accuracy, macro_f1 = as_number(found.get("accuracy")), as_number(found.get("macro_f1"))
    if accuracy is None:
        return None
    per_class = as_object(found.get("per_class"))
    return ModelScores(
        name=name,
        examples=as_whole(found.get("examples")),
        clusters=as_whole(found.get("clusters")),
        accuracy=accuracy,
        macro_f1=macro_f1 or 0.0,
        accuracy_interval=_interval(found.get("accuracy_interval")),
        macro_f1_interval=_interval(found.get("macro_f1_interval")),
        per_class=tuple(
            _class_score(label, as_object(per_class[label])) for label in classes[:CLASSES_SHOWN] if label in per_class
        ),
        confusion=_confusion(found.get("confusion"), len(classes)),
    )


def _class_score(name: str, found: Mapping[str, object]) -> ClassScore:
    precision, recall, f1 = (as_number(found.get(key)) or 0.0 for key in ("precision", "recall", "f1"))
    return ClassScore(name=name, support=as_whole(found.get("support")), precision=precision, recall=recall, f1=f1)


def _confusion(value: object, classes: int) -> tuple[tuple[tuple[int, float], ...], ...]:
    """Rows of (count, share of the row); empty when the table does not fit the classes."""
    rows = [[as_whole(cell) for cell in as_list(row)] for row in as_list(value)]
    if classes > CLASSES_SHOWN or len(rows) != classes or any(len(row) != classes for row in rows):
        return ()
    return tuple(tuple((n, n / sum(row) if sum(row) else 0.0) for n in row) for row in rows)


def _interval(value: object) -> tuple[float, float] | None:
    ends = [number for item in as_list(value) if (number := as_number(item)) is not None]
    return (ends[0], ends[1]) if len(ends) == 2 else None
