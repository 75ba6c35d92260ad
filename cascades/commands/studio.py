"""Commands of the studio loop: `cascade evaluate`, `cross-validate`, `suspects`, `rounds`, and `fit` from labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from cascades.fit import FitOptions
    from cascades.scoring.assess import Assessed
    from cascades.studio.rounds import FittedRound
    from pipeline.console import Session
    from pipeline.core.workspace import Workspace


def evaluate(
    ctx: typer.Context,
    cascade: Annotated[str, typer.Argument(help="Name or XML file.")],
    truth: Annotated[Path, typer.Option("--truth", help="COCO .json or info.dat.")],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the truth's pictures or videos.")] = None,
    character: Annotated[
        str | None, typer.Option("--character", help="Whose faces; default: whom the cascade was fitted to.")
    ] = None,
    iou: Annotated[float, typer.Option("--iou", min=0.05, max=0.95, help="Overlap that counts as found.")] = 0.5,
    min_face: Annotated[
        int | None, typer.Option("--min-face", help="Longer side of the smallest face, pixels.")
    ] = None,
    wanted_precision: Annotated[
        float | None,
        typer.Option("--wanted-precision", min=0.01, max=0.999, help="Choose the score threshold that reaches it."),
    ] = None,
) -> None:
    """Score a cascade on labelled pictures: precision and recall over its score threshold, and stage by stage."""
    from cascades.looked_for import DetectOptions
    from cascades.registry import load_cascade
    from cascades.scoring.assess import assess
    from cascades.truth.reading import read_truth
    from pipeline.core.files import sha256_of
    from pipeline.core.options import read_settings, resolve
    from pipeline.core.records import Cascade

    session = session_of(ctx)
    workspace = session.workspace()
    options = resolve(DetectOptions, read_settings(Path()).get("detect", {}), {"min_face_px": min_face}, "detect")
    read = read_truth(truth, images)
    assessed = assess(
        load_cascade(workspace, cascade), read, _card(workspace, cascade), character=character, iou=iou,
        wanted_precision=wanted_precision, options=options, truth_sha256=sha256_of(truth), progress=session.progress,
    )  # fmt: skip
    if workspace.catalogue.get(Cascade, cascade) is not None:
        with workspace.writing("cascade evaluate"):
            assessed.keep(workspace, cascade, truth.name)
    result = {"cascade": cascade} | assessed.as_json()
    names = ("precision", "recall", "f1", "false_positives_per_image", "average_precision")
    session.table(f"Cascade {cascade} on {truth.name}", names, [[result[n] for n in names]])
    for row in assessed.scores.rejected:
        session.warn(f"left out: {row.row}: {row.reason}")
    if assessed.shared:
        session.warn(
            f"{assessed.shared} of {len(read.pictures)} pictures of {truth.name} are among those that {cascade} was "
            "fitted to: these scores flatter it; give pictures that it has never seen"
        )
    session.emit(result, _lines(assessed))
    if assessed.scores.rejected:
        raise typer.Exit(1)


def cross_validate(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A cascade of the workspace, for its options; its card keeps the scores.")
    ],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="COCO .json or info.dat. Default: the workspace's labels.")
    ] = None,
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the truth's pictures or videos.")] = None,
    negatives: Annotated[
        list[Path] | None, typer.Option("--negatives", help="Pictures without the character; repeat it.")
    ] = None,
    character: Annotated[str | None, typer.Option("--character", help="Whose faces; default: the cascade's.")] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, max=20, help="How many fits.")] = 4,
    iou: Annotated[float, typer.Option("--iou", min=0.05, max=0.95, help="Overlap that counts as found.")] = 0.5,
    wanted_precision: Annotated[
        float | None,
        typer.Option("--wanted-precision", min=0.01, max=0.999, help="Choose the score threshold that reaches it."),
    ] = None,
) -> None:
    """Score how such a cascade does on scenes it has not seen, where boxes are too few to hold any out."""
    from cascades.looked_for import USUAL_MIN_SCORE
    from cascades.registry import load_cascade, update_card
    from cascades.scoring.calibration import calibrate, choose_threshold
    from cascades.scoring.evaluate import as_json, scores_of
    from cascades.scoring.folds import out_of_fold
    from cascades.scoring.matching import outcomes_of
    from cascades.truth.reading import read_truth
    from cascades.truth.workspace import workspace_truth

    session = session_of(ctx)
    workspace = session.workspace()
    loaded = load_cascade(workspace, name)
    read = workspace_truth(workspace) if truth is None else read_truth(truth, images)
    who = character or (loaded.character if loaded.character in read.characters else None)
    options = _fit_options(_card(workspace, name).get("options"))
    found = out_of_fold(read, who, negatives or (), options, folds, progress=session.progress)
    scores, counted = scores_of(found, iou, USUAL_MIN_SCORE), outcomes_of(found, iou)
    choice = None if wanted_precision is None else choose_threshold(counted, wanted_precision)
    calibration = calibrate(counted)
    kept: dict[str, Any] = {
        "cross_validation": {"folds": folds, "iou": iou} | {k: v for k, v in as_json(scores).items() if k != "rejected"}
    }
    if calibration is not None:
        kept["calibration"] = calibration.as_card()
    if choice is not None:
        points = _card(workspace, name).get("operating_points")
        kept["operating_points"] = (points if isinstance(points, dict) else {}) | {
            f"{choice.wanted:g}": choice.as_card()
        }
    with workspace.writing("cascade cross-validate"):
        update_card(workspace, name, kept)
    result: dict[str, Any] = {"cascade": name, "character": who or "", "folds": folds, "iou": iou} | as_json(scores)
    result["wanted_precision"] = None if choice is None else choice.as_card()
    lines = [
        f"{scores.faces} faces on {scores.images} images, each searched by a cascade fitted without its scene: "
        f"average precision {scores.average_precision:.3f}"
    ]
    session.emit(result, lines + ([choice.reason] if choice else []))


def suspects(
    ctx: typer.Context,
    cascade: Annotated[str | None, typer.Option("--cascade", help="Whose finds. Default: all.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 100,
    out: Annotated[
        Path | None, typer.Option("--out", help="The CSV; the page lies beside it. Default: in the reports' folder.")
    ] = None,
) -> None:
    """List the mined faces that are most likely wrong, as a CSV to fill in and a page to look at."""
    from cascades.registry import card_of, load_cascade, named_cascades
    from cascades.scoring.calibration import read_calibration
    from cascades.studio.suspect_sheet import as_csv, sheet_html, views_of
    from cascades.studio.suspects import rank_suspects
    from pipeline.core.files import write_text

    session = session_of(ctx)
    workspace = session.workspace()
    digest = load_cascade(workspace, cascade).digest if cascade else None
    known = {c.sha256: read_calibration(card_of(c).get("calibration")) for c in named_cascades(workspace)}
    calibrations = {sha256: found for sha256, found in known.items() if found is not None}
    ranked = rank_suspects(workspace, digest, limit, calibrations=calibrations)
    target = out or workspace.reports / "suspects.csv"
    page = target.with_suffix(".html")
    views = views_of(ranked, workspace, session.progress)
    write_text(target, as_csv(ranked, workspace))
    write_text(page, sheet_html(views, workspace, target.name, len(ranked)))
    rows: list[dict[str, Any]] = [
        {"rank": rank, "item": s.item, "detection": s.detection.id, "doubt": s.doubt, "reasons": list(s.reasons)}
        for rank, s in enumerate(ranked, start=1)
    ]
    shown = [(row["rank"], row["doubt"], "; ".join(row["reasons"])) for row in rows[:20]]
    session.table("Suspects", ("rank", "doubt", "why"), shown)
    session.emit(
        {"suspects": rows, "csv": str(target), "page": str(page)},
        [f"{len(rows)} suspects", f"look: {page}", f"fill in `answer`, then `toonsift import labels {target}`"],
    )


def rounds(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Name of a cascade.")]) -> None:
    """Show how a cascade did on the same held-out scenes in each round of labelling and fitting."""
    from cascades.registry import card_of
    from pipeline.core.errors import NotFoundError
    from pipeline.core.records import Cascade

    session = session_of(ctx)
    workspace = session.workspace()
    record = workspace.catalogue.get(Cascade, name)
    if record is None:
        raise NotFoundError(f"no cascade {name!r} in the workspace; `toonsift cascade list` shows those there are")
    kept = [entry for entry in card_of(record).get("rounds") or [] if isinstance(entry, dict)]
    _rounds_table(session, name, kept)
    last = kept[-1].get("held_out") if kept else None
    line = (
        f"held out: {last['faces']} faces on {last['pictures']} pictures of {last['scenes']} shots"
        if isinstance(last, dict)
        else "no held-out curve yet: label faces in more shots, then `toonsift cascade fit NAME` without --truth"
    )
    session.emit({"name": name, "rounds": kept}, [line])


def fit_from_labels(
    session: "Session",
    name: str,
    *,
    character: str | None,
    truth: Path | None,
    images: Path | None,
    negatives: Sequence[Path],
    options: "FitOptions",
    out: Path | None,
) -> "FittedRound":
    """`cascade fit NAME` without --truth: fits to the workspace's labels and shows the rounds; call it in place of
    `make_cascade`, under the writer's lock."""
    from cascades.studio.rounds import fit_round
    from cascades.truth.reading import read_truth

    workspace = session.workspace()
    read = None if truth is None else read_truth(truth, images, options.size)
    fitted = fit_round(
        workspace, name, character=character, truth=read, negatives=negatives, options=options, out=out,
        progress=session.progress,
    )  # fmt: skip
    _rounds_table(session, name, fitted.rounds)
    if fitted.untold:
        session.warn(f"no held-out curve: {fitted.untold}")
    return fitted


