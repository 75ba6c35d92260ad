"""Files that are whole or absent: written under a temporary name, flushed, renamed; and a store addressed by content."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.core.errors import DiskFullError, InputError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 over the canonical JSON of `value` (sorted keys, no spaces), as 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns "no space left" into a DiskFullError that names the place; every other OSError passes unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"the disk that holds {path} is full; free some space and run the same command again "
                "(what was finished is kept)"
            ) from error
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` for writing and renames it to `path` when the block ends well.

    A reader sees the old file or the new one, never half of it; after an error or a kill `path` is as before.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, whole or not at all. Raises DiskFullError."""
    with whole_file(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Writes UTF-8 `content` to `path`, whole or not at all. Raises DiskFullError."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: object) -> None:
    """Writes `value` as indented JSON to `path`, whole or not at all. Raises DiskFullError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n")


def inside(folder: Path, relative: str) -> Path:
    """The path of `relative` within `folder`, links followed.

    Raises:
        InputError: it is absolute, or leads out of the folder.
    """
    root = folder.resolve()
    target = (root / relative).resolve()
    if not target.is_relative_to(root):
        raise InputError(f"{relative!r} leads out of {folder}; only paths inside that folder are followed")
    return target


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


class FileStore:
    """Immutable files addressed by the SHA-256 of their content: `{root}/ab/abcdef....png`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, suffix: str) -> Path:
        """Where the content of that digest lies (or would)."""
        return self.root / sha256[:2] / f"{sha256}{suffix}"

    def put(self, content: bytes, suffix: str) -> str:
        """Stores `content` once and returns its digest. Raises DiskFullError."""
        sha256 = hashlib.sha256(content).hexdigest()
        target = self.path(sha256, suffix)
        if not (target.is_file() and target.stat().st_size == len(content)):
            write_bytes(target, content)
        return sha256

    def read(self, sha256: str, suffix: str) -> bytes:
        """The content of that digest.

        Raises:
            InputError: it is missing, or a byte of it changed.
        """
        path = f"{self.root}/{sha256[:2]}/{sha256}{suffix}"  # a Path costs as much as the rest of this
        try:
            with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
                content = stream.read()
        except FileNotFoundError:
            raise InputError(f"{path} is missing from the workspace; mine its episode again to restore it") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise InputError(f"{path} has changed since it was stored; delete it and mine its episode again")
        return content

    def remove_unfinished(self) -> int:
        """Deletes temporary files that a killed run left behind; returns how many. Call under the writer's lock."""
        removed = 0
        for leftover in self.root.glob("*/.part-*"):
            leftover.unlink(missing_ok=True)
            removed += 1
        return removed
