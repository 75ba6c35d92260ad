"""Video files -> episodes: what is there, what it is, and whether it was seen before."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import VideoError
from pipeline.core.files import sha256_of
from pipeline.core.records import Episode, Failure
from pipeline.frames import check_readable, probe

SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mkv",
        ".mov",
        ".avi",
        ".webm",
        ".mpg",
        ".mpeg",
        ".ts",
        ".m2ts",
        ".mts",
        ".wmv",
        ".flv",
        ".ogv",
        ".ogm",
        ".3gp",
        ".vob",
        ".divx",
        ".rm",
        ".rmvb",
        ".asf",
    ]
)
"""what a folder is searched for; a file named outright may be called anything"""


def find_videos(paths: Iterable[Path]) -> tuple[list[Path], list[Failure]]:
    """The video files among `paths`, folders searched through (links to folders are not followed), sorted per folder.

    A missing path, a folder that cannot be read, or one without a video becomes a Failure; nothing raises.
    """
    found: list[Path] = []
    failures: list[Failure] = []
    for path in paths:
        try:
            is_folder = path.is_dir()
        except OSError as error:
            failures.append(Failure(item=str(path), reason=f"{path}: cannot be looked at ({error.strerror})"))
            continue
        if not is_folder:
            _add(path, found, failures)
            continue
        before, unreadable = len(found), len(failures)

        def refuse(error: OSError) -> None:
            place = error.filename
            failures.append(
                Failure(
                    item=str(place), reason=f"{place}: folder cannot be read ({error.strerror}); check its permissions"
                )
            )

        for folder, folders, names in os.walk(path, onerror=refuse):
            folders.sort()
            for name in sorted(names):
                if Path(name).suffix.lower() in SUFFIXES:
                    _add(Path(folder) / name, found, failures)
        if len(found) == before and len(failures) == unreadable:
            failures.append(Failure(item=str(path), reason=f"{path}: no video in this folder or below it"))
    return found, failures


def _add(path: Path, found: list[Path], failures: list[Failure]) -> None:
    """Puts a file into one of the two lists; a link in a circle, or to nothing, is no file."""
    if path.is_symlink() and not path.exists():
        failures.append(Failure(item=str(path), reason=f"{path}: a link that leads nowhere; remove or mend it"))
    else:
        found.append(path)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells whether a file was written to between two looks. Clocks may run back: stamps are equal or not, never older."""

    size_bytes: int
    """of the file"""
    changed_ns: int
    """time of the last change, as the file system tells it"""

    @staticmethod
    def of(path: Path) -> "Stamp":
        """The file's stamp now. Raises OSError."""
        found = path.stat()
        return Stamp(found.st_size, found.st_mtime_ns)


def content_of(path: Path) -> tuple[str, Stamp]:
    """SHA-256 of a video file, and its stamp.

    Raises:
        VideoError: missing, empty, unreadable, or written to meanwhile.
    """
    check_readable(path)
    try:
        before = Stamp.of(path)
        digest = sha256_of(path)
        after = Stamp.of(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror}); check the disk and its permissions") from error
    if before != after:
        raise VideoError(f"{path}: it is still being written; mine it again when it is whole")
    return digest, after


def episode_id(sha256: str) -> str:
    """The id of the episode with that content."""
    return f"e{sha256[:12]}"


def identify(path: Path, sha256: str | None = None) -> Episode:
    """The episode that a file holds, by its content (`sha256`, where it is known); not decoded beyond its first frame.

    Raises:
        VideoError: missing, empty, unreadable, or no video.
    """
    check_readable(path)
    first = probe(path)
    digest = sha256 or content_of(path)[0]
    return Episode(
        id=episode_id(digest),
        name=path.stem,
        path=str(path.resolve()),
        sha256=digest,
        size_bytes=path.stat().st_size,
        width=first.width,
        height=first.height,
        time_base=first.time_base,
        frames=first.frames_hint or 0,
        start_pts=first.start_pts,
    )
