"""`toonsift detect`: faces on still images."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.console import session_of


def detect(
    ctx: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    cascade: Annotated[
        list[str] | None, typer.Option("--cascade", help="Name or XML file; repeat it. Default: all of the workspace.")
    ] = None,
    wanted_precision: Annotated[
        float | None,
        typer.Option("--wanted-precision", help="Faces need the score that `cascade evaluate` chose for it."),
    ] = None,
    grouping: Annotated[
        str | None, typer.Option("--grouping", help="score, or opencv: what detectMultiScale gives.")
    ] = None,
    min_face: Annotated[
        int | None, typer.Option("--min-face", help="Longer side of the smallest face, pixels.")
    ] = None,
) -> None:
    """Find faces on still images; nothing is stored."""
    from cascades.detect import Detector
    from cascades.registry import chosen_cascades
    from pipeline.core.errors import ImageError, UsageError
    from pipeline.core.images import read_rgb

    session = session_of(ctx)
    workspace = session.workspace()
    cascades = chosen_cascades(workspace, cascade or [], wanted_precision)
    if not cascades:
        raise UsageError("nothing to look for: give --cascade NAME or FILE.xml, or fit one with `toonsift cascade fit`")
    detector = Detector(cascades, _detect_options({"min_face_px": min_face, "grouping": grouping}))
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
    if failed:
        raise typer.Exit(1)


def _faces(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom, "score": round(score, 3),
            "character": character,
        }
        for box, character, _, score in found
    ]  # fmt: skip


def _detect_options(flags: dict[str, Any]) -> Any:
    from cascades.looked_for import DetectOptions
    from pipeline.core.options import read_settings, resolve

    return resolve(DetectOptions, read_settings(Path()).get("detect", {}), flags, "detect")
