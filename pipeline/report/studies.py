"""The page of a study: recipes side by side, or the arms of a domain shift. Reads study.json; knows nothing of torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipeline import __version__
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.workspace import now
from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, read_document
from pipeline.report.finders import Chart, Fact
from pipeline.report.page import FILE_NAME, environment
from pipeline.report.palette import HUES
from pipeline.report.scores import CLASSES_SHOWN
from pipeline.report.study_charts import Dot, Share, dot_chart, reliability_chart, share_chart
from pipeline.report.study_tables import (
    METRIC_NAMES,
    Table,
    interval,
    name_of,
    objects,
    pair_tables,
    part_tables,
    published_table,
    ranking_table,
    trainings_table,
)

DOCUMENT = "study.json"
FORMAT = 1
CONTESTANTS_SHOWN = 40
OPEN_SHOWN = 6
"""diagrams and confusions that lie open; the others are folded away"""
BASELINE_HUE = "k7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One contestant's confusion, mean over its seeds."""

    name: str
    """whose"""
    rows: tuple[tuple[tuple[str, float], ...], ...]
    """row: true class, column: predicted class; words and share of the row"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """Everything that the template draws."""

    title: str
    subtitle: str
    made: str
    """UTC"""
    version: str
    """of toonsift"""
    facts: tuple[Fact, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    charts: tuple[Chart, ...]
    """macro-F1 and accuracy with intervals"""
    shares: tuple[Chart, ...]
    """predictions beside priors; empty but for a domain shift"""
    share_keys: Markup
    reliability: tuple[Chart, ...]
    ranking: Table
    """a row for each contestant"""
    tables: tuple[Table, ...]
    """pairs, classes, characters, episodes"""
    confusions: tuple[Confusion, ...]
    classes: tuple[str, ...]
    details: tuple[Table, ...]
    """pairs with the best baseline and by accuracy, every training, what the study itself reports"""
    open_shown: int = OPEN_SHOWN
    """diagrams and confusions that lie open"""


def build_study_page(folder: Path) -> Path:
    """Writes `index.html` beside the folder's study.json and returns its path.

    Raises:
        InputError: no study there, damaged, or a newer toonsift's.
        DiskFullError: no room for the page.
    """
    document = read_document(folder / DOCUMENT)
    if as_whole(document.get("format")) != FORMAT:
        raise InputError(f"{folder / DOCUMENT}: not of format {FORMAT}; run the same `toonsift compare` again")
    page = study_page(document)
    path = folder / FILE_NAME
    write_text(path, environment().get_template("study.html.j2").render(page=page))
    return path


def study_page(document: Document) -> StudyPage:
    """The page of a study's document; writes nothing."""
    shift = as_text(document.get("kind")) == "shift"
    lines = _ranked(objects(document.get("summary")), shift)[:CONTESTANTS_SHOWN]
    names = [as_text(line.get("recipe")) for line in lines]
    several = len(names) < HUES  # with more, colours would come back and say nothing
    hues = {name: f"k{number if several else 0}" for number, name in enumerate(names)}
    baselines = objects(document.get("baselines"))
    classes = tuple(as_text(name) for name in as_list(document.get("classes")))
    rows = objects(document.get("rows"))
    return StudyPage(
        title="Domain shift" if shift else "Comparison",
        subtitle=_subtitle(document, shift),
        made=now(),
        version=__version__,
        facts=tuple(_facts(document)),
        findings=_texts(document.get("findings")),
        notes=_texts(document.get("notes")),
        failures=tuple(
            f"{as_text(row.get('recipe'))}, seed {as_text(row.get('seed'))}: {as_text(row.get('reason'))}"
            for row in rows
            if as_text(row.get("reason"))
        ),
        charts=_charts(lines, baselines, rows, hues, _at_home(document)),
        shares=_shares(as_object(document.get("shares")), hues),
        share_keys=_share_keys(),
        reliability=_reliability(lines, hues),
        ranking=ranking_table(document, lines, baselines),
        tables=tuple(_tables(document, lines, baselines)),
        confusions=_confusions(lines, len(classes)),
        classes=classes,
        details=tuple(_details(document, rows)),
    )


