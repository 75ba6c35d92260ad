"""Video files -> episodes: what is there, what it is, and whether it was seen before."""

import os
from collections.abc import Iterable
from pathlib import Path

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
            found.append(path)
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
            found += [Path(folder) / name for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES]
        if len(found) == before and len(failures) == unreadable:
            failures.append(Failure(item=str(path), reason=f"{path}: no video in this folder or below it"))
    return found, failures


def identify(path: Path) -> Episode:
    """The episode that a file holds, by its content; not yet decoded beyond its first frame.

    Raises:
        VideoError: missing, empty, unreadable, or no video.
    """
    check_readable(path)
    first = probe(path)
    digest = sha256_of(path)
    return Episode(
        id=f"e{digest[:12]}",
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
