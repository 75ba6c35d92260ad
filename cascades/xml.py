"""OpenCV's XML for a cascade: the format of opencv_traincascade, read by OpenCV 3, 4 and 5.

Reading trusts nothing: no entities, no sizes beyond reason, nothing that could send an evaluator astray. Numbers are
rounded to float32, as OpenCV does, so writing and reading changes no decision.
"""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from cascades.model import CascadeModel, HaarFeature, LbpFeature, Node, Rect, Stage, Tree
from pipeline.core.errors import CascadeError

MAX_BYTES = 32 * 1024 * 1024
"""of an XML; the largest that OpenCV ships has 3 MB"""
MAX_NODES = 2_000_000
"""XML elements in a file"""
MAX_SIDE = 256
"""pixels of a window's side"""

# ------------------------------------------------------------------------------------------------------- writing


def write_xml(model: CascadeModel) -> bytes:
    """The model as XML that `cv2.CascadeClassifier` loads; the same bytes for the same model."""
    categories = 256 if model.kind == "LBP" else 0
    mode = f"<mode>{model.mode}</mode>" if model.kind == "HAAR" else ""
    depth = max((len(t.nodes) for s in model.stages for t in s.trees), default=1)
    most = max((len(s.trees) for s in model.stages), default=0)
    lines = [
        '<?xml version="1.0"?>',
        "<opencv_storage>",
        "<cascade>",
        "  <stageType>BOOST</stageType>",
        f"  <featureType>{model.kind}</featureType>",
        f"  <height>{model.height}</height>",
        f"  <width>{model.width}</width>",
        f"  <stageParams><boostType>GAB</boostType><maxDepth>{depth}</maxDepth><maxWeakCount>{most}</maxWeakCount></stageParams>",
        f"  <featureParams><maxCatCount>{categories}</maxCatCount><featSize>1</featSize>{mode}</featureParams>",
        f"  <stageNum>{len(model.stages)}</stageNum>",
        "  <stages>",
    ]
    for stage in model.stages:
        lines += _stage_lines(stage)
    lines += ["  </stages>", "  <features>", *(_feature_line(f) for f in model.features), "  </features>"]
    if model.face != (0.0, 0.0, 1.0, 1.0):
        lines.append(f"  <face>{' '.join(map(_number, model.face))}</face>")
    lines += ["</cascade>", "</opencv_storage>", ""]
    return "\n".join(lines).encode("ascii")


def _stage_lines(stage: Stage) -> Iterator[str]:
    yield f"    <_><maxWeakCount>{len(stage.trees)}</maxWeakCount>"
    yield f"      <stageThreshold>{_number(stage.threshold)}</stageThreshold>"
    yield "      <weakClassifiers>"
    for tree in stage.trees:
        nodes = " ".join(
            " ".join(
                [
                    str(n.left),
                    str(n.right),
                    str(n.feature),
                    *(map(str, n.subset) if n.subset else [_number(n.threshold)]),
                ]
            )
            for n in tree.nodes
        )
        leaves = " ".join(map(_number, tree.leaves))
        yield f"        <_><internalNodes>{nodes}</internalNodes><leafValues>{leaves}</leafValues></_>"
    yield "      </weakClassifiers></_>"


def _feature_line(feature: HaarFeature | LbpFeature) -> str:
    if isinstance(feature, LbpFeature):
        return f"    <_><rect>{feature.x} {feature.y} {feature.width} {feature.height}</rect></_>"
    rects = "".join(f"<_>{r.x} {r.y} {r.width} {r.height} {_number(r.weight)}</_>" for r in feature.rects)
    return f"    <_><rects>{rects}</rects><tilted>{int(feature.tilted)}</tilted></_>"


def _number(value: float) -> str:
    """Nine significant digits: enough that every float32 comes back as itself."""
    text = f"{np.float32(value):.9g}"
    return (
        text if any(c in text for c in ".en") else text + "."
    )  # OpenCV reads "1." as a real number, "1" as an integer


# ------------------------------------------------------------------------------------------------------- reading


def read_xml(source: Path | bytes, name: str = "") -> CascadeModel:
    """The cascade in an XML file (or in its bytes), checked so that no evaluator can go wrong on it.

    Raises:
        CascadeError: missing, empty, too large, no XML, another document, the old format, or any part that is absent,
            not finite or out of range. The message names the file (`name` for bytes) and what to do.
    """
    name = name or (str(source) if isinstance(source, Path) else "the cascade")
    root = _parse(_content(source, name), name)
    try:
        return _model(root)
    except _Unfit as problem:
        raise CascadeError(
            f"{name}: {problem}; give a cascade XML as opencv_traincascade or `toonsift cascade fit` writes it"
        ) from None


class _Unfit(Exception):
    """What is wrong, without the file's name."""