def _subtitle(document: Document, shift: bool) -> str:
    if not shift:
        return f"recipes on {as_text(document.get('dataset'))}"
    ends = f"{as_text(document.get('source'))} to {as_text(document.get('target'))}"
    return f"{as_text(document.get('recipe'))}, {ends}"


def _facts(document: Document) -> Iterable[Fact]:
    test = as_object(document.get("test"))
    told = f"{as_whole(test.get('examples')):,} of {as_whole(test.get('shots')):,} shots"
    yield Fact(name="test examples", value=told)
    yield Fact(name="seeds", value=wording.plain(document.get("seeds")))
    if held_out := as_list(document.get("held_out")):
        yield Fact(name="held out, one after the other", value=wording.plain(held_out))
    pairs = as_object(document.get("map"))
    if pairs:
        yield Fact(name="classes", value=", ".join(f"{here} = {there}" for here, there in pairs.items()))
    for key, name in (("source_left_out", "not learned"), ("target_left_out", "not tested")):
        if left := as_list(document.get(key)):
            yield Fact(name=name, value=wording.plain(left))
    if seen := as_whole(document.get("seen")):
        yield Fact(name="left out of the target", value=f"{seen:,} with pictures or shots of the source")
    for arm in objects(document.get("arms")):
        words = [*_texts(arm.get("settings")), as_text(arm.get("look"))]
        yield Fact(name=f"arm {as_text(arm.get('name'))}", value=", ".join(word for word in words if word))


def _charts(
    lines: Sequence[Document], baselines: Sequence[Document], rows: Sequence[Document], hues: dict[str, str],
    at_home: Sequence[Document],
) -> tuple[Chart, ...]:  # fmt: skip
    charts = []
    for metric, title in METRIC_NAMES.items():
        dots = [_dot(line, metric, rows, hues[as_text(line.get("recipe"))]) for line in lines]
        trivial = [_dot(line, metric, [], BASELINE_HUE) for line in baselines]
        best = max(trivial, key=lambda dot: dot.mean, default=None)
        said = ", ".join(f"{dot.name} {wording.percent(dot.mean)}" for dot in [*dots, *trivial])
        drawn = dot_chart([*dots, *trivial], summary=f"{title}: {said}", mark=(best.mean, "") if best else None)
        charts.append(Chart(title=title, legend=Markup(""), drawing=drawn))
    if at_home:
        dots = [_dot(line, "macro_f1", [], hues.get(as_text(line.get("recipe")), BASELINE_HUE)) for line in at_home]
        said = ", ".join(f"{dot.name} {wording.percent(dot.mean)}" for dot in dots)
        drawn = dot_chart(dots, summary=f"Macro F1 at home: {said}", mark=None)
        charts.append(Chart(title="Macro F1 on the source's own test split", legend=Markup(""), drawing=drawn))
    return tuple(charts)


def _dot(line: Document, metric: str, rows: Sequence[Document], hue: str) -> Dot:
    values = [as_number(row.get(metric)) for row in rows if row.get("recipe") == line.get("recipe")]
    return Dot(
        name=name_of(line),
        mean=as_number(line.get(metric)) or 0.0,
        seeds=tuple(value for value in values if value is not None),
        seeds_interval=interval(line.get(f"{metric}_interval")),
        shots_interval=interval(line.get(f"{metric}_shots_interval")),
        hue=hue,
    )


