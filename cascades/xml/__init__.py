"""OpenCV's XML for a cascade: the format of opencv_traincascade, read by OpenCV 3, 4 and 5, and the old one before it.

Reading trusts nothing: no entities, no sizes beyond reason, nothing that could send an evaluator astray. Numbers are
rounded to float32, as OpenCV does, so writing and reading changes no decision.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from cascades.model import CascadeModel
from cascades.xml.document import MAX_BYTES, MAX_SIDE, Unfit, content_of, parse
from cascades.xml.new_format import new_lines, read_new
from cascades.xml.old_format import old_lines, read_old
from pipeline.core.errors import CascadeError

__all__ = ["MAX_BYTES", "MAX_SIDE", "read_xml", "write_old_xml", "write_xml"]

_OLD, _NEW = "opencv-haar-classifier", "opencv-cascade-classifier"


def write_xml(model: CascadeModel) -> bytes:
    """The model as XML that `cv2.CascadeClassifier` loads; the same bytes for the same model."""
    return "\n".join(new_lines(model)).encode("ascii")


def write_old_xml(model: CascadeModel) -> bytes:
    """The model in the format of OpenCV 2, which CUDA's classifier and old tools want; `cv2` decides the same with it.

    Raises:
        CascadeError: an LBP cascade: the old format knows Haar features only.
    """
    return "\n".join(old_lines(model)).encode("ascii")


def read_xml(source: Path | bytes, name: str = "") -> CascadeModel:
    """The cascade in an XML file of either format (or in its bytes), checked so that no evaluator can go wrong on it.

    Raises:
        CascadeError: missing, empty, too large, no XML, another document, or any part that is absent, not finite or
            out of range. The message names the file (`name` for bytes) and what to do.
    """
    name = name or (str(source) if isinstance(source, Path) else "the cascade")
    root = parse(content_of(source, name), name)
    try:
        return _model(root)
    except Unfit as problem:
        raise CascadeError(
            f"{name}: {problem}; give a cascade XML as opencv_traincascade or `toonsift cascade fit` writes it"
        ) from None


def _model(root: Element) -> CascadeModel:
    if root.tag != "opencv_storage":
        raise Unfit(f"the root is <{root.tag[:40]}>, expected <opencv_storage>")
    for child in root:
        kind = child.attrib.get("type_id", "")
        if kind == _OLD or (kind != _NEW and child.find("stages") is not None and child.find("size") is not None):
            return read_old(child)
        if child.tag == "cascade" or kind == _NEW or child.find("stages") is not None:
            return read_new(child)
    raise Unfit("there is no <cascade> in it")