def _content(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, Path):
        try:
            if source.stat().st_size > MAX_BYTES:
                raise CascadeError(
                    f"{name}: {source.stat().st_size:,} bytes are more than the {MAX_BYTES:,} allowed; is this a cascade?"
                )
            source = source.read_bytes()
        except OSError as error:
            raise CascadeError(
                f"{name}: cannot be read ({error.strerror or error}); check the path and its permissions"
            ) from error
    if len(source) > MAX_BYTES:
        raise CascadeError(f"{name}: {len(source):,} bytes are more than the {MAX_BYTES:,} allowed; is this a cascade?")
    if not source.strip():
        raise CascadeError(f"{name}: the file is empty; fit or copy the cascade again")
    return source


def _parse(content: bytes, name: str) -> Element:
    root: Element | None = None
    try:
        for count, (_, element) in enumerate(iterparse(io.BytesIO(content), events=("start",), forbid_dtd=True)):
            root = element if root is None else root
            if count > MAX_NODES:
                raise CascadeError(f"{name}: more than {MAX_NODES:,} XML elements; is this a cascade?")
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


def _model(root: Element) -> CascadeModel:
    if root.tag != "opencv_storage":
        raise _Unfit(f"the root is <{root.tag}>, expected <opencv_storage>")
    cascade = _cascade_of(root)
    kind = _text(cascade, "featureType", "<cascade>")
    if _text(cascade, "stageType", "<cascade>") != "BOOST":
        raise _Unfit(f"stageType is {_text(cascade, 'stageType', '<cascade>')!r}, only BOOST is known")
    if kind not in ("HAAR", "LBP"):
        raise _Unfit(f"featureType is {kind!r}, only HAAR and LBP can be evaluated")
    width, height = _integer(cascade, "width", "<cascade>"), _integer(cascade, "height", "<cascade>")
    if not (3 <= width <= MAX_SIDE and 3 <= height <= MAX_SIDE):
        raise _Unfit(f"the window is {width}x{height}, expected 3 to {MAX_SIDE} pixels a side")
    params = _child(cascade, "featureParams", "<cascade>")
    categories = _integer(params, "maxCatCount", "<featureParams>")
    if categories != (0 if kind == "HAAR" else 256):
        raise _Unfit(f"maxCatCount is {categories}, expected 0 for HAAR and 256 for LBP")
    read = _haar if kind == "HAAR" else _lbp
    features = tuple(read(e, i, width, height) for i, e in enumerate(_items(cascade, "features", "<cascade>")))
    stages = tuple(_stage(e, i, kind, len(features)) for i, e in enumerate(_items(cascade, "stages", "<cascade>")))
    mode = params.findtext("mode", "BASIC").strip()
    return CascadeModel(
        kind="HAAR" if kind == "HAAR" else "LBP",
        width=width,
        height=height,
        stages=stages,
        features=features,
        mode=mode if mode in ("BASIC", "CORE", "ALL") else "BASIC",
        face=_face(cascade),
    )


def _cascade_of(root: Element) -> Element:
    for child in root:
        if child.tag == "cascade" and "type_id" not in child.attrib:
            return child
        if child.attrib.get("type_id") in ("opencv-haar-classifier", "opencv-cascade-classifier"):
            if child.attrib["type_id"] == "opencv-cascade-classifier":
                return child
            raise _Unfit("this is the old format of OpenCV 2 (opencv-haar-classifier), which is not read; fit it anew")
        if child.find("stages") is not None and child.find("size") is not None:
            raise _Unfit("this is the old format of OpenCV 2 (opencv-haar-classifier), which is not read; fit it anew")
        if child.find("stages") is not None:
            return child
    raise _Unfit("there is no <cascade> in it")


def _stage(element: Element, index: int, kind: str, features: int) -> Stage:
    where = f"stage {index}"
    threshold = _finite(_text(element, "stageThreshold", where), f"{where}, stageThreshold")
    trees = tuple(
        _tree(e, f"{where}, tree {i}", kind, features) for i, e in enumerate(_items(element, "weakClassifiers", where))
    )
    return Stage(threshold=threshold, trees=trees)


def _tree(element: Element, where: str, kind: str, features: int) -> Tree:
    words = _text(element, "internalNodes", where).split()
    leaves = tuple(_finite(w, f"{where}, leafValues") for w in _text(element, "leafValues", where).split())
    per_node = 4 if kind == "HAAR" else 11
    if not words or len(words) % per_node:
        raise _Unfit(f"{where}: {len(words)} numbers in internalNodes, expected a multiple of {per_node}")
    count = len(words) // per_node
    if len(leaves) != count + 1:
        raise _Unfit(f"{where}: {len(leaves)} leaves for {count} nodes, expected {count + 1}")
    nodes = tuple(
        _node(words[i * per_node : (i + 1) * per_node], i, count, where, kind, features) for i in range(count)
    )
    return Tree(nodes=nodes, leaves=leaves)


