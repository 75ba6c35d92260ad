"""The files of a folder or an archive (zip, tar), one after the other, none of them written to the disk.

An archive is hostile until checked: a name that is absolute or leads upwards, a link, a device, a name that differs from
another only by case, and a file that unpacks to far more than it takes are rejected by name; the rest is read.
"""

import contextlib
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DatasetError
from pipeline.datasets.outside.pictures import Rejected, is_litter

LARGEST = 4 << 30
"""bytes; a larger file in an archive is rejected"""
UNPACKED = 200
"""times its packed size: a member of a zip that grows beyond that (and beyond SMALL) is rejected as a bomb"""
SMALL = 16 << 20
"""bytes; nothing below that is a bomb"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file."""

    name: str
    """path inside the folder or archive, with forward slashes"""
    content: bytes
    """all of it"""


def read_entries(path: Path) -> Iterator[Entry | Rejected]:
    """Every file of a folder (sorted), of a zip or tar (in its order), or the one file that `path` is.

    Raises:
        DatasetError: the path is missing, or nothing of it can be read.
    """
    seen: dict[str, str] = {}
    for found in _unchecked(path):
        if isinstance(found, Entry):
            other = seen.setdefault(found.name.casefold(), found.name)
            if other != found.name:
                yield Rejected(
                    source=found.name, reason=f"its name differs only by case from {other}; rename one of them"
                )
                continue
        yield found


def _unchecked(path: Path) -> Iterator[Entry | Rejected]:
    count = 0
    try:
        for found in _whichever(path):
            count += 1
            yield found
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError) as error:
        if not count:
            raise DatasetError(f"{path}: cannot be read ({error}); copy or download it again") from error
        yield Rejected(source=path.name, reason=f"is damaged after {count} files ({error}); copy or download it again")


def _whichever(path: Path) -> Iterator[Entry | Rejected]:
    if path.is_dir():
        yield from _folder(path)
    elif not path.exists():
        raise DatasetError(f"{path}: no such file or folder; check the path")
    elif zipfile.is_zipfile(path):
        yield from _zip(path)
    elif _is_tar(path):
        yield from _tar(path)
    else:
        yield Entry(name=path.name, content=path.read_bytes())


def _is_tar(path: Path) -> bool:
    with contextlib.suppress(OSError, tarfile.TarError, EOFError, zlib.error):
        return tarfile.is_tarfile(path)
    return False


def _folder(root: Path) -> Iterator[Entry | Rejected]:
    for place, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            relative = path.relative_to(root).as_posix()
            if is_litter(relative):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
                yield Rejected(source=relative, reason="is a link that leads out of the folder")
                continue
            try:
                if not path.is_file():
                    yield Rejected(source=relative, reason="is no regular file")
                    continue
                yield Entry(name=relative, content=path.read_bytes())
            except OSError as error:
                yield Rejected(source=relative, reason=f"cannot be read ({error.strerror})")


def _zip(path: Path) -> Iterator[Entry | Rejected]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name, mode = member.filename.replace("\\", "/"), member.external_attr >> 16
            fault = _unsafe(name)
            if member.is_dir() or (not fault and is_litter(name)):
                continue
            if not fault and stat.S_ISLNK(mode):
                fault = "is a link"
            if not fault and member.flag_bits & 1:
                fault = "is encrypted"
            if not fault and member.file_size > max(SMALL, UNPACKED * max(1, member.compress_size)):
                fault = f"unpacks to {member.file_size >> 20} MiB from {member.compress_size >> 10} KiB"
            if fault or member.file_size > LARGEST:
                yield Rejected(source=name, reason=fault or f"is larger than {LARGEST >> 30} GiB")
                continue
            try:
                yield Entry(name=name, content=archive.read(member))
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
                yield Rejected(source=name, reason=f"is damaged in the archive ({error})")


def _tar(path: Path) -> Iterator[Entry | Rejected]:
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name
            if member.isdir():
                continue
            fault = _unsafe(name)
            if not fault and not member.isreg():
                fault = "is a link" if member.issym() or member.islnk() else "is no regular file"
            if not fault and member.size > LARGEST:
                fault = f"is larger than {LARGEST >> 30} GiB"
            if fault:
                yield Rejected(source=name, reason=fault)
                continue
            name = name.removeprefix("./")
            if is_litter(name):
                continue
            stream = archive.extractfile(member)
            yield Entry(name=name, content=stream.read() if stream else b"")


def _unsafe(name: str) -> str:
    """Why a path must not be followed; empty when it may."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "has an absolute path in the archive"
    if ".." in parts:
        return "leads out of the archive by `..`"
    return "" if parts and "\0" not in name else "has no usable name"
