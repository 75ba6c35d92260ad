"""The tables of a study's page: the ranking, what it cost, the parts, the pairs, every training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole

PAIRS_SHOWN = 120
ROWS_SHOWN = 400
PARTS_SHOWN = 24
"""columns of a table of parts; of more, the largest"""
ALPHA = 0.05
NONE = "\u2013"
BASELINE_NAMES = {
    "majority": "most frequent class",
    "nearest_pixels": "nearest pixels",
    "nearest_look": "nearest hash",
    "nearest_features": "nearest edges, colours",
}
METRIC_NAMES = {"macro_f1": "Macro F1", "accuracy": "Accuracy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell."""

    text: str
    """as shown"""
    is_words: bool = False
    """left-aligned, and broken over lines"""
    shade: int | None = None
    """strength of the ground, 0 to 100; None: none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of words and figures."""

    title: str
    """what it shows"""
    columns: tuple[Cell, ...]
    """headings; the first column names the row"""
    rows: tuple[tuple[Cell, ...], ...]
    """cells"""
    total: int
    """rows in all"""
    note: str = ""
    """below the title"""


def objects(value: object) -> list[Document]:
    """A list of objects, whatever it is."""
    return [as_object(item) for item in as_list(value)]


def interval(value: object) -> tuple[float, float] | None:
    """Two numbers, or nothing."""
    ends = [number for item in as_list(value) if (number := as_number(item)) is not None]
    return (ends[0], ends[1]) if len(ends) == 2 else None


def name_of(line: Document) -> str:
    """A contestant's name for people."""
    name = as_text(line.get("recipe"))
    return BASELINE_NAMES.get(name, name)


def ranking_table(document: Document, lines: Sequence[Document], baselines: Sequence[Document]) -> Table:
    """A row for each contestant, in the order given; what was left out and the baselines below."""
    budget = as_object(document.get("budget"))
    planned = {as_text(one.get("recipe")): one for one in objects(budget.get("allowances"))}
    left_out = objects(budget.get("left_out"))
    rows = [_ranking_row(line, planned.get(as_text(line.get("recipe")), {})) for line in [*lines, *baselines]]
    blank = (Cell(text=NONE),) * 8
    rows += [(Cell(text=name_of(one)), *blank, _words(as_text(one.get("reason")))) for one in left_out]
    heads = ("", "Macro F1", "95 %, seeds", "95 %, shots", "Accuracy", "Balanced", "ECE",
             "Train acc.", "Epochs, CPU s")  # fmt: skip
    seconds = as_number(budget.get("seconds"))
    note = (
        "ECE: expected calibration error. Train acc.: share of its training pictures that it was right on at the end."
    )
    if seconds is not None:
        note = f"At a budget of {seconds:g} s for the epochs of each training. {note}"
    return Table(
        title="All of them", columns=(*(Cell(text=head) for head in heads), _words("")), rows=tuple(rows),
        total=len(rows), note=note,
    )  # fmt: skip