def _rounds_table(session: "Session", name: str, kept: Sequence[dict[str, Any]]) -> None:
    columns = ("round", "fitted to", "faces", "not a face", "average precision", "best F1", "false positives / image")
    rows = []
    for entry in kept:
        scores = entry.get("scores") or {}
        best = scores.get("best") or {}
        values = (scores.get("average_precision"), best.get("f1"), best.get("false_positives_per_image"))
        rows.append(
            (
                entry.get("round"), entry.get("from"), entry.get("faces"), entry.get("not_a_face", 0),
                *("-" if value is None else value for value in values),
            )
        )  # fmt: skip
    session.table(f"Rounds of {name}", columns, rows)


def _card(workspace: "Workspace", name: str) -> dict[str, Any]:
    from cascades.registry import card_of
    from pipeline.core.records import Cascade

    record = workspace.catalogue.get(Cascade, name)
    return card_of(record) if record else {}


def _fit_options(kept: object) -> "FitOptions":
    """The options that a card remembers, as far as they still exist; the defaults for the rest."""
    from cascades.fit import FitOptions
    from pipeline.core.options import resolve

    known = FitOptions.__dataclass_fields__
    table = {key: value for key, value in kept.items() if key in known} if isinstance(kept, dict) else {}
    return resolve(FitOptions, table, {}, "card")


def _lines(assessed: "Assessed") -> list[str]:
    scores = assessed.scores
    best = scores.best
    f1 = 2 * best.precision * best.recall / max(best.precision + best.recall, 1e-9)
    lines = [
        f"{scores.faces} faces on {scores.images} images; best f1 {f1:.3f} at score "
        f"{best.threshold if scores.detections else 0:.1f} (precision {best.precision:.3f}, recall {best.recall:.3f})"
    ]
    if assessed.stages is not None and assessed.stages.stages:
        last = assessed.stages.stages[-1]
        lines.append(
            f"stages: {last.hit_rate_so_far:.3f} of {assessed.stages.faces} face windows pass all, "
            f"{last.false_alarm_so_far:.2g} of {assessed.stages.background:,} background windows"
        )
    if assessed.choice is not None:
        lines.append(assessed.choice.reason)
    return lines
