"""Pictures of a cascade: what it finds, misses and takes for a face, and the features that it looks at."""

from dataclasses import dataclass

from pipeline.core.errors import ToonsiftError
from pipeline.core.images import decode_rgb
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole
from pipeline.report.thumbnails import Gallery, Picture

EXAMPLES_SHOWN = 12
"""of a kind"""
PORTRAIT_PIXELS = 640
"""width of the picture of the features"""
KINDS = {
    "false_positive": "What it takes for a face, the surest first",
    "miss": "Faces that it misses, the largest first",
    "find": "Faces that it finds, from the surest to the least sure",
}
"""kind of an example -> heading"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleView:
    """One example."""

    picture: Picture | None
    """with its surroundings; None when its file is gone, or the page has no room left"""
    mark: tuple[float, float, float, float]
    """left, top, width and height of the box, as percent of the picture"""
    title: str
    """where and when, for the tooltip and for those who cannot see it"""
    timecode: str
    """`H:MM:SS.mmm` in its episode, or the picture's name"""
    score: str
    """empty for a miss"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRow:
    """Examples of one kind."""

    kind: str
    """`find`, `miss` or `false_positive`"""
    title: str
    """heading"""
    examples: tuple[ExampleView, ...]
    """at most EXAMPLES_SHOWN"""


def example_rows(workspace: Workspace, gallery: Gallery, card: Document) -> tuple[ExampleRow, ...]:
    """The examples that a card lists, by kind."""
    listed = [as_object(row) for row in as_list(card.get("examples"))]
    rows = []
    for kind, title in KINDS.items():
        of_kind = [row for row in listed if row.get("kind") == kind][:EXAMPLES_SHOWN]
        if of_kind:
            views = tuple(_view(workspace, gallery, row) for row in of_kind)
            rows.append(ExampleRow(kind=kind, title=title, examples=views))
    return tuple(rows)


def portrait(workspace: Workspace, gallery: Gallery, cascade: Cascade, card: Document) -> Picture | None:
    """The cascade's first features over the mean face; None where its XML is gone or has a kind that is not drawn."""
    from cascades.portrait import draw_features
    from cascades.xml import read_xml

    if not workspace.objects.path(cascade.sha256, ".xml").is_file():
        return None
    try:
        model = read_xml(workspace.objects.read(cascade.sha256, ".xml"), cascade.id)
        mean = None
        digest = as_text(card.get("mean_face"))
        if digest and workspace.objects.path(digest, ".png").is_file():
            mean = decode_rgb(workspace.objects.read(digest, ".png"), "the mean face")[:, :, 0]
        drawn = draw_features(model, mean)
        tall = drawn.shape[0] / drawn.shape[1]
        return gallery.of_image(drawn, round(PORTRAIT_PIXELS * min(max(tall, 1.0), 4.0)))
    except (ToonsiftError, OSError, ValueError, IndexError):
        return None


def _view(workspace: Workspace, gallery: Gallery, row: Document) -> ExampleView:
    shares = [as_number(value) for value in as_list(row.get("inner"))]
    left, top, right, bottom = (
        (min(max(share, 0.0), 1.0) for share in shares if share is not None)
        if len(shares) == 4 and None not in shares
        else (0.0, 0.0, 1.0, 1.0)
    )
    name, timecode = wording.shortened(as_text(row.get("picture")), 60), as_text(row.get("timecode"))[:20]
    score = as_number(row.get("score"))
    said = "" if score is None else f"{score:.1f}"
    size = as_whole(row.get("size_px"))
    place = f"{name} at {timecode}" if timecode else name
    words = (place, f"{size} px" if size else "", f"score {said}" if said else "")
    return ExampleView(
        picture=gallery.of_stored(workspace.objects, as_text(row.get("sha256")), 160),
        mark=_rounded(100 * left, 100 * top, 100 * max(right - left, 0.01), 100 * max(bottom - top, 0.01)),
        title=", ".join(word for word in words if word),
        timecode=timecode or name,
        score=said,
    )


def _rounded(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Rounded to a tenth of a percent."""
    return round(left, 1), round(top, 1), round(width, 1), round(height, 1)
