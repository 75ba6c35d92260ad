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
from pipeline.report.charts import Line, legend
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, read_document
from pipeline.report.finders import Chart, Fact
from pipeline.report.page import FILE_NAME, environment
from pipeline.report.palette import HUES
from pipeline.report.scores import CLASSES_SHOWN
from pipeline.report.study_charts import Dot, Share, dot_chart, reliability_chart, share_chart

DOCUMENT = "study.json"
FORMAT = 1
CONTESTANTS_SHOWN = 40
PAIRS_SHOWN = 120
ROWS_SHOWN = 400
GROUPS_SHOWN = 60
BASELINE_NAMES = {
    "majority": "most frequent class",
    "nearest_pixels": "nearest pixels",
    "nearest_look": "nearest hash",
    "nearest_features": "nearest edges, colours",
}
BASELINE_HUE = "k7"
METRIC_NAMES = {"macro_f1": "Macro F1", "accuracy": "Accuracy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of words."""

    title: str
    """what it shows"""
    columns: tuple[str, ...]
    """headings; the first column names the row"""
    rows: tuple[tuple[str, ...], ...]
    """cells"""
    total: int
    """rows in all"""


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
    tables: tuple[Table, ...]
    """pairs, classes, characters, episodes"""
    confusions: tuple[Confusion, ...]
    classes: tuple[str, ...]
    details: tuple[Table, ...]
    """every training; what the study itself reports"""


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
    lines = _objects(document.get("summary"))[:CONTESTANTS_SHOWN]
    names = [as_text(line.get("recipe")) for line in lines]
    hues = {name: f"k{number % (HUES - 1)}" for number, name in enumerate(names)}
    baselines = _objects(document.get("baselines"))
    classes = tuple(as_text(name) for name in as_list(document.get("classes")))
    rows = _objects(document.get("rows"))
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
        charts=_charts(lines, baselines, rows, hues, _objects(document.get("source_summary"))),
        shares=_shares(as_object(document.get("shares")), hues),
        share_keys=_share_keys(),
        reliability=_reliability(lines, hues),
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
    for arm in _objects(document.get("arms")):
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
        dots = [_dot(line, "macro_f1", [], hues.get(as_text(line.get("recipe")), "k0")) for line in at_home]
        said = ", ".join(f"{dot.name} {wording.percent(dot.mean)}" for dot in dots)
        drawn = dot_chart(dots, summary=f"Macro F1 at home: {said}", mark=None)
        charts.append(Chart(title="Macro F1 on the source's own test split", legend=Markup(""), drawing=drawn))
    return tuple(charts)


def _dot(line: Document, metric: str, rows: Sequence[Document], hue: str) -> Dot:
    name = as_text(line.get("recipe"))
    values = [as_number(row.get(metric)) for row in rows if row.get("recipe") == name]
    return Dot(
        name=BASELINE_NAMES.get(name, name),
        mean=as_number(line.get(metric)) or 0.0,
        seeds=tuple(value for value in values if value is not None),
        seeds_interval=_interval(line.get(f"{metric}_interval")),
        shots_interval=_interval(line.get(f"{metric}_shots_interval")),
        hue=hue,
    )


def _shares(found: Document, hues: dict[str, str]) -> tuple[Chart, ...]:
    classes = [as_text(name) for name in as_list(found.get("classes"))][:CLASSES_SHOWN]
    prior, truth = (_numbers(found.get(key)) for key in ("prior", "truth"))
    charts = []
    for arm in _objects(found.get("arms"))[:CONTESTANTS_SHOWN]:
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
        bins = _objects(line.get("reliability"))
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
        keys = legend([Line(name=name, points=(), hue=hues[name]), Line(name="ideal", points=(), hue="k7")])
        drawn = reliability_chart(name, points, ece, hues[name])
        charts.append(Chart(title=name, legend=keys, drawing=drawn, note=words))
    return tuple(charts)


def _tables(document: Document, lines: Sequence[Document], baselines: Sequence[Document]) -> Iterable[Table]:
    yield from _pair_tables(document, "macro_f1")
    everyone = [*lines, *baselines]
    names = tuple(BASELINE_NAMES.get(n := as_text(line.get("recipe")), n) for line in everyone)
    for key, figure, size in (
        ("class", "f1", "support"), ("character", "macro_f1", "examples"), ("episode", "macro_f1", "examples")
    ):  # fmt: skip
        groups = as_object(lines[0].get(f"per_{key}")) if lines else {}
        found = [
            (
                name,
                f"{as_whole(as_object(one).get(size)):,}",
                *(_share(as_object(as_object(line.get(f"per_{key}")).get(name)).get(figure)) for line in everyone),
            )
            for name, one in list(groups.items())[:GROUPS_SHOWN]
        ]
        if len(found) > 1:
            title = f"{'F1' if key == 'class' else 'Macro F1'} per {key}"
            yield Table(title=title, columns=(key, "examples", *names), rows=tuple(found), total=len(groups))


def _pair_tables(document: Document, metric: str) -> Iterable[Table]:
    every = [*_objects(document.get("pairs")), *_objects(document.get("beside_baseline"))]
    pairs = [pair for pair in every if pair.get("metric") == metric]
    if pairs:
        cells = tuple(_pair_cells(pair) for pair in pairs[:PAIRS_SHOWN])
        heads = ("First", "Second", "Difference", "p, test set", "p, training", "p", "p corrected", "")
        title = f"{METRIC_NAMES[metric]} of pairs, on the same test examples"
        yield Table(title=title, columns=heads, rows=cells, total=len(pairs))


def _pair_cells(pair: Document) -> tuple[str, ...]:
    difference, p = as_number(pair.get("difference")) or 0.0, as_number(pair.get("p_corrected"))
    values = [as_number(pair.get(key)) for key in ("p_shots", "p_seeds", "p", "p_corrected")]
    second = as_text(pair.get("second"))
    return (
        as_text(pair.get("first")),
        BASELINE_NAMES.get(second, second),
        f"{difference:+.3f}",
        *("\u2013" if value is None else f"{value:.3f}" for value in values),
        "more than luck" if p is not None and p < 0.05 else "",
    )


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
    published = as_object(document.get("published"))
    if published:
        reported = [(as_text(r.get("recipe")), as_text(r.get("figures"))) for r in _objects(published.get("reported"))]
        title = (
            f"What the study reports, as context: {as_text(published.get('source'))}; {as_text(published.get('data'))}"
        )
        yield Table(title=title, columns=("Recipe", "Figures"), rows=tuple(reported), total=len(reported))
    yield from _pair_tables(document, "accuracy")
    keys = ("accuracy", "macro_f1", "ece", "epochs", "images_seen", "seconds", "cpu_seconds")
    cells = tuple(
        (as_text(row.get("recipe")), as_text(row.get("seed")), *(wording.plain(row.get(key)) for key in keys),
         wording.plain(row.get("runs")))
        for row in rows[:ROWS_SHOWN]
    )  # fmt: skip
    heads = ("Recipe", "Seed", *(wording.titled(key) for key in keys), "Runs")
    yield Table(title="Every training", columns=heads, rows=cells, total=len(rows))


def _objects(value: object) -> list[Document]:
    return [as_object(item) for item in as_list(value)]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for item in as_list(value) if (text := as_text(item)))


def _numbers(value: object) -> list[float]:
    return [as_number(item) or 0.0 for item in as_list(value)]


def _interval(value: object) -> tuple[float, float] | None:
    ends = [number for item in as_list(value) if (number := as_number(item)) is not None]
    return (ends[0], ends[1]) if len(ends) == 2 else None


def _share(value: object) -> str:
    number = as_number(value)
    return "\u2013" if number is None else wording.percent(number)
