"""`toonsift cascade export`: a cascade for OpenCV of any age, for OpenMV, or as JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from cascades.model import CascadeModel

ENDINGS = {"opencv": ".xml", "opencv-old": "-old.xml", "json": ".json", "openmv": ".cascade"}
"""formats, and what a file of each is called after the cascade's name"""


def export(
    ctx: typer.Context,
    cascade: Annotated[str, typer.Argument(help="Name or XML file.")],
    format_: Annotated[str, typer.Option("--format", help="opencv, opencv-old, json or openmv.")] = "opencv",
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it; default: NAME with an ending.")] = None,
) -> None:
    """Write a cascade for another program: OpenCV 3 to 5, OpenCV 2 and CUDA (opencv-old), OpenMV, or JSON."""
    from cascades.formats.card import write_card
    from cascades.registry import card_of, load_cascade
    from cascades.xml import read_xml
    from pipeline.core.errors import UsageError
    from pipeline.core.files import write_bytes
    from pipeline.core.records import Cascade

    if format_ not in ENDINGS:
        raise UsageError(f"--format must be one of {', '.join(ENDINGS)}, got {format_!r}")
    session = session_of(ctx)
    workspace = session.workspace()
    loaded = load_cascade(workspace, cascade)
    record = workspace.catalogue.get(Cascade, cascade)
    model = read_xml(loaded.content, cascade)
    name = record.id if record else Path(cascade).stem
    path = out if out is not None else Path(f"{name}{ENDINGS[format_]}")
    if record is None and path.exists() and path.samefile(cascade):
        raise UsageError(f"{path} is the file to be exported; give another one with --out")
    content = _writers()[format_](model)
    write_bytes(path, content)
    result = {"cascade": cascade, "format": format_, "path": str(path.absolute()), "bytes": len(content)}
    if record is not None:
        result["card"] = str(write_card(path, name, card_of(record)).absolute())
    session.emit(result, [f"{path} ({len(content):,} bytes)", *([f"Card: {result['card']}"] if record else [])])


def _writers() -> "dict[str, Callable[[CascadeModel], bytes]]":
    from cascades.formats.json_format import write_json_model
    from cascades.formats.openmv import write_openmv
    from cascades.xml import write_old_xml, write_xml

    return {"opencv": write_xml, "opencv-old": write_old_xml, "json": write_json_model, "openmv": write_openmv}
