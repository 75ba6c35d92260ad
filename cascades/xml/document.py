"""What both formats share: a document from bytes that nobody vouches for, and elements and numbers out of it."""

import io
import math
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from cascades.model import HaarFeature, Rect
from pipeline.core.errors import CascadeError

MAX_BYTES = 32 * 1024 * 1024
"""of an XML; the largest that OpenCV ships has 3 MB"""
MAX_NODES = 500_000
"""XML elements in a file"""
MAX_DEPTH = 16
"""elements within elements; the old format has 10"""
MAX_SIDE = 256
"""pixels of a window's side; a sum of squares over more may pass the 32 bits that OpenCV keeps it in"""
LONGEST_NUMBER = 64
"""characters; longer ones would only cost time"""
DROPPED_WEIGHT = float(np.finfo(np.float32).eps)
"""a third rectangle of less weight is lost when OpenCV converts the old format"""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Unfit(Exception):
    """What is wrong, without the file's name."""


def content_of(source: Path | bytes, name: str) -> bytes:
    """The bytes of a file, or the bytes given, when they are not too many."""
    if isinstance(source, Path):
        try:
            if source.stat().st_size > MAX_BYTES:
                raise CascadeError(_too_large(name, source.stat().st_size))
            source = source.read_bytes()
        except OSError as error:
            raise CascadeError(
                f"{name}: cannot be read ({error.strerror or error}); check the path and its permissions"
            ) from error
    if len(source) > MAX_BYTES:
        raise CascadeError(_too_large(name, len(source)))
    if not source.strip():
        raise CascadeError(f"{name}: the file is empty; fit or copy the cascade again")
    if source.startswith(b"\x1f\x8b"):
        raise CascadeError(f"{name}: the file is compressed with gzip; unpack it first (gunzip)")
    return source


def _too_large(name: str, size: int) -> str:
    return f"{name}: {size:,} bytes are more than the {MAX_BYTES:,} allowed; is this a cascade?"


