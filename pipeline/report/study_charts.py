"""Charts of a study as SVG: means with their intervals, and predicted shares beside true ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report import wording
from pipeline.report.charts import Line, axis, line_chart

WIDTH = 660
NAMES = 205
"""left of the plot, for names"""
ROW = 34
FOOT = 34
LONGEST_NAME = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A contestant's mean with what is known of its luck."""

    name: str
    """for people"""
    mean: float
    """0 to 1"""
    seeds: tuple[float, ...]
    """one value per seed"""
    seeds_interval: tuple[float, float] | None
    """95 %: the luck of training"""
    shots_interval: tuple[float, float] | None
    """95 %: the luck of the test set"""
    hue: str
    """colour class"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One class in one arm of a domain shift."""

    name: str
    """the class"""
    prior: float
    """share of the source's training"""
    truth: float
    """share of the target"""
    predicted: float
    """share of the predictions there"""


def dot_chart(dots: Sequence[Dot], *, summary: str, mark: tuple[float, str] | None) -> Markup:
    """A row for each contestant: dot the mean, thick line the seeds' interval, thin line the shots', ticks the seeds."""
    height, bottom = len(dots) * ROW + FOOT, len(dots) * ROW
    parts = [_scale(bottom)]
    if mark is not None:
        parts.append(
            Markup('<line class="mark dashed" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}"/>').format(_x(mark[0]), bottom)
        )
    for number, dot in enumerate(dots):
        middle = number * ROW + ROW / 2
        parts.append(_name(dot.name, middle))
        for between, kind in ((dot.shots_interval, "thin"), (dot.seeds_interval, "thick")):
            if between is not None:
                parts.append(
                    Markup('<line class="{} {}" x1="{:.1f}" x2="{:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                        kind, dot.hue, _x(between[0]), _x(between[1]), y=middle
                    )
                )
        for value in dot.seeds:
            parts.append(
                Markup('<line class="seed {}" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    dot.hue, middle + 7, middle + 12, x=_x(value)
                )
            )
        parts.append(
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="5"><title>{}: {}</title></circle>').format(
                dot.hue, _x(dot.mean), middle, dot.name, wording.percent(dot.mean)
            )
        )
    return _svg(parts, height, summary)


def share_chart(shares: Sequence[Share], *, hue: str, summary: str) -> Markup:
    """A bar for each class: how often it is predicted; a black tick where the truth is, a ring at the training's share."""
    height, bottom = len(shares) * ROW + FOOT, len(shares) * ROW
    parts = [_scale(bottom)]
    for number, share in enumerate(shares):
        top, middle = number * ROW + 7, number * ROW + ROW / 2
        parts.append(_name(share.name, middle))
        parts.append(
            Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>').format(
                hue, _x(0), top, _x(share.predicted) - _x(0), ROW - 14,
                f"{share.name}: predicted {wording.percent(share.predicted)}, true {wording.percent(share.truth)}, "
                f"in training {wording.percent(share.prior)}",
            )
        )  # fmt: skip
        parts.append(
            Markup('<line class="truth" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
                _x(share.truth), top - 4, top + ROW - 10
            )
        )
        parts.append(
            Markup('<circle class="prior" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(_x(share.prior), middle)
        )  # fmt: skip
    return _svg(parts, height, summary)


def reliability_chart(name: str, points: Sequence[tuple[float, float]], ece: float, hue: str) -> Markup:
    """Accuracy over confidence beside the diagonal where a model means what it says."""
    ideal = Line(name="as sure as right", points=((0.0, 0.0), (1.0, 1.0)), hue="k7")
    line = Line(name=name, points=tuple(sorted(points)), hue=hue)
    x, y = axis("confidence", [], low=0.0, high=1.0), axis("accuracy", [], low=0.0, high=1.0)
    said = f"{name}: expected calibration error {ece:.3f}"
    return line_chart([line, ideal], x, y, summary=said)


def _svg(parts: Sequence[Markup], height: float, summary: str) -> Markup:
    head = Markup('<svg class="chart study" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, height, summary
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def _scale(bottom: float) -> Markup:
    parts = []
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        parts.append(
            Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}"/>').format(x, bottom)
            + Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                x, bottom + 20, wording.percent(tenth / 10, 0)
            )
        )
    return Markup("").join(parts)


def _name(name: str, middle: float) -> Markup:
    return Markup('<text class="name" x="{}" y="{:.1f}" text-anchor="end"><title>{}</title>{}</text>').format(
        NAMES - 12, middle + 4, name, wording.shortened(name, LONGEST_NAME)
    )


def _x(share: float) -> float:
    return NAMES + min(1.0, max(0.0, share)) * (WIDTH - NAMES - 24)
