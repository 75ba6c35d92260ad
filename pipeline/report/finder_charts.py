"""Charts of a cascade: over its score threshold, over its stages, and over the rounds of labelling."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.charts import Line, axis, legend, line_chart, log_axis, whole_axis
from pipeline.report.documents import Document, as_list, as_number, as_object, as_whole

ROUNDS_DRAWN = 4
"""the first one and the latest"""
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture with its heading and legend."""

    title: str
    """what it shows"""
    legend: Markup
    """may be empty"""
    drawing: Markup
    """<svg>"""
    note: str = ""
    """a few words below it; may be empty"""


def sought(card: Document, name: str) -> object:
    """The value of that name in the card, or in an object right inside it."""
    if name in card:
        return card[name]
    inner = (as_object(value) for value in card.values())
    return next((found[name] for found in inner if name in found), None)


def charts_of(card: Document, stages: Sequence[Document]) -> tuple[Chart, ...]:
    """Those that the card has figures for."""
    curve = [as_object(point) for point in as_list(sought(card, "curve"))]
    made = (
        _precision_over_recall(curve, as_number(sought(card, "average_precision"))),
        _over_threshold(card, curve),
        _false_positives(card, curve),
        _probability(card),
        _hits(card, stages),
        _alarms(card, stages),
    )
    return tuple(chart for chart in made if chart is not None)


def rounds_chart(rounds: Sequence[Document]) -> Chart | None:
    """Precision over recall of several rounds on the same held-out scenes."""
    scored = [
        (as_whole(row.get("round")) or n, row)
        for n, row in enumerate(rounds, 1)
        if as_list(as_object(row.get("scores")).get("curve"))
    ]
    digest = as_object(scored[-1][1].get("held_out")).get("digest") if scored else None
    alike = [(n, row) for n, row in scored if as_object(row.get("held_out")).get("digest") == digest]
    if len(alike) > ROUNDS_DRAWN:
        alike = [alike[0], *alike[1 - ROUNDS_DRAWN :]]
    named = []
    for place, (number, row) in enumerate(alike):
        points = [as_object(point) for point in as_list(as_object(row.get("scores")).get("curve"))]
        hue = "k2" if place == len(alike) - 1 else ("k7", "k0", "k4")[place]
        named.append((f"round {number}", hue, _pairs(points, "recall", "precision")))
    lines = _lines(named)
    if not lines:
        return None
    held_out = as_object(alike[-1][1].get("held_out"))
    faces, pictures = as_whole(held_out.get("faces")), as_whole(held_out.get("pictures"))
    note = f"The same {faces:,} held-out faces on {pictures:,} pictures in every round." if faces else ""
    x, y = axis("recall", [], low=0.0, high=1.0), axis("precision", [], low=0.0, high=1.0)
    return _chart("Round beside round", lines, line_chart(lines, x, y, summary=_ends("Precision", lines)), note)


def _precision_over_recall(curve: Sequence[Document], average: float | None) -> Chart | None:
    pairs = _pairs(curve, "recall", "precision")
    lines = _lines([("every score threshold", "k2", pairs)])
    if not lines:
        return None
    x, y = axis("recall", [], low=0.0, high=1.0), axis("precision", [], low=0.0, high=1.0)
    summary = f"Precision over recall at {len(pairs)} thresholds, up to recall {pairs[-1][0]:.3f}"
    note = "" if average is None else f"The area below is the average precision, {average:.3f}."
    return _chart("Precision over recall", lines, line_chart(lines, x, y, summary=summary), note)


def _over_threshold(card: Document, curve: Sequence[Document]) -> Chart | None:
    lines = _lines(
        [(name, hue, _pairs(curve, "threshold", name)) for name, hue in (("precision", "k0"), ("recall", "k1"))]
    )
    if not lines:
        return None
    x = axis("score threshold", [at for line in lines for at, _ in line.points])
    y = axis("share", [], low=0.0, high=1.0)
    drawing = line_chart(lines, x, y, summary=_ends("Share", lines), mark=_mark(card, lines))
    return _chart("Over the score threshold", lines, drawing)


