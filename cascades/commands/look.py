"""`toonsift cascade list` and `show`: what there is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from pipeline.core.workspace import Workspace


def list_(ctx: typer.Context) -> None:
    """List the cascades of the workspace."""
    from cascades.registry import card_of, named_cascades

    session = session_of(ctx)
    rows: list[dict[str, Any]] = []
    for cascade in named_cascades(session.workspace()):
        card = card_of(cascade)
        stages = card.get("stages") or []
        size = card.get("size") or (card.get("options") or {}).get("size") or [0, 0]
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
        write_bytes(
            picture, encode_png(draw_features(model, _mean_face(workspace, card), stages=card.get("stages") or ()))
        )
    xml = str(workspace.objects.path(loaded.digest, ".xml") if record else Path(name).absolute())
    result = {
        "name": record.id if record else "", "character": loaded.character, "sha256": loaded.digest, "xml": xml,
        "feature": model.kind.lower(), "size": [model.width, model.height], "stages": len(model.stages),
        "weak": sum(len(s.trees) for s in model.stages), "features": len(model.features), "picture": str(picture),
        "card": card,
    }  # fmt: skip
    session.table("", ("what", "value"), [*_facts({k: v for k, v in result.items() if k != "card"}), *_facts(card)])
    session.emit(result, [f"Features: {picture}", f"XML: {xml}"])


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
