"""Is the model as often right as it says? Reliability diagram and calibration error of the test predictions."""

from dataclasses import dataclass

from pipeline.core.errors import InputError
from pipeline.report import wording
from pipeline.report.charts import Axis, Line, legend, line_chart
from pipeline.report.finders import Chart
from pipeline.report.mistakes import read_predictions
from pipeline.report.training import RunView

BINS = 10
"""of equal width, as Guo et al. 2017"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Predictions about as sure as one another."""

    count: int
    """how many"""
    confidence: float
    """mean probability of what was predicted"""
    accuracy: float
    """share that is right"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Of a run's test predictions."""

    bins: tuple[Bin, ...]
    """those that are not empty, by confidence"""
    examples: int
    """in all"""
    error: float
    """expected calibration error (Naeini et al. 2015): mean distance of confidence and accuracy over the examples"""
    chart: Chart
    """accuracy over confidence, beside the diagonal"""


def reliability_of(run: RunView) -> Reliability | None:
    """None where the run has no predictions that can be read; the section of mistakes tells why."""
    try:
        rows = [(row.probability, row.truth == row.predicted) for row in read_predictions(run)]
    except (InputError, OSError):
        return None
    if not rows:
        return None
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for probability, right in rows:
        members[min(BINS - 1, max(0, int(probability * BINS)))].append((probability, right))
    bins = tuple(
        Bin(
            count=len(some),
            confidence=sum(p for p, _ in some) / len(some),
            accuracy=sum(right for _, right in some) / len(some),
        )
        for some in members
        if some
    )
    error = sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / len(rows)
    return Reliability(bins=bins, examples=len(rows), error=error, chart=_chart(bins, error, len(rows)))


def _chart(bins: tuple[Bin, ...], error: float, examples: int) -> Chart:
    lines = [
        Line(name="this model", points=tuple((one.confidence, one.accuracy) for one in bins), hue="k0"),
        Line(name="as sure as right", points=((0.0, 0.0), (1.0, 1.0)), hue="k7"),
    ]
    marks = (0.0, 0.25, 0.5, 0.75, 1.0)
    x = Axis(name="how sure the model is", low=0.0, high=1.0, marks=marks)
    y = Axis(name="share that is right", low=0.0, high=1.0, marks=marks)
    summary = f"Share right over confidence; calibration error {error:.3f}"
    counts = ", ".join(str(one.count) for one in bins)
    return Chart(
        title=f"Reliability, calibration error {wording.percent(error)}",
        legend=legend(lines),
        drawing=line_chart(lines, x, y, summary=summary),
        note=f"{wording.counted(examples, 'test example')} in {BINS} steps of confidence: {counts}. "
        "Below the diagonal the model is surer than it is right.",
    )