class _Slabs(io.BytesIO):
    """Gives the parser 1 MiB at a time: it scans an unfinished tag anew with every piece, so small ones take forever."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 << 20)


def parse(content: bytes, name: str) -> Element:
    """The root element; no DTD, no entities, neither too many elements nor too deep."""
    root: Element | None = None
    count = depth = 0
    try:
        for event, element in iterparse(_Slabs(content), events=("start", "end"), forbid_dtd=True):
            root = element if root is None else root
            count, depth = (count + 1, depth + 1) if event == "start" else (count, depth - 1)
            if count > MAX_NODES:
                raise CascadeError(f"{name}: more than {MAX_NODES:,} XML elements; is this a cascade?")
            if depth > MAX_DEPTH:
                raise CascadeError(f"{name}: XML elements nested deeper than {MAX_DEPTH}; is this a cascade?")
    except DefusedXmlException:
        raise CascadeError(
            f"{name}: declares a DTD or entities, which no cascade needs and which is refused; remove them"
        ) from None
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise CascadeError(
            f"{name}: not well-formed XML ({error}); the file is damaged or no XML, fit or copy it again"
        ) from None
    assert root is not None  # an empty document is a ParseError
    return root


# ------------------------------------------------------------------------------------------------------ elements


def child(parent: Element, tag: str, where: str) -> Element:
    """The one child of that name. Raises Unfit for none, and for several: readers would differ on which counts."""
    found = optional(parent, tag, where)
    if found is None:
        raise Unfit(f"{where} has no <{tag}>")
    return found


def optional(parent: Element, tag: str, where: str) -> Element | None:
    """The one child of that name, or None."""
    found = parent.findall(tag)
    if len(found) > 1:
        raise Unfit(f"{where} has <{tag}> {len(found)} times")
    return found[0] if found else None


def items(parent: Element, tag: str, where: str) -> list[Element]:
    """The entries of a list, of which there must be one."""
    return entries(child(parent, tag, where), f"{where} has an empty <{tag}>")


def entries(parent: Element, if_none: str) -> list[Element]:
    """The entries right below an element."""
    found = parent.findall("_")
    if not found:
        raise Unfit(if_none)
    return found


def words(parent: Element, tag: str, where: str) -> list[str]:
    """The text of a child, split at blanks."""
    return text(parent, tag, where).split()


def text(parent: Element, tag: str, where: str) -> str:
    """The text of a child."""
    return (child(parent, tag, where).text or "").strip()


def integer(parent: Element, tag: str, where: str) -> int:
    """The whole number in a child."""
    return whole(text(parent, tag, where), f"{where}, {tag}")


def shown(what: str) -> str:
    """Text of the file as a message may quote it."""
    return repr(what[:40])


def whole(word: str, where: str) -> int:
    """A whole number; `1.` is one."""
    number = _real(word, where)
    if not math.isfinite(number) or number != int(number):
        raise Unfit(f"{where}: {shown(word)} is no whole number")
    if abs(number) >= 2**32:
        raise Unfit(f"{where}: {shown(word)} is out of range")
    return int(number)


def finite(word: str, where: str) -> float:
    """A number rounded to float32, as OpenCV does."""
    number = _real(word, where)
    with np.errstate(over="ignore"):
        rounded = float(np.float32(number))
    if not math.isfinite(rounded):
        raise Unfit(f"{where}: {shown(word)} is not a finite number")
    return rounded


def _real(word: str, where: str) -> float:
    if len(word) > LONGEST_NUMBER:
        raise Unfit(f"{where}: {shown(word)}... is no number")
    if word.lower().lstrip("+-.") in ("nan", "inf", "infinity"):
        raise Unfit(f"{where}: {shown(word)} is not a finite number")
    if not _NUMBER.fullmatch(word):  # float() takes more: 1_000, other scripts' digits
        raise Unfit(f"{where}: {shown(word)} is no number")
    return float(word)


# -------------------------------------------------------------------------------------------------- shared parts


def check_window(width: int, height: int) -> None:
    """Raises Unfit for a window that cannot be evaluated."""
    if not (3 <= width <= MAX_SIDE and 3 <= height <= MAX_SIDE):
        raise Unfit(f"the window is {width}x{height}, expected 3 to {MAX_SIDE} pixels a side")


def haar_feature(element: Element, where: str, width: int, height: int) -> HaarFeature:
    """`<rects>` and `<tilted>`, checked to lie in the window."""
    leaning = optional(element, "tilted", where)
    tilted = leaning is not None and whole((leaning.text or "0").strip() or "0", f"{where}, tilted") != 0
    rects = []
    for item in items(element, "rects", where):
        numbers = (item.text or "").split()
        if len(numbers) != 5:
            raise Unfit(f"{where}: a rectangle of {len(numbers)} numbers, expected x y width height weight")
        x, y, w, h = (whole(number, where) for number in numbers[:4])
        rects.append(Rect(x, y, w, h, finite(numbers[4], f"{where}, weight")))
        _check_rect(rects[-1], where, width, height, tilted)
    if len(rects) > 3:
        raise Unfit(f"{where}: {len(rects)} rectangles, expected 2 or 3")
    return HaarFeature(tuple(rects), tilted)


def _check_rect(r: Rect, where: str, width: int, height: int, tilted: bool) -> None:
    fits = (
        r.x >= 0 and r.y >= 0 and r.width > 0 and r.height > 0 and r.x + r.width <= width and r.y + r.height <= height
    )
    if tilted:  # its corners: (x, y), (x - h, y + h), (x + w, y + w), (x + w - h, y + w + h)
        fits = fits and r.x - r.height >= 0 and r.y + r.width + r.height <= height
    if not fits:
        raise Unfit(f"{where}: the rectangle {r.x} {r.y} {r.width} {r.height} leaves the {width}x{height} window")


def face_of(cascade: Element) -> tuple[float, float, float, float]:
    """Where the face lies in the window: an element of ours that OpenCV passes over."""
    element = optional(cascade, "face", "<cascade>")
    if element is None:
        return (0.0, 0.0, 1.0, 1.0)
    given = (element.text or "").strip()
    parts = [finite(word, "<face>") for word in given.split()]
    if len(parts) != 4 or not (0 <= parts[0] < parts[2] <= 1 and 0 <= parts[1] < parts[3] <= 1):
        raise Unfit(f"<face> is {shown(given)}, expected left top right bottom as fractions of the window")
    return (parts[0], parts[1], parts[2], parts[3])


# ------------------------------------------------------------------------------------------------------- writing


def number(value: float) -> str:
    """Nine significant digits: enough that every float32 comes back as itself."""
    digits = f"{np.float32(value):.9g}"
    # OpenCV reads "1." as a real number, "1" as an integer
    return digits if any(c in digits for c in ".en") else digits + "."


def face_line(face: tuple[float, float, float, float]) -> list[str]:
    """The element that `face_of` reads; none where the face fills the window."""
    return [] if face == (0.0, 0.0, 1.0, 1.0) else [f"  <face>{' '.join(map(number, face))}</face>"]


def rects_element(feature: HaarFeature) -> str:
    """The element that `haar_feature` reads, without what is around it."""
    rects = "".join(f"<_>{r.x} {r.y} {r.width} {r.height} {number(r.weight)}</_>" for r in feature.rects)
    return f"<rects>{rects}</rects><tilted>{int(feature.tilted)}</tilted>"
