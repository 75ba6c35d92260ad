"""Whether the files of a folder are as they were: SHA-256 of each, in the list that `sha256sum --check` reads.

A folder of a dataset holds a hundred thousand small files: they are read with as few system calls as there are, and a
path is followed only when no part of it is a link.
"""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.core.files import sha256_of, write_text

SUMS = "SHA256SUMS"
"""the list's name; it lists every file of its folder but itself"""
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\\\r\n]+)")
AT_ONCE = 1 << 16
"""bytes read by one call; a larger buffer costs more to allocate than it saves"""
FOLDERS = 128
"""open at once at most"""

Fault = tuple[str, str]
"""(file, what is wrong with it)"""


def write_sums(folder: Path, known: dict[str, str]) -> None:
    """Writes SHA256SUMS for every file below `folder`; those in `known` (path -> SHA-256) are not read again."""
    sums = {file: known.get(file) or sha256_of(folder / file) for file in files_below(folder) if file != SUMS}
    write_text(folder / SUMS, "".join(f"{sums[file]}  {file}\n" for file in sorted(sums)))


def read_sums(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 as SHA256SUMS says; empty when there is no such list.

    Raises:
        DatasetError: it cannot be read, or a line is none of such a list.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{folder / SUMS}: not readable ({error}); export the dataset again") from error
    found = {}
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise DatasetError(f"{folder / SUMS}, line {number}: no checksum and file name; export the dataset again")
        found[match[2]] = match[1]
    return found


def altered_files(folder: Path, expected: Iterable[tuple[str, str]]) -> list[Fault]:
    """The files of `expected` (path within the folder, SHA-256) that are missing or differ by as much as a bit."""
    faults: list[Fault] = []
    with _Folders(folder) as folders:
        for file, digest in expected:
            fault = _fault(folders, file, digest)
            if fault:
                faults.append((file, fault))
    return faults


def files_below(folder: Path) -> Iterator[str]:
    """Every file below a folder, relative to it, with forward slashes; links are not followed but named."""
    for place, names, files in os.walk(folder):
        names.sort()
        relative = Path(place).relative_to(folder).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        yield from (prefix + name for name in sorted(files))
        yield from (prefix + name for name in names if (Path(place) / name).is_symlink())


def _fault(folders: "_Folders", file: str, digest: str) -> str:
    """What is wrong with one file; empty when nothing is."""
    place, _, name = file.rpartition("/")
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folders.open(place))
    except FileNotFoundError:
        return "is missing"
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            return "is a link, or lies behind one"
        return f"cannot be read ({error})"
    try:
        found = hashlib.sha256()
        while content := os.read(descriptor, AT_ONCE):
            found.update(content)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    finally:
        os.close(descriptor)
    return "" if found.hexdigest() == digest else "differs from what was exported"


class _Folders:
    """Open folders below a root, one system call per folder instead of one per file and part of its path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        for descriptor in self._open.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._open.clear()

    def open(self, place: str) -> int:
        """Descriptor of a folder. Raises OSError, or ValueError when the path would leave the root."""
        found = self._open.get(place)
        if found is None and not place:
            found = self._open[""] = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if found is None:
            if len(self._open) > FOLDERS:
                self._close()
            above, _, name = place.rpartition("/")
            if name in ("", ".", ".."):
                raise ValueError(f"{place!r} leads out of {self._root}; only paths inside that folder are followed")
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            found = self._open[place] = os.open(name, flags, dir_fd=self.open(above))
        return found
