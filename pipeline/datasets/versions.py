"""Writing a dataset version: the pictures, their rows, the card, the certificate, the checksums; whole or not at all.

The pictures are copied, never linked: a hard link would share its bytes with the file store, and a version has to stay
what it is when the store changes. What is read is hashed on the way, so a damaged store cannot become a dataset.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pipeline
from pipeline.core.errors import DatasetError
from pipeline.core.files import disk_errors, write_bytes, write_json, write_text
from pipeline.core.manifest import Example, Manifest, counts_of, write_rows
from pipeline.core.sums import write_sums
from pipeline.datasets.card import card, sample_sheet

Reader = Callable[[Example], bytes]
"""gives the bytes of an example's picture"""
Tick = Callable[[float], None]
"""is told of every picture done"""


def manifest_of(
    name: str,
    version: int,
    parent: str,
    examples: Sequence[Example],
    classes: tuple[str, ...],
    options: dict[str, Any],
    digest: str,
    created: str,
    agreement: dict[str, Any] | None = None,
) -> Manifest:
    """The manifest of these examples, whose `content_digest` is known."""
    return Manifest(
        name=name, version=version, parent=parent, digest=digest,
        classes=classes, counts=counts_of(classes, examples), options=options, code_version=pipeline.__version__,
        created=created, agreement=agreement or {},
    )  # fmt: skip


def write_version(
    folder: Path,
    manifest: Manifest,
    examples: Sequence[Example],
    leaks: dict[str, Any],
    left_out: dict[str, int],
    read_picture: Reader,
    tick: Tick,
    more: dict[str, object] | None = None,
) -> None:
    """Writes the version into `folder`, which must not exist and appears whole or not at all.

    Args:
        folder: where it will lie.
        manifest: of these examples.
        examples: the rows; `file` says where each picture goes.
        leaks: the certificate.
        left_out: why something is not in it -> how many.
        read_picture: gives a picture's bytes.
        tick: is told of every picture written.
        more: JSON documents to put beside, by file name.

    Raises:
        DatasetError: two examples have the same file.
        DiskFullError: no room.
    """
    with appearing(folder) as part:
        for place in sorted({os.path.dirname(example.file) for example in examples}):  # noqa: PTH120 - a plain string
            (part / place).mkdir(parents=True, exist_ok=True)
        root = str(part)
        for example in examples:
            write_new(f"{root}/{example.file}", read_picture(example))
            tick(1)
        write_bytes(part / "samples.png", sample_sheet(examples, manifest.classes, read_picture))
        write_json(part / "leaks.json", leaks)
        for name, document in (more or {}).items():
            write_json(part / name, document)
        write_text(part / "README.md", card(manifest, leaks, left_out))
        write_rows(part, manifest, list(examples))
        write_sums(part, {example.file: example.sha256 for example in examples})


@contextlib.contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` when the block ends well, in one rename.

    A killed process leaves the folder whole or absent. Its small files are not forced to the disk one by one, which for a
    hundred thousand would take many times as long as writing them: after a power cut let `verify` look.

    Raises:
        DiskFullError: no room.
    """
    part = folder.with_name(f".part-{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    with disk_errors(folder):
        part.mkdir(parents=True)
        try:
            yield part
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def write_new(path: str, content: bytes) -> None:
    """Writes a file that must not exist yet; for files of a folder that is to appear whole.

    Raises:
        DatasetError: it exists, if only under a name that this disk takes for the same.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise DatasetError(
            f"{path} would be written twice: two examples have that name, or names that differ only by case; "
            "rename one of them"
        ) from error
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
