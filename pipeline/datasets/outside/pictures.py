"""What every reader of outside data gives: pictures with their labels, and rejections with their reasons."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "publictest": "val", "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip
"""what others call the splits, in lower case -> what we do"""
SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".webp", ".bmp"])
"""pictures that are taken as they are"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One example of somebody else's data set."""

    source: str
    """file or row, for people; with it the rejection of this one is named"""
    content: bytes
    """an encoded image"""
    suffix: str
    """of SUFFIXES"""
    label: str
    """the class"""
    split: str = ""
    """train, val or test; empty where the data set has none"""
    character: str = ""
    """whose face it is; empty when unknown"""
    row: dict[str, Any] = field(default_factory=dict)
    """where toonsift wrote it: its row, not to be trusted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something that cannot be imported."""

    source: str
    """file or row"""
    reason: str
    """what was found"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Says that what follows was written by toonsift: the manifest of the version, not to be trusted."""

    document: dict[str, Any]
    """what toonsift.json or manifest.json holds"""


Found = Picture | Rejected | Origin


def split_named(word: str) -> str:
    """`train`, `val` or `test` when the word is a name for one of them, else empty."""
    return SPLIT_NAMES.get(word.strip().lower(), "")


def is_litter(name: str) -> bool:
    """Whether a file was left by an operating system, not by the author."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts)
