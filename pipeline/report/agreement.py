"""How far the annotators agree: coefficients, everybody's record, what is taken for what, the most disputed crops."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotate.agreement.annotators import Annotator, Share
from annotate.agreement.coefficients import Kappa, rows_of
from annotate.agreement.intervals import Interval
from annotate.agreement.summary import Agreement, Dispute, agreement_of, read_extras
from pipeline.core.errors import InputError
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.finders import Fact
from pipeline.report.holdings import Holdings
from pipeline.report.thumbnails import Gallery, Picture

log = logging.getLogger(__name__)

ANNOTATORS_SHOWN = 24
PAIRS_SHOWN = 24
TABLES_SHOWN = 6
CLASSES_SHOWN = 40
"""in tables of answers"""
DISPUTES_SHOWN = 36

Cells = tuple[tuple[tuple[float, float], ...], ...]
"""rows of (number, share of the row)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Answers of one against answers of another."""

    title: str
    """who"""
    classes: tuple[str, ...]
    """rows and columns"""
    cells: Cells
    """row: answer of the first, column: of the second"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeView:
    """One disputed item."""

    picture: Picture | None
    """None when its file is gone, it is a place without a crop, or the page is full"""
    votes: tuple[tuple[str, int, str], ...]
    """answer, how many, by whom; most first"""
    place: str
    """episode and timecode; the id where they are not known"""
    sheet: bool
    """whether it was asked as a sheet; the picture is of one member"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementSection:
    """What the annotators of a workspace say of one another."""

    trouble: str
    """why honeypots or suggestions were not used; empty otherwise"""
    several: int
    """items with two answers or more; without any only the record of each annotator is shown"""
    facts: tuple[Fact, ...]
    """coefficients and counts"""
    columns: tuple[str, ...]
    """of `rows`"""
    rows: tuple[tuple[str, ...], ...]
    """one of each annotator, most answers first"""
    annotators: int
    """in all"""
    pairs: tuple[tuple[str, int, int, str], ...]
    """`ann, bo`, items, same answer, kappa; least kappa first"""
    pairs_total: int
    """in all"""
    classes: tuple[tuple[str, str, float], ...]
    """class, alpha with interval, bar width from 0 to 1"""
    together: Table | None
    """all annotators: which answers met on one item; None with too many classes or none"""
    tables: tuple[Table, ...]
    """of the pairs with most items"""
    disputes: tuple[DisputeView, ...]
    """least agreement first"""
    disputed: int
    """in all"""


def agreement_section(workspace: Workspace, holdings: Holdings, gallery: Gallery) -> AgreementSection | None:
    """The section; None where nobody answered anything."""
    if not holdings.labels:
        return None
    trouble, known, suggested = "", None, None
    try:
        known, suggested = read_extras(workspace.root)
    except InputError as error:
        trouble = str(error)
        log.warning("%s", error)
    found = agreement_of(holdings.labels, known, suggested)
    if not found.annotators:
        return None
    columns, rows = _records(found.annotators)
    return AgreementSection(
        trouble=trouble,
        several=found.several,
        facts=_facts(found),
        columns=columns,
        rows=rows,
        annotators=len(found.annotators),
        pairs=tuple(_pair(one) for one in _least_first(found.kappas)[:PAIRS_SHOWN]),
        pairs_total=len(found.kappas),
        classes=tuple(
            (name, _between(one.value, one.interval), max(0.0, one.value or 0.0))
            for name, one in list(found.per_answer.items())[:CLASSES_SHOWN]
        ),
        together=_together(found),
        tables=tuple(_table(one) for one in _largest(found.kappas) if len(_answers_in(one)) <= CLASSES_SHOWN),
        disputes=_disputes(workspace, holdings, gallery, found.disputed),
        disputed=len(found.disputed),
    )


def _facts(found: Agreement) -> tuple[Fact, ...]:
    facts = [
        Fact(name="Krippendorff's alpha", value=_between(found.alpha.value, found.alpha.interval)),
        Fact(name="raw agreement", value="–" if found.raw is None else wording.percent(found.raw)),
        Fact(name="answered twice or more", value=f"{found.several:,} of {wording.counted(found.items, 'item')}"),
        Fact(name="of them unanimous", value=f"{found.unanimous:,}"),
        Fact(name="ties, which give no label", value=f"{sum(one.tie for one in found.disputed):,}"),
    ]
    sheets = found.propagation
    if sheets.members:
        members = f"{sheets.members:,} members of {wording.counted(sheets.sheets, 'sheet')}"
        error = (
            f"{_share_of(sheets.wrong, sheets.checked, sheets.interval)} wrong" if sheets.checked else "none checked"
        )
        facts.append(Fact(name="answered through sheets", value=f"{members}; {error}"))
    return tuple(facts)


def _records(people: Sequence[Annotator]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Columns and rows; what was measured of nobody has no column."""
    ranked = sorted(people, key=lambda one: (-one.answers, one.name))[:ANNOTATORS_SHOWN]
    columns: dict[str, list[str]] = {
        "Annotator": [one.name for one in ranked],
        "Answers": [wording.count(one.answers) for one in ranked],
        "Unsure": [wording.count(one.unsure) for one in ranked],
        "Skipped": [wording.percent(one.skip_share) for one in ranked],
        "Seconds an answer": ["" if one.median_seconds is None else f"{one.median_seconds:.1f}" for one in ranked],
        "Agrees with others": [_between(one.agreement, one.agreement_interval) for one in ranked],
        "Right, estimated": [
            "" if one.estimated_right is None else wording.percent(one.estimated_right) for one in ranked
        ],
        "Known answers": [_passing(one) for one in ranked],
        "As suggested (others)": [_anchored(one) for one in ranked],
        "Same when asked again": [_counted(one.repeats) for one in ranked],
    }
    kept = {name: cells for name, cells in columns.items() if any(cell not in ("", "–") for cell in cells)}
    return tuple(kept), tuple(zip(*kept.values(), strict=True))


