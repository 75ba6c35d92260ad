"""`toonsift cascade ...` and `toonsift detect`. Nothing heavy is imported until a command runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from cascades.make import MadeCascade
    from pipeline.core.workspace import Workspace

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Fit, score and list the cascades that find faces.")

SizeFlag = Annotated[str | None, typer.Option("--size", help="Window, WIDTHxHEIGHT pixels (24x24).")]
CharacterFlag = Annotated[str | None, typer.Option("--character", help="Whose faces; default: everyone's.")]
MinFaceFlag = Annotated[int | None, typer.Option("--min-face", help="Longer side of the smallest face, pixels.")]


@app.command("fit")
def fit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    truth: Annotated[Path, typer.Option("--truth", help="COCO .json, info.dat, .vec or .npz.")],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the truth's pictures or videos.")] = None,
    negatives: Annotated[
        list[Path] | None, typer.Option("--negatives", help="Pictures without the character; repeat it.")
    ] = None,
    character: CharacterFlag = None,
    feature: Annotated[str | None, typer.Option("--feature", help="haar (lbp is not built yet).")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="basic or core.")] = None,
    size: SizeFlag = None,
    stages: Annotated[int | None, typer.Option("--stages", help="Stages at most (15).")] = None,
    min_hit_rate: Annotated[float | None, typer.Option("--min-hit-rate", help="Of each stage (0.998).")] = None,
    max_false_alarm: Annotated[float | None, typer.Option("--max-false-alarm", help="Of each stage (0.5).")] = None,
    positives: Annotated[
        int | None, typer.Option("--positives", help="Windows to fit to; few boxes are varied.")
    ] = None,
    negatives_per_stage: Annotated[int | None, typer.Option("--negatives-per-stage", help="Windows mined.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same seed gives the same bytes.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the XML here.")] = None,
) -> None:
    """Fit a cascade to labelled faces; the XML works in OpenCV 3, 4 and 5."""
    from cascades.fit import FitOptions
    from cascades.make import make_cascade
    from pipeline.core.options import read_settings, resolve

    session = session_of(ctx)
    flags = {
        "feature": feature, "mode": mode, "size": None if size is None else _size(size), "stages": stages,
        "min_hit_rate": min_hit_rate, "max_false_alarm": max_false_alarm, "positives": positives,
        "negatives_per_stage": negatives_per_stage, "seed": seed,
    }  # fmt: skip
    options = resolve(FitOptions, read_settings(Path()).get("fit", {}), flags, "fit")
    workspace = session.workspace()
    with workspace.writing("cascade fit"):
        made = make_cascade(
            workspace, name, truth, images=images, negatives=negatives or (), character=character, options=options,
            out=out, progress=session.progress,
        )  # fmt: skip
    columns = ("weak", "hit_rate", "false_alarm", "held_out_hit_rate", "windows_seen", "seconds")
    rows = made.card["stages"]
    session.table(
        f"Cascade {name}", ("stage", *columns), [(i, *(r[c] for c in columns)) for i, r in enumerate(rows, 1)]
    )
    xml = out if out is not None else workspace.objects.path(made.record.sha256, ".xml")
    for row in made.samples.rejected:
        session.warn(f"left out: {row.row}: {row.reason}")
    session.emit(_fit_result(made, xml.absolute()), _fit_lines(made, xml))
    _exit_if(bool(made.samples.rejected))


@app.command("evaluate")
def evaluate(
    ctx: typer.Context,
    cascade: Annotated[str, typer.Argument(help="Name or XML file.")],
    truth: Annotated[Path, typer.Option("--truth", help="COCO .json or info.dat.")],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the truth's pictures or videos.")] = None,
    character: Annotated[
        str | None, typer.Option("--character", help="Whose faces; default: whom the cascade was fitted to.")
    ] = None,
    iou: Annotated[float, typer.Option("--iou", min=0.05, max=0.95, help="Overlap that counts as found.")] = 0.5,
    min_face: MinFaceFlag = None,
) -> None:
    """Score a cascade on labelled pictures: precision and recall over its score threshold."""
    from cascades.detect import Detector
    from cascades.evaluate import as_json, evaluate_detector
    from cascades.registry import load_cascade
    from cascades.truth import read_truth

    session = session_of(ctx)
    workspace = session.workspace()
    read = read_truth(truth, images)
    loaded = load_cascade(workspace, cascade)
    who = character or (loaded.character if loaded.character in read.characters else None)
    scores = evaluate_detector(Detector([loaded], _detect_options(min_face)), read, who, iou, session.progress)
    result: dict[str, Any] = {"cascade": cascade, "character": who or "", "iou": iou} | as_json(scores)
    _keep_scores(workspace, cascade, truth, result)
    names = ("precision", "recall", "f1", "false_positives_per_image", "average_precision")
    session.table(f"Cascade {cascade} on {truth.name}", names, [[result[n] for n in names]])
    best = result["best"]
    line = (
        f"{scores.faces} faces on {scores.images} images; best f1 {best['f1']:.3f} "
        f"at score {best['threshold'] or 0:.1f} (precision {best['precision']:.3f}, recall {best['recall']:.3f})"
    )
    for row in scores.rejected:
        session.warn(f"left out: {row.row}: {row.reason}")
    session.emit(result, [line])
    _exit_if(bool(scores.rejected))


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the cascades of the workspace."""
    from cascades.registry import card_of, named_cascades

    session = session_of(ctx)
    rows: list[dict[str, Any]] = []
    for cascade in named_cascades(session.workspace()):
        card = card_of(cascade)
        stages = card.get("stages") or []
        size = (card.get("options") or {}).get("size") or [0, 0]
        rows.append(
            {
                "name": cascade.id, "character": cascade.character, "stages": len(stages),
                "weak": sum(s.get("weak", 0) for s in stages), "size": "x".join(map(str, size)),
                "false_alarm": card.get("false_alarm"), "sha256": cascade.sha256, "created": cascade.created,
            }
        )  # fmt: skip
    columns = ("name", "character", "stages", "weak", "size", "created")
    session.table("Cascades", columns, [[r[c] for c in columns] for r in rows])
    session.emit({"cascades": rows}, [f"{len(rows)} cascades"])