def _shares(found: Document, hues: dict[str, str]) -> tuple[Chart, ...]:
    classes = [as_text(name) for name in as_list(found.get("classes"))][:CLASSES_SHOWN]
    prior, truth = (_numbers(found.get(key)) for key in ("prior", "truth"))
    charts = []
    for arm in objects(found.get("arms"))[:CONTESTANTS_SHOWN]:
        predicted, name = _numbers(arm.get("predicted")), as_text(arm.get("name"))
        if not len(classes) <= min(len(prior), len(truth), len(predicted)):
            continue
        shares = [
            Share(name=label, prior=prior[n], truth=truth[n], predicted=predicted[n]) for n, label in enumerate(classes)
        ]
        said = ", ".join(f"{one.name} {wording.percent(one.predicted, 0)}" for one in shares)
        drawn = share_chart(shares, hue=hues.get(name, "k0"), summary=f"{name} predicts {said}")
        words = (
            f"{wording.percent(as_number(arm.get('distance')) or 0.0, 0)} of the predictions would have to change class "
            f"for the shares to be right; outputs vary by {wording.percent(as_number(arm.get('variety')) or 0.0, 0)}."
        )
        charts.append(Chart(title=name, legend=Markup(""), drawing=drawn, note=words))
    return tuple(charts)


def _share_keys() -> Markup:
    return Markup(
        '<span class="swatch k0">predicted on the target</span> <span class="key-truth">true there</span> '
        '<span class="key-prior">share of the training</span>'
    )


def _reliability(lines: Sequence[Document], hues: dict[str, str]) -> tuple[Chart, ...]:
    charts = []
    for line in lines:
        name, ece = as_text(line.get("recipe")), as_number(line.get("ece"))
        bins = objects(line.get("reliability"))
        points = [
            (x, y)
            for one in bins
            if (x := as_number(one.get("confidence"))) is not None and (y := as_number(one.get("accuracy"))) is not None
        ]
        if ece is None or not points:
            continue
        over = as_number(line.get("overconfidence")) or 0.0
        words = (
            f"Error {ece:.3f}; on average {abs(over):.3f} {'surer than right' if over > 0 else 'less sure than right'}."
        )
        drawn = reliability_chart(name, points, ece, hues[name])
        charts.append(Chart(title=name, legend=Markup(""), drawing=drawn, note=words))
    return tuple(charts)


def _at_home(document: Document) -> list[Document]:
    """What a domain shift says of the source's own test split; nothing for a comparison."""
    return [*objects(document.get("source_summary")), *objects(document.get("source_baselines"))]


def _ranked(lines: Sequence[Document], shift: bool) -> list[Document]:
    """The best first; the arms of a shift in their own order, the plain one first."""
    return list(lines) if shift else sorted(lines, key=lambda line: -(as_number(line.get("macro_f1")) or 0.0))


def _tables(document: Document, lines: Sequence[Document], baselines: Sequence[Document]) -> Iterable[Table]:
    yield from pair_tables(document, "macro_f1", "pairs", "Macro F1 of pairs, on the same test examples")
    yield from part_tables([*lines, *baselines])


def _confusions(lines: Sequence[Document], classes: int) -> tuple[Confusion, ...]:
    found = []
    for line in lines:
        rows = [_numbers(row) for row in as_list(line.get("confusion"))]
        if classes > CLASSES_SHOWN or len(rows) != classes or any(len(row) != classes for row in rows):
            continue
        cells = tuple(tuple((f"{n:.1f}".removesuffix(".0"), n / (sum(row) or 1.0)) for n in row) for row in rows)
        found.append(Confusion(name=as_text(line.get("recipe")), rows=cells))
    return tuple(found)


def _details(document: Document, rows: Sequence[Document]) -> Iterable[Table]:
    yield from published_table(document)
    yield from pair_tables(
        document, "macro_f1", "beside_baseline", "Macro F1 beside the best of what needs no training"
    )
    yield from pair_tables(document, "accuracy", "pairs", "Accuracy of pairs")
    yield from pair_tables(
        document, "accuracy", "beside_baseline", "Accuracy beside the best of what needs no training"
    )
    yield trainings_table(rows)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for item in as_list(value) if (text := as_text(item)))


def _numbers(value: object) -> list[float]:
    return [as_number(item) or 0.0 for item in as_list(value)]