def _passing(one: Annotator) -> str:
    found = one.honeypots
    if found is None or not found.answered:
        return ""
    return f"{_share_of(found.right, found.answered, found.interval)}, {found.verdict}"


def _anchored(one: Annotator) -> str:
    shown, others = one.anchoring.shown, one.anchoring.others
    if shown.share is None:
        return ""
    return wording.percent(shown.share, 0) + (
        f" ({wording.percent(others.share, 0)})" if others.share is not None else ""
    )


def _counted(share: Share) -> str:
    return _share_of(share.hits, share.of, share.interval) if share.of else ""


def _share_of(hits: int, of: int, interval: Interval | None) -> str:
    ends = f" ({wording.percent(interval[0], 0)} to {wording.percent(interval[1], 0)})" if interval else ""
    return f"{hits:,} of {of:,}{ends}"


def _least_first(pairs: Sequence[Kappa]) -> list[Kappa]:
    return sorted(pairs, key=lambda one: (one.kappa is None, one.kappa or 0.0, one.first, one.second))


def _largest(pairs: Sequence[Kappa]) -> list[Kappa]:
    return sorted(pairs, key=lambda one: (-one.items, one.first, one.second))[:TABLES_SHOWN]


def _pair(one: Kappa) -> tuple[str, int, int, str]:
    return f"{one.first}, {one.second}", one.items, one.same, "–" if one.kappa is None else f"{one.kappa:.2f}"


def _answers_in(one: Kappa) -> list[str]:
    return sorted({answer for pair in one.table for answer in pair})


def _table(one: Kappa) -> Table:
    classes = _answers_in(one)
    title = f"{one.first} (rows) and {one.second} (columns)"
    return Table(title=title, classes=tuple(classes), cells=_cells(rows_of(one.table, classes)))


def _together(found: Agreement) -> Table | None:
    if not found.classes or len(found.classes) > CLASSES_SHOWN:
        return None
    return Table(title="All annotators", classes=found.classes, cells=_cells(found.coincidences))


def _cells(rows: Sequence[Sequence[float]]) -> Cells:
    return tuple(tuple((n, n / sum(row) if sum(row) else 0.0) for n in row) for row in rows)


def _disputes(
    workspace: Workspace, holdings: Holdings, gallery: Gallery, disputed: Sequence[Dispute]
) -> tuple[DisputeView, ...]:
    shown = disputed[:DISPUTES_SHOWN]
    members = _members(holdings.labels, {one.item for one in shown})
    return tuple(_dispute(workspace, holdings, gallery, one, members.get(one.item, "")) for one in shown)


def _members(labels: Sequence[Label], items: set[str]) -> Mapping[str, str]:
    """Sheet -> the first of its members, by id."""
    found: dict[str, str] = {}
    for label in labels:
        if label.via in items:
            found[label.via] = min(found.get(label.via, label.crop), label.crop)
    return found


def _dispute(workspace: Workspace, holdings: Holdings, gallery: Gallery, one: Dispute, member: str) -> DisputeView:
    crop = workspace.catalogue.get(Crop, member or one.item)
    place = one.item
    if crop is not None:
        place = f"{holdings.episode_name(crop.episode)} at\u00a0{holdings.timecode(crop.episode, crop.pts)}"
    votes = tuple(
        (answer, count, ", ".join(name for name, said in one.by.items() if said == answer))
        for answer, count in one.votes.items()
    )
    picture = gallery.of_stored(workspace.objects, crop.sha256) if crop is not None else None
    return DisputeView(picture=picture, votes=votes, place=place, sheet=bool(member))


def _between(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")