def _ranking_row(line: Document, allowance: Document) -> tuple[Cell, ...]:
    score = as_number(line.get("macro_f1"))
    between = [interval(line.get(f"macro_f1_{kind}")) for kind in ("interval", "shots_interval")]
    figures = [as_number(line.get(key)) for key in ("accuracy", "balanced_accuracy")]
    epochs, cost = (as_number(line.get(key)) for key in ("epochs", "cpu_seconds"))
    ece, learned = as_number(line.get("ece")), as_number(line.get("train_accuracy"))
    head_alone = as_whole(allowance.get("frozen_epochs"))
    remarks = [*(as_text(word) for word in as_list(line.get("remarks"))), as_text(allowance.get("reason"))]
    remarks += [f"{head_alone} of {epochs or 0:,.0f} epochs short"] if 0 < head_alone < (epochs or 0) else []
    spent = NONE if epochs is None else f"{epochs:,.0f}, {NONE if cost is None else f'{cost:,.0f}'}"
    return (
        Cell(text=name_of(line)),
        _shaded(score),
        *(Cell(text=NONE if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}") for ends in between),
        *(Cell(text=_percent(figure)) for figure in figures),
        Cell(text=NONE if ece is None else f"{ece:.3f}"),
        Cell(text=_percent(learned, 0)),
        Cell(text=spent),
        _words(", ".join(word for word in remarks if word)),
    )


def part_tables(lines: Sequence[Document]) -> Iterable[Table]:
    """F1 of each class, macro-F1 of each character and episode: a row for each contestant."""
    for key, figure, size in (
        ("class", "f1", "support"), ("character", "macro_f1", "examples"), ("episode", "macro_f1", "examples")
    ):  # fmt: skip
        parts = as_object(lines[0].get(f"per_{key}")) if lines else {}
        if len(parts) < 2:
            continue
        sizes = {name: as_whole(as_object(one).get(size)) for name, one in parts.items()}
        largest = sorted(parts, key=lambda name: -sizes[name])[:PARTS_SHOWN]
        shown = [name for name in parts if name in largest]
        found = [
            (
                Cell(text=name_of(line)),
                *(
                    _shaded(as_number(as_object(as_object(line.get(f"per_{key}")).get(name)).get(figure)))
                    for name in shown
                ),
            )
            for line in lines
        ]
        heads = [Cell(text=""), *(Cell(text=f"{name} ({sizes[name]:,})") for name in shown)]
        title = f"{'F1' if key == 'class' else 'Macro F1'} per {key}"
        note = "In brackets how many test examples there are."
        if len(shown) < len(parts):
            note = f"The {len(shown)} largest of {len(parts)}. {note}"
        yield Table(title=title, columns=tuple(heads), rows=tuple(found), total=len(found), note=note)


def pair_tables(document: Document, metric: str, key: str, title: str) -> Iterable[Table]:
    """The pairs under `pairs` or `beside_baseline`, the surest first; no table where there are none."""
    pairs = [pair for pair in objects(document.get(key)) if pair.get("metric") == metric]
    if not pairs:
        return

    def sureness(pair: Document) -> tuple[float, float]:
        p, difference = as_number(pair.get("p_corrected")), as_number(pair.get("difference"))
        return (1.0 if p is None else p), -abs(difference or 0.0)

    cells = tuple(_pair_cells(pair) for pair in sorted(pairs, key=sureness)[:PAIRS_SHOWN])
    heads = ("Difference", "p, test set", "p, training", "p", "p corrected")
    columns = (Cell(text=""), _words(""), *(Cell(text=head) for head in heads), _words("Verdict"))
    yield Table(title=title, columns=columns, rows=cells, total=len(pairs))


def _pair_cells(pair: Document) -> tuple[Cell, ...]:
    difference, p = as_number(pair.get("difference")) or 0.0, as_number(pair.get("p_corrected"))
    values = [as_number(pair.get(key)) for key in ("p_shots", "p_seeds", "p", "p_corrected")]
    ends = [BASELINE_NAMES.get(name, name) for name in (as_text(pair.get("first")), as_text(pair.get("second")))]
    sure = p is not None and p < ALPHA
    return (
        Cell(text=ends[0]),
        _words(ends[1]),
        Cell(text=f"{difference:+.3f}"),
        *(Cell(text=NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}") for value in values),
        _words(f"{ends[0] if difference > 0 else ends[1]} is better, more than luck" if sure else "may be luck"),
    )


def published_table(document: Document) -> Iterable[Table]:
    """What the study itself reports."""
    published = as_object(document.get("published"))
    if not published:
        return
    reported = [
        (Cell(text=as_text(one.get("recipe"))), _words(as_text(one.get("figures"))))
        for one in objects(published.get("reported"))
    ]
    title = f"What the study reports, as context: {as_text(published.get('source'))}; {as_text(published.get('data'))}"
    yield Table(
        title=title, columns=(Cell(text="Recipe"), _words("Figures")), rows=tuple(reported), total=len(reported)
    )


def trainings_table(rows: Sequence[Document]) -> Table:
    """Every training's figures."""
    keys = ("accuracy", "macro_f1", "ece", "epochs", "images_seen", "seconds", "cpu_seconds")
    cells = tuple(
        (
            Cell(text=as_text(row.get("recipe"))),
            Cell(text=as_text(row.get("seed"))),
            *(Cell(text=wording.plain(row.get(key))) for key in keys),
            _words(wording.plain(row.get("runs"))),
        )
        for row in rows[:ROWS_SHOWN]
    )
    heads = ("Recipe", "Seed", *(wording.titled(key) for key in keys))
    columns = (*(Cell(text=head) for head in heads), _words("Runs"))
    return Table(title="Every training", columns=columns, rows=cells, total=len(rows))


def _words(text: str) -> Cell:
    return Cell(text=text, is_words=True)


def _shaded(share: float | None) -> Cell:
    if share is None:
        return Cell(text=NONE)
    return Cell(text=wording.percent(share), shade=round(55 * min(1.0, max(0.0, share))))


def _percent(share: float | None, digits: int = 1) -> str:
    return NONE if share is None else wording.percent(share, digits)
