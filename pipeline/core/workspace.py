"""A workspace: one folder that holds everything toonsift makes, and can be copied or moved.

DIR/
    catalogue.sqlite3   every record
    objects/            crops and cascades, addressed by their SHA-256
    datasets/NAME/0001/ immutable dataset versions
    runs/               training runs
    reports/            pages for people
    annotate/           a Label Studio of the workspace's own: its data, its token, the pictures it shows
    cache/              what can be made anew from the rest
    .writer             lock of the process that writes
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.catalogue import Catalogue
from pipeline.core.errors import InputError, NotFoundError, WorkspaceBusyError, WorkspaceError
from pipeline.core.files import FileStore, disk_errors
from pipeline.core.records import DatasetVersion

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""what cascades, datasets and runs may be called: it becomes a file name"""


def now() -> str:
    """The time of day in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def checked_name(name: str, what: str) -> str:
    """`name` when it may become a file name. Raises InputError otherwise."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a {what}: use 1 to 80 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or a digit"
        )
    return name


class Workspace:
    """An open workspace."""

    def __init__(self, root: Path) -> None:
        """Opens the folder, making it when it is absent.

        Raises:
            WorkspaceError: it cannot be made or written, is damaged, or a newer toonsift made it.
        """
        self.root = root.absolute()
        try:
            with disk_errors(self.root):
                for folder in (self.root, self.root / "objects"):
                    folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise WorkspaceError(f"{self.root} is a file, not a folder; give another --workspace") from error
        except OSError as error:
            raise WorkspaceError(
                f"{self.root} cannot be made ({error.strerror}); check the permissions or give another --workspace"
            ) from error
        self.catalogue = Catalogue(self.root / "catalogue.sqlite3")
        self.objects = FileStore(self.root / "objects")

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def dataset_folder(self, wanted: str) -> Path:
        """The folder of `NAME` (its latest version), `NAME@2`, or a path to a dataset version.

        A name is looked for in the workspace first: a folder that happens to be called so does not stand in its way.

        Raises:
            NotFoundError: no such version.
        """
        name, _, number = wanted.partition("@")
        versions = sorted(self.catalogue.all(DatasetVersion, name=name), key=lambda d: d.version)
        if number:
            versions = [d for d in versions if str(d.version) == number]
        if versions:
            return self.root / versions[-1].path
        if (Path(wanted) / "manifest.json").is_file():
            return Path(wanted)
        if "/" in wanted or Path(wanted).is_dir():
            raise NotFoundError(f"{wanted} is no dataset version: there is no manifest.json in it")
        known = ", ".join(sorted({d.name for d in self.catalogue.all(DatasetVersion)})) or "none yet"
        raise NotFoundError(f"no dataset {wanted!r} (there are: {known}); make one with `toonsift export {name}`")

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Holds the workspace for one writing process; it is freed when the block or the process ends, however it ends.

        Raises:
            WorkspaceBusyError: another process holds it; the message says which and what it does.
        """
        with (self.root / ".writer").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise WorkspaceBusyError(
                    f"{self.root} is in use by another toonsift ({lock.read().strip() or 'unknown'}); "
                    "wait until it ends, or give another --workspace"
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()}: {what}")
            lock.flush()
            self.objects.remove_unfinished()
            try:
                yield
            finally:
                lock.truncate(0)

    def free_bytes(self) -> int:
        """Room left on the disk that holds the workspace."""
        return shutil.disk_usage(self.root).free

    def close(self) -> None:
        """Closes the catalogue."""
        self.catalogue.close()
