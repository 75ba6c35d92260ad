"""FERG-DB (Aneja et al. 2016): CHARACTER/CHARACTER_EMOTION/*.png, six drawn characters, seven emotions, no splits."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DatasetError
from pipeline.datasets.outside.entries import read_entries
from pipeline.datasets.outside.pictures import SUFFIXES, Found, Picture, Rejected


def read(path: Path) -> Iterator[Found]:
    """Every picture that lies in such a folder. Raises DatasetError when none does."""
    count = 0
    for entry in read_entries(path):
        if isinstance(entry, Rejected):
            yield entry
            continue
        place = PurePosixPath(entry.name)
        if place.suffix.lower() not in SUFFIXES:
            continue
        character, _, emotion = place.parent.name.partition("_")
        if not character or not emotion or place.parent.parent.name.lower() not in (character.lower(), ""):
            yield Rejected(source=entry.name, reason="does not lie in a folder CHARACTER/CHARACTER_EMOTION")
            continue
        count += 1
        yield Picture(
            source=entry.name, content=entry.content, suffix=place.suffix.lower(), label=emotion.lower(),
            character=character.lower(),
        )  # fmt: skip
    if not count:
        raise DatasetError(f"{path}: no picture in folders named as FERG-DB's are, e.g. aia/aia_anger/; check the path")
