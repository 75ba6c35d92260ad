"""Pictures from outside -> examples: every one decoded, hashed and checked; what cannot be used is named."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.core.errors import ImageError, InputError
from pipeline.core.images import decode_rgb
from pipeline.core.manifest import Example, as_example
from pipeline.core.places import Box
from pipeline.core.workspace import checked_name
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Origin, Picture, Rejected
from pipeline.datasets.versions import write_new

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""what an example may be called: it becomes a file name"""
MAGIC = ((b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"RIFF", ".webp"), (b"BM", ".bmp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is seen of a picture when it is decoded."""

    phash: str
    """64-bit pHash, hexadecimal"""
    look: str
    """the small picture of the second check"""
    width: int
    """pixels"""
    height: int
    """pixels"""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """Everything that was read."""

    pictures: list[tuple[Picture, str, Looks]] = field(default_factory=list)
    """those that can be used, each with its SHA-256; its bytes lie in the spool"""
    rejected: list[Rejected] = field(default_factory=list)
    """the others"""
    origin: dict[str, Any] = field(default_factory=dict)
    """the manifest, where toonsift wrote the data set"""


def gather(
    found: Iterable[Found], spool: Path, see: Callable[[bytes, str], Looks], tick: Callable[[], None]
) -> Gathered:
    """Reads everything, each picture decoded once by `see` and put into the folder `spool` under its SHA-256."""
    gathered = Gathered()
    stored: set[str] = set()
    for one in found:
        tick()
        if isinstance(one, Origin):
            gathered.origin = one.document
        elif isinstance(one, Rejected):
            gathered.rejected.append(one)
        else:
            try:
                picture = _checked(one)
                looks = see(picture.content, picture.source)
            except (InputError, ImageError) as error:
                gathered.rejected.append(Rejected(source=one.source, reason=str(error)))
                continue
            digest = hashlib.sha256(picture.content).hexdigest()
            if picture.row.get("sha256", digest) != digest:
                gathered.rejected.append(Rejected(source=one.source, reason="differs from what was exported"))
                continue
            if digest not in stored:
                write_new(str(spool / digest), picture.content)
                stored.add(digest)
            gathered.pictures.append((_without_content(picture), digest, looks))
    _reject_same_class_twice(gathered)
    _reject_contradictions(gathered)
    _reject_without_split(gathered)
    return gathered


def looks_of(content: bytes, name: str, hashes: tuple[Callable[[Any], str], Callable[[Any], str]]) -> Looks:
    """Decodes a picture and hashes it. Raises ImageError."""
    image_HW3 = decode_rgb(content, name)
    return Looks(
        phash=hashes[0](image_HW3), look=hashes[1](image_HW3), width=image_HW3.shape[1], height=image_HW3.shape[0]
    )


def examples_of(gathered: Gathered, split_of: Callable[[str, Picture], str]) -> tuple[list[Example], tuple[str, ...]]:
    """The examples, sorted by id, and their classes. `split_of` says the split of an id."""
    labels = {picture.label for picture, _, _ in gathered.pictures}
    known = gathered.origin.get("classes")
    classes = tuple(sorted(labels))
    if isinstance(known, list) and labels <= {name for name in known if isinstance(name, str)}:
        classes = tuple(str(name) for name in known)
    examples = [
        _example(id, picture, digest, looks, classes, split_of(id, picture))
        for id, (picture, digest, looks) in identified(gathered).items()
    ]
    return sorted(examples, key=lambda e: e.id), classes


def identified(gathered: Gathered) -> dict[str, tuple[Picture, str, Looks]]:
    """The pictures by id: their own where toonsift wrote them, else by content; a repeat gets a number."""
    named: dict[str, tuple[Picture, str, Looks]] = {}
    taken: set[str] = set()
    for picture, digest, looks in sorted(gathered.pictures, key=lambda one: (one[1], one[0].source)):
        own = picture.row.get("id")
        wanted = own if isinstance(own, str) and ID.fullmatch(own) else f"x{digest[:16]}"
        id, number = wanted, 1
        while id.casefold() in taken:
            number += 1
            id = f"{wanted}.{number}"
        taken.add(id.casefold())
        named[id] = (picture, digest, looks)
    return named


def single_classes(examples: Iterable[Example]) -> list[str]:
    """Classes with one example alone."""
    return sorted(name for name, count in Counter(e.label for e in examples).items() if count == 1)


def _checked(picture: Picture) -> Picture:
    """The picture with a class that may become a folder's name and the suffix of what it is. Raises InputError."""
    label = checked_name("_".join(picture.label.split()), "class")
    suffix = next((name for magic, name in MAGIC if picture.content.startswith(magic)), picture.suffix)
    if suffix not in SUFFIXES:
        raise InputError(f"{picture.source}: neither PNG, JPEG, WebP nor BMP; convert it first")
    return Picture(
        source=picture.source, content=picture.content, suffix=suffix, label=label, split=picture.split,
        character=picture.character, row=picture.row,
    )  # fmt: skip


def _without_content(picture: Picture) -> Picture:
    return Picture(
        source=picture.source, content=b"", suffix=picture.suffix, label=picture.label, split=picture.split,
        character=picture.character, row=picture.row,
    )  # fmt: skip


def _reject(gathered: Gathered, why: Callable[[Picture, str], str]) -> None:
    """Moves the pictures that `why` has a reason against to the rejected."""
    kept = []
    for one in gathered.pictures:
        reason = why(one[0], one[1])
        if reason:
            gathered.rejected.append(Rejected(source=one[0].source, reason=reason))
        else:
            kept.append(one)
    gathered.pictures = kept


def _reject_same_class_twice(gathered: Gathered) -> None:
    """Of class names that differ only by case the first is kept: which was meant cannot be guessed."""
    first: dict[str, str] = {}
    for picture, _, _ in gathered.pictures:
        first.setdefault(picture.label.casefold(), picture.label)

    def why(picture: Picture, _: str) -> str:
        other = first[picture.label.casefold()]
        same = other == picture.label
        return "" if same else f"its class {picture.label!r} differs only by case from {other!r}; rename one of them"

    _reject(gathered, why)


def _reject_contradictions(gathered: Gathered) -> None:
    """One picture with two classes has none."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for picture, digest, _ in gathered.pictures:
        said[digest].setdefault(picture.label, picture.source)

    def why(picture: Picture, digest: str) -> str:
        others = [f"{label} by {source}" for label, source in said[digest].items() if label != picture.label]
        return f"called {picture.label}, but the same picture is called {', '.join(others)}" if others else ""

    _reject(gathered, why)


def _reject_without_split(gathered: Gathered) -> None:
    """Where a data set has splits, a picture without one cannot be placed."""
    if any(picture.split for picture, _, _ in gathered.pictures):
        _reject(gathered, lambda picture, _: "" if picture.split else "lies in no split, while others do")


def _example(id: str, picture: Picture, digest: str, looks: Looks, classes: tuple[str, ...], split: str) -> Example:
    file = f"images/{split}/{picture.label}/{id}{picture.suffix}"
    fresh = Example(
        id=id, file=file, sha256=digest, label=picture.label,
        soft_label=tuple(float(name == picture.label) for name in classes), split=split, character=picture.character,
        episode="", pts=0, time_base=Fraction(1), shot="", track="",
        box=Box(left=0, top=0, right=looks.width, bottom=looks.height), cascade="", phash=looks.phash, annotators=1,
        source=picture.source,
    )  # fmt: skip
    if not picture.row:
        return fresh
    try:
        own = as_example(
            picture.row | {"file": file, "sha256": digest, "id": id, "label": picture.label, "split": split}
        )
        fits = len(own.soft_label) == len(classes) and abs(sum(own.soft_label) - 1) < 1e-6
        return own if fits and plain_fields(own) else fresh
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError):
        return fresh


def plain_fields(e: Example) -> bool:
    """Whether every field of a row from outside is of its type."""
    texts = (e.character, e.episode, e.shot, e.track, e.cascade, e.phash, e.source)
    numbers = (e.pts, e.annotators, e.box.left, e.box.top, e.box.right, e.box.bottom)
    hexadecimal = isinstance(e.phash, str) and re.fullmatch(r"[0-9a-f]{16}", e.phash) is not None
    return all(isinstance(t, str) for t in texts) and all(type(n) is int for n in numbers) and hexadecimal
