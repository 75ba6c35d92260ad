"""What every format needs: the card, the pictures, checked as they are read, and how they are dealt into shards."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from pipeline.core.errors import DatasetError, InputError
from pipeline.core.manifest import SPLITS, Dataset, Example

SHARD_BYTES = 256 << 20
"""of pictures, at most, in one file of Parquet or WebDataset"""
SHARD_EXAMPLES = 10_000
"""at most, in one such file"""
MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".bmp": "image/bmp"}
"""suffix -> media type of the pictures that a version may hold"""


def read_picture(dataset: Dataset, example: Example) -> bytes:
    """The bytes of an example's picture.

    Raises:
        DatasetError: it is missing, cannot be read, or differs from what was exported.
    """
    try:
        content = dataset.image_path(example).read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{dataset.folder / example.file} is missing; export the dataset again") from None
    except (OSError, InputError) as error:
        raise DatasetError(f"{dataset.folder / example.file} cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != example.sha256:
        raise DatasetError(f"{dataset.folder / example.file} differs from what was exported; export the dataset again")
    return content


def suffix_of(example: Example) -> str:
    """`.png`, `.jpg`, ..., in lower case."""
    return PurePosixPath(example.file).suffix.lower()


def by_split(dataset: Dataset) -> Iterator[tuple[str, list[Example]]]:
    """Each split that has examples, in order, and its examples, sorted by id."""
    for split in SPLITS:
        examples = [example for example in dataset.examples if example.split == split]
        if examples:
            yield split, examples


def shards(dataset: Dataset, examples: Iterable[Example]) -> Iterator[list[tuple[Example, bytes]]]:
    """The examples with their pictures, as many at a time as fit into one shard."""
    held: list[tuple[Example, bytes]] = []
    size = 0
    for example in examples:
        content = read_picture(dataset, example)
        if held and (size + len(content) > SHARD_BYTES or len(held) == SHARD_EXAMPLES):
            yield held
            held, size = [], 0
        held.append((example, content))
        size += len(content)
    if held:
        yield held


def card_of(dataset: Dataset) -> str:
    """The version's card, or a line that says what this is where it has none."""
    path = dataset.folder / "README.md"
    fallback = f"# {dataset.manifest.name}, version {dataset.manifest.version}\n"
    return path.read_text(encoding="utf-8") if path.is_file() else fallback
