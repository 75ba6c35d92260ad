"""`toonsift cascade fit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from cascades.fit import FitOptions
    from cascades.make import MadeCascade
    from pipeline.console import Session


def fit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth", help="COCO .json, info.dat, .vec, .npz or a folder of faces; default: the labels here."
        ),
    ] = None,
    labels: Annotated[bool, typer.Option("--labels", help="Learn from the workspace's labels too.")] = False,
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the truth's pictures or videos.")] = None,
    negatives: Annotated[
        list[Path] | None, typer.Option("--negatives", help="Pictures or videos without the character; repeat it.")
    ] = None,
    character: Annotated[str | None, typer.Option("--character", help="Whose faces; default: everyone's.")] = None,
    feature: Annotated[str | None, typer.Option("--feature", help="haar or lbp.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="basic, core or all (tilted too) Haar features.")] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="Window, WIDTHxHEIGHT pixels; default: the shape of the boxes.")
    ] = None,
    stages: Annotated[int | None, typer.Option("--stages", help="Stages at most (15).")] = None,
    min_hit_rate: Annotated[float | None, typer.Option("--min-hit-rate", help="Of each stage (0.998).")] = None,
    max_false_alarm: Annotated[float | None, typer.Option("--max-false-alarm", help="Of each stage (0.5).")] = None,
    target_false_alarm: Annotated[
        float | None, typer.Option("--target-false-alarm", help="Share of all windows at which the fit may end.")
    ] = None,
    positives: Annotated[
        int | None, typer.Option("--positives", help="Windows to fit to; few boxes are varied.")
    ] = None,
    negatives_per_stage: Annotated[int | None, typer.Option("--negatives-per-stage", help="Windows mined.")] = None,
    max_windows: Annotated[int | None, typer.Option("--max-windows", help="Looked at for negatives, at most.")] = None,
    unsure_negatives: Annotated[
        bool, typer.Option("--unsure-negatives", help="The character may be on the --negatives after all.")
    ] = False,
    boosting: Annotated[str | None, typer.Option("--boosting", help="gentle, real or discrete AdaBoost.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", help="Decisions in a row; 1 is a stump, at most 4.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu (all cores); auto or cuda: torch on a GPU.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed gives the same bytes.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the XML here, and its card beside it.")] = None,
) -> None:
    """Fit a cascade to labelled faces; the XML works in OpenCV 3, 4 and 5. A fit that was stopped goes on."""
    from cascades.make import make_cascade

    session = session_of(ctx)
    flags = {
        "feature": feature, "mode": mode, "size": None if size is None else _size(size), "stages": stages,
        "min_hit_rate": min_hit_rate, "max_false_alarm": max_false_alarm, "target_false_alarm": target_false_alarm,
        "positives": positives, "negatives_per_stage": negatives_per_stage, "boosting": boosting, "depth": depth,
        "unsure_negatives": unsure_negatives or None, "device": device, "seed": seed,
    }  # fmt: skip
    options = _options(flags, max_windows)
    workspace = session.workspace()
    try:
        if truth is None or labels:
            from cascades.commands.studio import fit_from_labels

            with workspace.writing("cascade fit"):
                made = fit_from_labels(
                    session, name, character=character, truth=truth, images=images, negatives=negatives or (),
                    options=options, out=out,
                ).made  # fmt: skip
        else:
            made = make_cascade(
                workspace, name, truth, images=images, negatives=negatives or (), character=character, options=options,
                out=out, progress=session.progress, take_lock=True,
            )  # fmt: skip
    except KeyboardInterrupt as stopped:
        session.warn(str(stopped) or "stopped")
        raise typer.Exit(130) from None
    _show(session, name, made, out if out is not None else workspace.objects.path(made.record.sha256, ".xml"))
    if made.samples.rejected:
        raise typer.Exit(1)


def _options(flags: dict[str, Any], max_windows: int | None) -> "FitOptions":
    from dataclasses import replace

    from cascades.fit import FitOptions
    from pipeline.core.options import read_settings, resolve

    options = resolve(FitOptions, read_settings(Path()).get("fit", {}), flags, "fit")
    if max_windows is None:
        return options
    return replace(options, mining=replace(options.mining, max_windows=max_windows))


def _show(session: "Session", name: str, made: "MadeCascade", xml: Path) -> None:
    columns = ("weak", "hit_rate", "false_alarm", "held_out_hit_rate", "windows_seen", "seconds")
    rows = made.card["stages"]
    session.table(
        f"Cascade {name}", ("stage", *columns), [(i, *(r[c] for c in columns)) for i, r in enumerate(rows, 1)]
    )
    for row in made.samples.rejected:
        session.warn(f"left out: {row.row}: {row.reason}")
    for note in made.notes:
        session.warn(note)
    session.emit(_fit_result(made, xml.absolute()), _fit_lines(made, xml))


def _size(text: str) -> tuple[int, int]:
    from pipeline.core.errors import UsageError

    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"--size is WIDTHxHEIGHT in pixels, such as 24x24, got {text!r}")
    return int(width), int(height)


def _fit_result(made: "MadeCascade", xml: Path) -> dict[str, Any]:
    card, fitted = made.card, made.fitted
    return {
        "name": made.record.id,
        "character": made.record.character,
        "sha256": made.record.sha256,
        "xml": str(xml),
        "stages": card["stages"],
        "reason": fitted.reason,
        "false_alarm": fitted.false_alarm,
        "windows_checked": fitted.windows_checked,
        "data": card["data"],
        "seconds": fitted.seconds,
        "cpu_seconds": fitted.cpu_seconds,
        "peak_mib": fitted.peak_mib,
        "rejected": [{"row": r.row, "reason": r.reason} for r in made.samples.rejected],
    }


def _fit_lines(made: "MadeCascade", xml: Path) -> list[str]:
    fitted, samples = made.fitted, made.samples
    held_out = fitted.stages[-1].held_out_hit_rate
    honest = (
        "no held-out faces" if held_out is None else f"{held_out:.3f} of {len(samples.held_out)} held-out windows pass"
    )
    alarm = (
        ""
        if fitted.false_alarm is None
        else f", {fitted.false_alarm:.2g} of {fitted.windows_checked:,} fresh background windows"
    )
    lines = [
        f"{len(samples.positives)} positives from {samples.faces} faces, {len(samples.scenes)} scenes, "
        f"{fitted.windows_seen:,} of {fitted.windows_total:,} windows seen",
        f"{fitted.reason}; {honest}{alarm}",
        f"{fitted.seconds:.1f} s, {fitted.cpu_seconds:.1f} CPU s, {fitted.peak_mib:.0f} MiB; {xml}",
    ]
    if samples.flat:
        lines.insert(1, f"{samples.flat} windows left out: too little contrast for OpenCV's detector")
    if samples.rejected:
        lines.append(f"{len(samples.rejected)} rows left out, named above")
    return lines
