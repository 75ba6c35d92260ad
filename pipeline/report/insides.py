"""What `explain` found in a run: where the net looks, which classes it confuses, which labels are doubtful."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.files import inside
from pipeline.report import wording
from pipeline.report.documents import Document, as_list, as_number, as_object, as_text, as_whole, read_document
from pipeline.report.thumbnails import Gallery, Picture

DOCUMENT = "explain/explain.json"
SHEETS_SHOWN, PAIRS_SHOWN, SUSPECTS_SHOWN = 30, 10, 20
SHEET_PIXELS = 720
FEW_RIGHT = 0.7
"""share right, below which a model's doubts about labels say little"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetView:
    """A Grad-CAM sheet of one class."""

    name: str
    """the class"""
    picture: Picture | None
    """None when its file is gone, or the page is full"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """Two classes taken for one another."""

    first: str
    second: str
    there: int
    """examples of the first taken for the second"""
    back: int
    """and the other way"""
    share: float
    """of the two classes' examples"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectView:
    """A doubtful label."""

    crop: str
    priority: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideSection:
    """What the page shows of it."""

    layer: str
    """whose maps are shown; empty when nobody looked"""
    sheets: tuple[SheetView, ...]
    """in the order of the classes"""
    pairs: tuple[PairView, ...]
    """most mistakes first"""
    pairs_total: int
    suspects: tuple[SuspectView, ...]
    """the most doubtful first"""
    suspects_total: int
    judged: str
    """which labels were judged, and by what"""
    trouble: str
    """why it cannot be shown; empty otherwise"""


NOTHING = InsideSection(
    layer="", sheets=(), pairs=(), pairs_total=0, suspects=(), suspects_total=0, judged="", trouble=""
)


def inside_section(folder: Path, gallery: Gallery) -> InsideSection:
    """What lies in the run's folder; nothing where `explain` has not been called."""
    if not (folder / DOCUMENT).is_file():
        return NOTHING
    try:
        found = read_document(inside(folder, DOCUMENT))
    except InputError as error:
        return InsideSection(
            layer="", sheets=(), pairs=(), pairs_total=0, suspects=(), suspects_total=0, judged="", trouble=str(error)
        )
    pairs, suspects = as_list(found.get("confused_pairs")), as_list(found.get("suspects"))
    return InsideSection(
        layer=as_text(found.get("layer")),
        sheets=tuple(_sheet(folder, as_object(one), gallery) for one in as_list(found.get("sheets"))[:SHEETS_SHOWN]),
        pairs=tuple(_pair(as_object(one)) for one in pairs[:PAIRS_SHOWN]),
        pairs_total=len(pairs),
        suspects=tuple(_suspect(as_object(one)) for one in suspects[:SUSPECTS_SHOWN]),
        suspects_total=len(suspects),
        judged=_judged(as_object(found.get("judged"))),
        trouble="",
    )


def _judged(found: Document) -> str:
    accuracy = as_number(found.get("accuracy"))
    said = f"{as_whole(found.get('examples')):,} labels judged: {as_text(found.get('how'))}"
    if accuracy is None:
        return said
    warning = "; at that, most doubts are its own" if accuracy < FEW_RIGHT else ""
    return f"{said}, which agrees with {wording.percent(accuracy, 0)} of them{warning}"


def _sheet(folder: Path, found: Document, gallery: Gallery) -> SheetView:
    picture = None
    try:
        picture = gallery.of_file(inside(folder / "explain", as_text(found.get("file")) or "none"), SHEET_PIXELS)
    except InputError as error:
        gallery.missing.append(str(error))
    return SheetView(name=as_text(found.get("class")), picture=picture)


def _pair(found: Document) -> PairView:
    first, second = ([*(as_text(name) for name in as_list(found.get("classes"))), "", ""])[:2]
    return PairView(
        first=first,
        second=second,
        there=as_whole(found.get("first_as_second")),
        back=as_whole(found.get("second_as_first")),
        share=min(1.0, max(0.0, as_number(found.get("share")) or 0.0)),
    )


def _suspect(found: Document) -> SuspectView:
    return SuspectView(
        crop=as_text(found.get("crop")),
        priority=min(1.0, max(0.0, as_number(found.get("priority")) or 0.0)),
        reason=as_text(found.get("reason")),
    )
