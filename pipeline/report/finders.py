"""The cascades: how good each is on labelled pictures, stage by stage and round by round, and what it looks at."""

from dataclasses import dataclass

from pipeline.core.errors import InputError
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, parse_document
from pipeline.report.finder_charts import Chart, charts_of, rounds_chart, sought
from pipeline.report.finder_pictures import ExampleRow, example_rows, portrait
from pipeline.report.holdings import Holdings
from pipeline.report.thumbnails import Gallery, Picture

__all__ = ["CascadeSection", "CascadeView", "Chart", "Fact", "RoundRow", "cascade_section"]

CASCADES_SHOWN = 12
STAGES_SHOWN = 60
FACTS_SHOWN = 24
"""of a card"""
ROUNDS_SHOWN = 20
SCORES = ("average_precision", "precision", "recall", "f1", "false_positives_per_image")
NOT_FACTS = (
    *SCORES,
    "stages",
    "curve",
    "best",
    "examples",
    "rounds",
    "calibration",
    "operating_points",
    "pictures",
    "scenes",
)
"""values of a card that have a place of their own"""
STAGE_COLUMNS = {
    "weak": "stumps",
    "hit_rate": "hit rate",
    "held_out_hit": "hit rate, held out",
    "false_alarm": "false alarm",
    "held_out_alarm": "false alarm, held out",
    "held_out_hit_rate": "held-out faces so far",
    "alarm_so_far": "background so far",
    "windows_seen": "windows seen",
    "seconds": "seconds",
}
"""of the table: name in the rows -> heading"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A named value."""

    name: str
    """for people"""
    value: str
    """for people"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """One round of labelling and fitting."""

    number: int
    """1, 2, ..."""
    learned_from: str
    """`labels`, or the truth file"""
    cells: tuple[str, ...]
    """faces, boxes called no face, average precision, best F1, false positives per image at it"""


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
    """on labelled pictures"""
    scored_on: str
    """what these are, in words"""
    operating: tuple[str, ...]
    """score thresholds chosen for a wanted precision, in words"""
    facts: tuple[Fact, ...]
    """data, options, versions"""
    charts: tuple[Chart, ...]
    """those the card has figures for"""
    examples: tuple[ExampleRow, ...]
    """finds, misses and false positives"""
    portrait: Picture | None
    """its first features over the mean face"""
    rounds: tuple[RoundRow, ...]
    """of labelling and fitting, oldest first; at most ROUNDS_SHOWN"""
    rounds_chart: Chart | None
    """their curves beside one another"""
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


def cascade_section(workspace: Workspace, holdings: Holdings, gallery: Gallery) -> CascadeSection:
    """What the cascades' cards say; those that came as files, and so have none, come last."""
    ordered = sorted(holdings.cascades, key=lambda c: (c.card in ("", "{}"), c.id))
    views = tuple(_view(workspace, cascade, holdings, gallery) for cascade in ordered[:CASCADES_SHOWN])
    return CascadeSection(views=views, total=len(holdings.cascades))


def _view(workspace: Workspace, cascade: Cascade, holdings: Holdings, gallery: Gallery) -> CascadeView:
    trouble = ""
    try:
        card = parse_document(cascade.card, f"the card of cascade {cascade.id}") if cascade.card else {}
    except InputError as error:
        card, trouble = {}, str(error)
    rounds = [as_object(row) for row in as_list(card.get("rounds"))]
    if not as_object(card.get("scores")) and rounds:
        card = card | {
            "scores": as_object(rounds[-1].get("scores")) | {"truth": "the held-out shots of its last round"}
        }
    stages = _stage_rows(card)
    columns = tuple(name for name in STAGE_COLUMNS if any(as_number(row.get(name)) is not None for row in stages))
    return CascadeView(
        name=cascade.id,
        character=cascade.character or "anyone",
        hue=holdings.hue(cascade.character),
        created=cascade.created,
        digest=cascade.sha256[:12],
        scores=_scores(card),
        scored_on=_scored_on(as_object(card.get("scores"))),
        operating=_operating(card),
        facts=tuple(_facts(card))[:FACTS_SHOWN],
        charts=charts_of(card, stages),
        examples=example_rows(workspace, gallery, card),
        portrait=portrait(workspace, gallery, cascade, card),
        rounds=tuple(_round(row, n) for n, row in enumerate(rounds, 1))[-ROUNDS_SHOWN:],
        rounds_chart=rounds_chart(rounds),
        columns=tuple(STAGE_COLUMNS[name] for name in columns),
        stages=tuple(
            (str(n), *(_cell(name, row.get(name)) for name in columns))
            for n, row in enumerate(stages[:STAGES_SHOWN], 1)
        ),
        stages_total=len(stages),
        trouble=trouble,
    )


