"""The labelling interface of each kind of project, as Label Studio's XML. The same lists give the same text."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from annotate.options import Kind
from pipeline.core.records import NOT_A_FACE, UNSURE

NUMBERS = "1234567890"
LETTERS = "qwertyiopasfgjklcvbnm"
"""hotkeys of characters; d, h and u mean something to Label Studio"""
RESERVED = ((NOT_A_FACE, "x"), (UNSURE, "z"))
"""answers that every list has, with their hotkeys"""
SOMEONE = "someone_else"
"""a face that is none of the characters'"""
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#000075", "#f032e6")


def interface_of(kind: Kind, emotions: Sequence[str], characters: Sequence[str]) -> str:
    """The configuration of a project.

    Args:
        kind: which project.
        emotions: classes; `not_a_face` and `unsure` are added.
        characters: whom annotators may name; `someone_else` is added.
    """
    if kind is Kind.faces:
        return _faces(characters)
    picture = "face" if kind is Kind.emotions else "sheet"
    beside = _picture("context", "context") if kind is Kind.emotions else ""
    return (
        f'<View><View style="display:flex;gap:1em">{_picture(picture, "image")}{beside}</View>'
        f'<Text name="where" value="$where"/>'
        f"{_choices('emotion', picture, emotions, NUMBERS, RESERVED, required=True)}"
        f"{_choices('character', picture, [*characters, SOMEONE], LETTERS, (), required=False)}</View>"
    )


def _picture(name: str, key: str) -> str:
    image = (
        f'<Image name="{name}" value="${key}" zoom="true" zoomControl="false" rotateControl="false" defaultZoom="fit"/>'
    )
    return f'<View style="flex:1 1 50%;min-width:0">{image}</View>'


def _choices(
    name: str, about: str, values: Sequence[str], keys: str, more: Sequence[tuple[str, str]], *, required: bool
) -> str:
    hotkeys = dict(zip(values, keys, strict=False)) | dict(more)
    rows = "".join(
        f"<Choice value={quoteattr(value)}{_hotkey(hotkeys.get(value))}/>" for value in [*values, *dict(more)]
    )
    must = ' required="true" requiredMessage="Choose an emotion, or skip"' if required else ""
    return f'<Choices name="{name}" toName="{about}" choice="single-radio" showInline="true"{must}>{rows}</Choices>'


def _faces(characters: Sequence[str]) -> str:
    rows = "".join(
        f'<Label value={quoteattr(name)}{_hotkey(key)} background="{COLOURS[i % len(COLOURS)]}"/>'
        for i, (name, key) in enumerate(zip([*characters, SOMEONE], [*NUMBERS, *LETTERS], strict=False))
    )
    return (
        '<View><Header value="Draw a box around every face; delete boxes that hold none"/><Text name="where" value="$where"/>'
        f'<RectangleLabels name="face" toName="frame" strokeWidth="2" canRotate="false">{rows}</RectangleLabels>'
        '<Image name="frame" value="$image" zoom="true" zoomControl="true" rotateControl="false" defaultZoom="fit"/></View>'
    )


def _hotkey(key: str | None) -> str:
    return f' hotkey="{key}"' if key else ""
