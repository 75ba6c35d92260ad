"""The cascades: their cards, scores, and how hits and false alarms fall stage by stage."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.core.errors import InputError
from pipeline.core.records import Cascade
from pipeline.report import wording
from pipeline.report.charts import Line, axis, legend, line_chart, log_axis, whole_axis
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, parse_document
from pipeline.report.holdings import Holdings

CASCADES_SHOWN = 12
STAGES_SHOWN = 60
FACTS_SHOWN = 24
"""of a card"""
SCORES = ("precision", "recall", "f1", "average_precision", "false_positives_per_image")
STAGE_COLUMNS = ("weak", "hit_rate", "held_out_hit_rate", "false_alarm", "windows_seen", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A named value."""

    name: str
    """for people"""
    value: str
    """for people"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture with its heading and legend."""

    title: str
    """what it shows"""
    legend: Markup
    """may be empty"""
    drawing: Markup
    """<svg>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeView:
    """One cascade."""

    name: str
    """its id"""
    character: str
    """whom it finds"""
    hue: str
    """colour class"""
    created: str
    """UTC"""
    digest: str
    """first digits of its XML's SHA-256"""
    scores: tuple[Fact, ...]
    """on truth"""
    facts: tuple[Fact, ...]
    """data, options, versions"""
    charts: tuple[Chart, ...]
    """hit rate, false alarm, precision over recall; those the card has figures for"""
    columns: tuple[str, ...]
    """of the table of stages"""
    stages: tuple[tuple[str, ...], ...]
    """its rows, the stage's number first; at most STAGES_SHOWN"""
    stages_total: int
    """in all"""
    trouble: str
    """why the card cannot be read; empty when it can"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSection:
    """The cascades of a workspace."""

    views: tuple[CascadeView, ...]
    """by name"""
    total: int
    """in all"""


def cascade_section(holdings: Holdings) -> CascadeSection:
    """What the cascades' cards say."""
    views = tuple(_view(cascade, holdings) for cascade in holdings.cascades[:CASCADES_SHOWN])
    return CascadeSection(views=views, total=len(holdings.cascades))


def _view(cascade: Cascade, holdings: Holdings) -> CascadeView:
    trouble = ""
    try:
        card = parse_document(cascade.card, f"the card of cascade {cascade.id}") if cascade.card else {}
    except InputError as error:
        card, trouble = {}, str(error)
    stages = [as_object(row) for row in as_list(_sought(card, "stages"))]
    columns = tuple(name for name in STAGE_COLUMNS if any(as_number(row.get(name)) is not None for row in stages))
    return CascadeView(
        name=cascade.id,
        character=cascade.character or "anyone",
        hue=holdings.hue(cascade.character),
        created=cascade.created,
        digest=cascade.sha256[:12],
        scores=_scores(card),
        facts=tuple(_facts(card))[:FACTS_SHOWN],
        charts=_charts(card, stages),
        columns=tuple(wording.titled(name) for name in columns),
        stages=tuple(
            (str(n), *(_cell(name, row.get(name)) for name in columns))
            for n, row in enumerate(stages[:STAGES_SHOWN], 1)
        ),
        stages_total=len(stages),
        trouble=trouble,
    )


def _sought(card: Document, name: str) -> object:
    """The value of that name in the card, or in an object right inside it."""
    if name in card:
        return card[name]
    inner = (as_object(value) for value in card.values())
    return next((found[name] for found in inner if name in found), None)


def _scores(card: Document) -> tuple[Fact, ...]:
    facts = []
    for name in SCORES:
        value = as_number(_sought(card, name))
        if value is not None:
            said = f"{value:.3g}" if name == "false_positives_per_image" else wording.percent(value)
            facts.append(Fact(name=wording.titled(name), value=said))
    return tuple(facts)


