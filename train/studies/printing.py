"""A study's document as tables on the terminal; the page of the report shows the same with charts."""

from collections.abc import Sequence
from typing import Any

from pipeline.console import Session
from train.studies.findings import p_words
from train.studies.tables import ALPHA

Line = dict[str, Any]
PAIRS_SHOWN = 30
"""of more pairs the page has the table"""
WIDEST = 9
"""columns of figures that fit beside the names"""


def show(session: Session, document: Line, title: str, what: str) -> None:
    """Scores and costs, the parts, the pairs, and what the study itself reports; `what` is what a line is: recipe, arm."""
    lines = [*ranked(document["summary"], document), *document["baselines"]]
    columns = (what, "macro-F1", "95 %, seeds", "95 %, shots", "accuracy", "balanced", "ECE", "train acc.", "")
    session.table(title, columns, map(_score_cells, lines))
    if "source_summary" in document:
        home = [*document["source_summary"], *document["source_baselines"]]
        session.table("on the source's own test split", columns, map(_score_cells, home))
    _show_costs(session, document, what)
    for key in ("class", "character", "episode"):
        show_parts(session, lines, key, what)
    _show_pairs(session, document)
    if published := document.get("published"):
        session.table(
            "as context, what the study reports",
            ("recipe", f"{published['source']}: {published['data']}"),
            [(one["recipe"], one["figures"]) for one in published["reported"]],
        )


def ranked(summary: Sequence[Line], document: Line) -> list[Line]:
    """The best first; the arms of a shift in their own order."""
    if document["kind"] == "shift":
        return list(summary)
    return sorted(summary, key=lambda line: -line["macro_f1"])


def show_parts(session: Session, lines: Sequence[Line], key: str, what: str) -> None:
    """F1 of each class, macro-F1 of each character and episode: a row for each contestant, however many there are."""
    parts = lines[0].get(f"per_{key}", {}) if lines else {}
    if len(parts) < 2:
        return
    figure, size = ("f1", "support") if key == "class" else ("macro_f1", "examples")
    shown = sorted(parts, key=lambda name: -parts[name][size])[:WIDEST]
    shown = [name for name in parts if name in shown]
    rows = [(line["recipe"], *(line[f"per_{key}"][name][figure] for name in shown)) for line in lines]
    title = f"{'F1' if key == 'class' else 'macro-F1'} per {key}"
    if len(parts) > len(shown):
        title += f", the {len(shown)} largest of {len(parts)}"
    session.table(title, (what, *(f"{name}\nof {parts[name][size]:,}" for name in shown)), rows)


def show_map(session: Session, document: Line) -> None:
    """What a class of the source means in the target."""
    rows = [*document["map"].items(), *((name, "(left out)") for name in document["source_left_out"])]
    rows += [("(not learned)", name) for name in document["target_left_out"]]
    session.table("what a class means", (document["source"], document["target"]), rows)


def show_shares(session: Session, shares: Line) -> None:
    """Predicted shares beside true ones and the training's."""
    named = [("training of the source", shares["prior"]), ("truth of the target", shares["truth"])]
    named += [(f"predicted: {arm['name']}", arm["predicted"]) for arm in shares["arms"]]
    rows = [(name, *(f"{share:.0%}" for share in values)) for name, values in named]
    session.table("share of each class", ("", *shares["classes"]), rows)


def _score_cells(line: Line) -> tuple[object, ...]:
    between = (line["macro_f1_interval"], line["macro_f1_shots_interval"])
    others = (line["accuracy"], line["balanced_accuracy"], line.get("ece"), line.get("train_accuracy"))
    return (
        line["recipe"], line["macro_f1"], *("-" if ends is None else f"{ends[0]:.3f}\u2013{ends[1]:.3f}" for ends in between),
        *("-" if value is None else value for value in others), ", ".join(line.get("remarks", ())),
    )  # fmt: skip


def _show_costs(session: Session, document: Line, what: str) -> None:
    budget = document.get("budget") or {"allowances": [], "left_out": []}
    planned = {one["recipe"]: one for one in budget["allowances"]}
    rows: list[tuple[object, ...]] = []
    for line in ranked(document["summary"], document):
        head_alone = planned.get(line["recipe"], {}).get("frozen_epochs", 0)
        cost = [line.get(key) for key in ("epochs", "images_seen", "cpu_seconds")]
        epochs, *others = ("-" if value is None else f"{value:,.0f}" for value in cost)
        epochs += f" ({head_alone} short)" if head_alone else ""
        rows.append((line["recipe"], line["seeds"], epochs, *others, planned.get(line["recipe"], {}).get("reason", "")))
    rows += [(one["recipe"], "-", "-", "-", "-", one["reason"]) for one in budget["left_out"]]
    title = f"at a budget of {budget['seconds']:g} s for the epochs of each training" if planned else "what it took"
    session.table(title, (what, "seeds", "epochs", "images seen", "CPU s", ""), rows)


def _show_pairs(session: Session, document: Line) -> None:
    pairs = [pair for pair in document["pairs"] if pair["metric"] == "macro_f1"]
    if not pairs:
        return
    shown = sorted(pairs, key=lambda pair: pair["p_corrected"])[:PAIRS_SHOWN]
    title = "macro-F1 of pairs, on the same test examples"
    if len(shown) < len(pairs):
        title += f": the {len(shown)} surest of {len(pairs)}, the page has all"
    columns = ("", "", "difference", "p, test set", "p, training", "p", "p corrected", "verdict")
    session.table(title, columns, [_pair_cells(pair) for pair in shown])


def _pair_cells(pair: Line) -> tuple[object, ...]:
    values = ("-" if pair[key] is None else p_words(pair[key]) for key in ("p_shots", "p_seeds", "p", "p_corrected"))
    return pair["first"], pair["second"], f"{pair['difference']:+.3f}", *values, verdict(pair)


def verdict(pair: Line) -> str:
    """What the test says, in words."""
    if pair["p_corrected"] >= ALPHA:
        return "may be luck"
    return f"{pair['first'] if pair['difference'] > 0 else pair['second']} is better"