@app.command("show")
def show(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Name of a cascade, or an XML file.")]) -> None:
    """Show a cascade's card, and draw its first features."""
    from cascades.portrait import draw_features
    from cascades.registry import card_of, load_cascade
    from cascades.xml import read_xml
    from pipeline.core.files import write_bytes
    from pipeline.core.images import encode_png
    from pipeline.core.records import Cascade

    session = session_of(ctx)
    workspace = session.workspace()
    with workspace.writing("cascade show"):
        loaded = load_cascade(workspace, name)
        record = workspace.catalogue.get(Cascade, name)
        card = card_of(record) if record else {}
        model = read_xml(loaded.content, name)
        picture = workspace.reports / f"cascade-{record.id if record else loaded.character}-{loaded.digest[:8]}.png"
        write_bytes(picture, encode_png(draw_features(model, _mean_face(workspace, card))))
    xml = str(workspace.objects.path(loaded.digest, ".xml") if record else Path(name).absolute())
    result = {
        "name": record.id if record else "", "character": loaded.character, "sha256": loaded.digest, "xml": xml,
        "feature": model.kind.lower(), "size": [model.width, model.height], "stages": len(model.stages),
        "weak": sum(len(s.trees) for s in model.stages), "features": len(model.features), "picture": str(picture),
        "card": card,
    }  # fmt: skip
    session.table("", ("what", "value"), [*_facts({k: v for k, v in result.items() if k != "card"}), *_facts(card)])
    session.emit(result, [f"Features: {picture}", f"XML: {xml}"])


def detect(
    ctx: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    cascade: Annotated[
        list[str] | None, typer.Option("--cascade", help="Name or XML file; repeat it. Default: all of the workspace.")
    ] = None,
    min_face: MinFaceFlag = None,
) -> None:
    """Find faces on still images; nothing is stored."""
    from cascades.detect import Detector
    from cascades.registry import chosen_cascades
    from pipeline.core.errors import ImageError, UsageError
    from pipeline.core.images import read_rgb

    session = session_of(ctx)
    workspace = session.workspace()
    cascades = chosen_cascades(workspace, cascade or [])
    if not cascades:
        raise UsageError("nothing to look for: give --cascade NAME or FILE.xml, or fit one with `toonsift cascade fit`")
    detector = Detector(cascades, _detect_options(min_face))
    rows: list[dict[str, Any]] = []
    with session.progress.step("detect", len(images), "images") as step:
        for path in images:
            try:
                rows.append({"path": str(path), "faces": _faces(detector.find(read_rgb(path)))})
            except ImageError as error:
                session.warn(str(error))
                rows.append({"path": str(path), "faces": [], "error": str(error)})
            step.advance()
    columns = ("left", "top", "right", "bottom", "score", "character")
    session.table(
        "Faces", ("image", *columns), [(r["path"], *(f[c] for c in columns)) for r in rows for f in r["faces"]]
    )
    failed = sum("error" in r for r in rows)
    found = sum(len(r["faces"]) for r in rows)
    session.emit({"images": rows, "failed": failed}, [f"{found} faces on {len(rows) - failed} images, {failed} failed"])
    _exit_if(failed > 0)


def _faces(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom, "score": round(score, 3),
            "character": character,
        }
        for box, character, _, score in found
    ]  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    from pipeline.core.errors import UsageError

    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f"--size is WIDTHxHEIGHT in pixels, such as 24x24, got {text!r}")
    return int(width), int(height)


def _detect_options(min_face: int | None) -> Any:
    from cascades.detect import DetectOptions
    from pipeline.core.options import read_settings, resolve

    return resolve(DetectOptions, read_settings(Path()).get("detect", {}), {"min_face_px": min_face}, "detect")


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


def _keep_scores(workspace: "Workspace", name: str, truth: Path, result: dict[str, Any]) -> None:
    """Writes the scores into the card of a cascade of this workspace."""
    import dataclasses
    import json

    from cascades.registry import card_of
    from pipeline.core.records import Cascade

    if workspace.catalogue.get(Cascade, name) is None:
        return
    left_out = ("cascade", "rejected")
    scores = {key: value for key, value in result.items() if key not in left_out} | {"truth": truth.name}
    with workspace.writing("cascade evaluate"):
        record = workspace.catalogue.get(Cascade, name)
        if record is not None:
            card = json.dumps(card_of(record) | {"scores": scores}, ensure_ascii=False)
            workspace.catalogue.put([dataclasses.replace(record, card=card)])


def _mean_face(workspace: "Workspace", card: dict[str, Any]) -> Any:
    from pipeline.core.errors import ToonsiftError
    from pipeline.core.images import decode_rgb

    try:
        return decode_rgb(workspace.objects.read(str(card["mean_face"]), ".png"), "the mean face")[:, :, 0]
    except (KeyError, ToonsiftError):
        return None


def _facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Plain values as rows, one level deep; lists of rows and long texts are for --json."""
    rows = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += [(f"{key} {k}", str(v)) for k, v in value.items() if not isinstance(v, list | dict)]
        elif not (isinstance(value, list) and value and isinstance(value[0], dict)):
            rows.append((key, str(value)))
    return rows


def _exit_if(failed: bool) -> None:
    if failed:
        raise typer.Exit(1)
