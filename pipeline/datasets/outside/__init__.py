"""Other people's data sets, read: one file per layout, each a generator of pictures and of what it had to reject."""

from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.core.errors import UsageError
from pipeline.datasets.outside import coco, fer2013, ferg, folder, parquet, webdataset
from pipeline.datasets.outside.pictures import Found

READERS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "fer2013": fer2013.read,
    "ferg": ferg.read,
    "folder": folder.read,
    "parquet": parquet.read,
    "webdataset": webdataset.read,
    "coco": coco.read,
}
"""what `import dataset` takes"""


def read_outside(kind: str, path: Path) -> Iterator[Found]:
    """The pictures of a data set, and what of it cannot be used.

    Raises:
        UsageError: no such kind.
        DatasetError: the path cannot be read as one at all.
    """
    if kind not in READERS:
        raise UsageError(f"cannot import a {kind!r} data set; there are {', '.join(READERS)}")
    return READERS[kind](path)