def _stage_rows(card: Document) -> list[Document]:
    """What was measured when a stage was fitted, with what it does on held-out windows beside it."""
    fitted = [as_object(row) for row in as_list(sought(card, "stages"))]
    held_out = [as_object(row) for row in as_list(as_object(card.get("held_out_stages")).get("stages"))]
    if len(held_out) != len(fitted):
        return fitted
    more = (
        {
            "held_out_hit": row.get("hit_rate"),
            "held_out_alarm": row.get("false_alarm"),
            "held_out_hit_rate": row.get("hit_rate_so_far"),
            "alarm_so_far": row.get("false_alarm_so_far"),
        }
        for row in held_out
    )
    return [row | held for row, held in zip(fitted, more, strict=True)]


def _scores(card: Document) -> tuple[Fact, ...]:
    facts = []
    for name in SCORES:
        value = as_number(sought(card, name))
        if value is not None:
            said = f"{value:.3g}" if name == "false_positives_per_image" else wording.percent(value)
            facts.append(Fact(name=wording.titled(name), value=said))
    return tuple(facts)


def _scored_on(scores: Document) -> str:
    """`412 faces on 240 pictures of boxes.json, overlap 0.5`, and a word where they are not held out."""
    faces, images = as_whole(scores.get("faces")), as_whole(scores.get("images"))
    if not faces or not images:
        return ""
    where = as_text(scores.get("truth"))
    overlap = as_number(scores.get("iou"))
    words = f"{wording.counted(faces, 'face')} on {wording.counted(images, 'picture')}"
    words += (f" of {wording.shortened(where, 80)}" if where else "") + (f", overlap {overlap:g}" if overlap else "")
    shared = as_whole(scores.get("shared_pictures"))
    return words + (f"; {shared} of them it was fitted to, so this flatters it" if shared else "")


def _operating(card: Document) -> tuple[str, ...]:
    points = as_object(card.get("operating_points"))
    found = []
    for wanted, point in sorted(points.items()):
        reason = as_text(as_object(point).get("reason"))
        if reason:
            found.append(f"precision {wanted} wanted: {wording.shortened(reason, 240)}")
    return tuple(found[:6])


def _round(row: Document, number: int) -> RoundRow:
    scores = as_object(row.get("scores"))
    best = as_object(scores.get("best"))
    shares = (as_number(scores.get("average_precision")), as_number(best.get("f1")))
    alarms = as_number(best.get("false_positives_per_image"))
    return RoundRow(
        number=as_whole(row.get("round")) or number,
        learned_from=wording.shortened(as_text(row.get("from")), 80),
        cells=(
            wording.count(as_whole(row.get("faces"))),
            wording.count(as_whole(row.get("not_a_face"))),
            *("\u2013" if share is None else wording.percent(share) for share in shares),
            "\u2013" if alarms is None else f"{alarms:.2f}",
        ),
    )


def _facts(card: Document, before: str = "") -> list[Fact]:
    """Every value of the card that is neither a score nor a list of rows, objects flattened."""
    facts = []
    for name, value in card.items():
        if name in NOT_FACTS:
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
    if name in ("hit_rate", "held_out_hit", "held_out_hit_rate"):
        return wording.percent(number, 2)
    if name in ("false_alarm", "held_out_alarm"):
        return wording.percent(number)
    if name == "alarm_so_far":
        return f"{number:.2g}"
    return f"{number:.1f}" if name == "seconds" else f"{number:,.0f}"