def _facts(card: Document, before: str = "") -> list[Fact]:
    """Every value of the card that is neither a score nor a list of rows, objects flattened."""
    facts = []
    for name, value in card.items():
        if name in SCORES or name in ("stages", "curve", "best"):
            continue
        title = wording.titled(f"{before} {name}".strip())
        if isinstance(value, dict):
            facts += _facts(value, name if not before and name != "scores" else before)
        elif not any(isinstance(item, dict | list) for item in as_list(value)):
            facts.append(Fact(name=title, value=wording.plain(value)))
    return facts


def _cell(name: str, value: object) -> str:
    number = as_number(value)
    if number is None:
        return as_text(value) or "\u2013"
    if name.endswith("hit_rate"):
        return wording.percent(number, 2)
    if name == "false_alarm":
        return wording.percent(number)
    return f"{number:.1f}" if name == "seconds" else f"{number:,.0f}"


def _charts(card: Document, stages: Sequence[Document]) -> tuple[Chart, ...]:
    charts = []
    hits = [("faces it learned from", "k0", _running(stages, "hit_rate"))]
    held_out = [
        (float(n), v) for n, row in enumerate(stages, 1) if (v := as_number(row.get("held_out_hit_rate"))) is not None
    ]
    hits.append(("held-out faces", "k1", held_out))
    if lines := _lines(hits):
        values = [y for line in lines for _, y in line.points]
        x = whole_axis("stage", [n for line in lines for n, _ in line.points])
        y = axis("hit rate so far", values, low=min(0.9, min(values) - 0.02), high=1.0)
        charts.append(_chart("Faces that pass", lines, line_chart(lines, x, y, summary=_ends("Hit rate", lines))))
    alarms = [("product of the stages", "k0", _running(stages, "false_alarm"))]
    honest = [(n - 1.0, v) for n, row in enumerate(stages, 1) if n > 1 and (v := as_number(row.get("passed_before")))]
    last = as_number(_sought(card, "false_alarm"))
    honest += [(float(len(stages)), last)] if stages and last else []
    alarms.append(("measured on fresh windows", "k1", honest))
    if lines := _lines(alarms):
        x = whole_axis("stage", [n for line in lines for n, _ in line.points])
        y = log_axis("false alarm rate so far", [v for line in lines for _, v in line.points])
        drawing = line_chart(lines, x, y, summary=_ends("False alarm rate", lines))
        charts.append(_chart("Background that passes", lines, drawing))
    points = [as_object(point) for point in as_list(_sought(card, "curve"))]
    pairs = sorted(
        (r, p)
        for point in points
        if (r := as_number(point.get("recall"))) is not None and (p := as_number(point.get("precision"))) is not None
    )
    if lines := _lines([("every score threshold", "k2", pairs)]):
        x, y = axis("recall", [], low=0.0, high=1.0), axis("precision", [], low=0.0, high=1.0)
        summary = f"Precision over recall at {len(pairs)} thresholds, up to recall {pairs[-1][0]:.3f}"
        charts.append(_chart("Precision over recall", lines, line_chart(lines, x, y, summary=summary)))
    return tuple(charts)


def _running(stages: Sequence[Document], name: str) -> list[tuple[float, float]]:
    """(stage, product of the value over the stages up to it), up to the first stage that lacks it."""
    points, product = [], 1.0
    for number, row in enumerate(stages, 1):
        value = as_number(row.get(name))
        if value is None:
            break
        product *= value
        points.append((float(number), product))
    return points


def _lines(named: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]) -> list[Line]:
    return [Line(name=name, hue=hue, points=tuple(points)) for name, hue, points in named if points]


def _chart(title: str, lines: Sequence[Line], drawing: Markup) -> Chart:
    return Chart(title=title, legend=legend(lines), drawing=drawing)


def _ends(what: str, lines: Sequence[Line]) -> str:
    ends = ", ".join(f"{line.name}: {line.points[-1][1]:.3g}" for line in lines)
    return f"{what} after the last stage: {ends}"