def _false_positives(card: Document, curve: Sequence[Document]) -> Chart | None:
    pairs = _pairs(curve, "threshold", "false_positives_per_image")
    lines = _lines([("false positives", "k3", pairs)])
    if not lines:
        return None
    x = axis("score threshold", [at for at, _ in pairs])
    y = axis("per image", [value for _, value in pairs], low=0.0)
    summary = f"False positives per image, {pairs[0][1]:.3g} at score {pairs[0][0]:.3g}, none above the highest"
    return _chart("False positives per image", lines, line_chart(lines, x, y, summary=summary, mark=_mark(card, lines)))


def _probability(card: Document) -> Chart | None:
    kept = as_object(card.get("calibration"))
    knots = [as_list(knot) for knot in as_list(kept.get("knots"))]
    pairs = [
        (score, value)
        for knot in knots
        if len(knot) == 2 and (score := as_number(knot[0])) is not None and (value := as_number(knot[1])) is not None
    ]
    lines = _lines([("a find is a face", "k6", pairs)])
    if not lines:
        return None
    x, y = axis("score", [at for at, _ in pairs]), axis("probability", [], low=0.0, high=1.0)
    brier, base = as_number(kept.get("brier")), as_number(kept.get("brier_of_share"))
    note = f"Learned from {as_whole(kept.get('finds')):,} finds on pictures kept apart"
    note += (
        f"; Brier score {brier:.3f}, {base:.3f} without the score." if brier is not None and base is not None else "."
    )
    return _chart("What a score means", lines, line_chart(lines, x, y, summary=_ends("Probability", lines)), note)


def _hits(card: Document, stages: Sequence[Document]) -> Chart | None:
    measured = bool(as_object(card.get("held_out_stages")))
    name = "labelled faces it was scored on" if measured else "held-out faces"
    held_out = [
        (float(n), v) for n, row in enumerate(stages, 1) if (v := as_number(row.get("held_out_hit_rate"))) is not None
    ]
    lines = _lines([("faces it learned from", "k0", _running(stages, "hit_rate")), (name, "k1", held_out)])
    if not lines:
        return None
    values = [y for line in lines for _, y in line.points]
    x = whole_axis("stage", [n for line in lines for n, _ in line.points])
    y = axis("hit rate so far", values, low=min(0.9, min(values) - 0.02), high=1.0)
    return _chart("Faces that pass", lines, line_chart(lines, x, y, summary=_ends("Hit rate", lines)))


def _alarms(card: Document, stages: Sequence[Document]) -> Chart | None:
    fresh = [(n - 1.0, v) for n, row in enumerate(stages, 1) if n > 1 and (v := as_number(row.get("passed_before")))]
    last = as_number(card.get("false_alarm"))
    fresh += [(float(len(stages)), last)] if stages and last else []
    scored = [(float(n), v) for n, row in enumerate(stages, 1) if (v := as_number(row.get("alarm_so_far")))]
    lines = _lines(
        [
            ("product of the stages", "k0", _running(stages, "false_alarm")),
            ("fresh windows when fitted", "k1", fresh),
            ("pictures it was scored on", "k2", scored),
        ]
    )
    if not lines:
        return None
    x = whole_axis("stage", [n for line in lines for n, _ in line.points])
    y = log_axis("false alarm rate so far", [v for line in lines for _, v in line.points])
    return _chart("Background that passes", lines, line_chart(lines, x, y, summary=_ends("False alarm rate", lines)))


def _pairs(points: Sequence[Document], across: str, up: str) -> Points:
    """(x, y) of the points that have both, x ascending, of one x the highest y first."""
    found = [
        (x, y)
        for point in points
        if (x := as_number(point.get(across))) is not None and (y := as_number(point.get(up))) is not None
    ]
    return sorted(found, key=lambda at: (at[0], -at[1]))


def _mark(card: Document, lines: Sequence[Line]) -> tuple[float, str] | None:
    """The threshold of the highest F1, where the curve has one."""
    best = as_number(as_object(sought(card, "best")).get("threshold"))
    inside = best is not None and any(line.points[0][0] <= best <= line.points[-1][0] for line in lines)
    return (best, "best F1") if best is not None and inside else None


def _running(stages: Sequence[Document], name: str) -> Points:
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


def _chart(title: str, lines: Sequence[Line], drawing: Markup, note: str = "") -> Chart:
    return Chart(title=title, legend=legend(lines) if len(lines) > 1 else Markup(""), drawing=drawing, note=note)


def _ends(what: str, lines: Sequence[Line]) -> str:
    ends = ", ".join(f"{line.name}: {line.points[-1][1]:.3g}" for line in lines)
    return f"{what} at the right end: {ends}"