def _node(words: list[str], index: int, count: int, where: str, kind: str, features: int) -> Node:
    left, right, feature = (_whole(w, f"{where}, internalNodes") for w in words[:3])
    if not 0 <= feature < features:
        raise _Unfit(f"{where}: feature {feature} of {features} does not exist")
    for child in (left, right):
        # children come after their parent, so that no walk can run in a circle
        if not (index < child < count if child > 0 else -child <= count):
            raise _Unfit(f"{where}: node {index} leads to {child}, which is no later node and no leaf")
    if kind == "HAAR":
        return Node(left, right, feature, threshold=_finite(words[3], f"{where}, threshold"))
    subset = tuple(_whole(w, f"{where}, subset") for w in words[3:])
    if any(not -(2**31) <= word < 2**31 for word in subset):
        raise _Unfit(f"{where}: a subset word is no signed 32-bit number")
    return Node(left, right, feature, subset=subset)


def _haar(element: Element, index: int, width: int, height: int) -> HaarFeature:
    where = f"feature {index}"
    tilted = element.findtext("tilted", "0").strip() not in ("", "0")
    rects = []
    for item in _items(element, "rects", where):
        words = (item.text or "").split()
        if len(words) != 5:
            raise _Unfit(f"{where}: a rectangle of {len(words)} numbers, expected x y width height weight")
        x, y, w, h = (_whole(word, where) for word in words[:4])
        rects.append(Rect(x, y, w, h, _finite(words[4], f"{where}, weight")))
        _check_rect(rects[-1], where, width, height, tilted)
    if not 1 <= len(rects) <= 3:
        raise _Unfit(f"{where}: {len(rects)} rectangles, expected 2 or 3")
    return HaarFeature(tuple(rects), tilted)


def _check_rect(r: Rect, where: str, width: int, height: int, tilted: bool) -> None:
    fits = (
        r.x >= 0 and r.y >= 0 and r.width > 0 and r.height > 0 and r.x + r.width <= width and r.y + r.height <= height
    )
    if tilted:  # its corners: (x, y), (x - h, y + h), (x + w, y + w), (x + w - h, y + w + h)
        fits = fits and r.x - r.height >= 0 and r.y + r.width + r.height <= height
    if not fits:
        raise _Unfit(f"{where}: the rectangle {r.x} {r.y} {r.width} {r.height} leaves the {width}x{height} window")


def _lbp(element: Element, index: int, width: int, height: int) -> LbpFeature:
    where = f"feature {index}"
    words = _text(element, "rect", where).split()
    if len(words) != 4:
        raise _Unfit(f"{where}: a block of {len(words)} numbers, expected x y width height")
    x, y, w, h = (_whole(word, where) for word in words)
    if x < 0 or y < 0 or w <= 0 or h <= 0 or x + 3 * w > width or y + 3 * h > height:
        raise _Unfit(f"{where}: 3x3 blocks of {x} {y} {w} {h} leave the {width}x{height} window")
    return LbpFeature(x, y, w, h)


def _face(cascade: Element) -> tuple[float, float, float, float]:
    text = cascade.findtext("face")
    if text is None:
        return (0.0, 0.0, 1.0, 1.0)
    parts = [_finite(w, "<face>") for w in text.split()]
    if len(parts) != 4 or not (0 <= parts[0] < parts[2] <= 1 and 0 <= parts[1] < parts[3] <= 1):
        raise _Unfit(f"<face> is {text.strip()!r}, expected left top right bottom as fractions of the window")
    return (parts[0], parts[1], parts[2], parts[3])


def _child(parent: Element, tag: str, where: str) -> Element:
    found = parent.find(tag)
    if found is None:
        raise _Unfit(f"{where} has no <{tag}>")
    return found


def _items(parent: Element, tag: str, where: str) -> list[Element]:
    items = _child(parent, tag, where).findall("_")
    if not items:
        raise _Unfit(f"{where} has an empty <{tag}>")
    return items


def _text(parent: Element, tag: str, where: str) -> str:
    return (_child(parent, tag, where).text or "").strip()


def _integer(parent: Element, tag: str, where: str) -> int:
    return _whole(_text(parent, tag, where), f"{where}, {tag}")


def _whole(word: str, where: str) -> int:
    try:
        number = float(word)
    except ValueError:
        raise _Unfit(f"{where}: {word[:40]!r} is no number") from None
    if not math.isfinite(number) or number != int(number):
        raise _Unfit(f"{where}: {word[:40]!r} is no whole number")
    return int(number)


def _finite(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise _Unfit(f"{where}: {word[:40]!r} is no number") from None
    with np.errstate(over="ignore"):
        rounded = float(np.float32(number))
    if not math.isfinite(rounded):
        raise _Unfit(f"{where}: {word[:40]!r} is not a finite number")
    return rounded
