"""Where workers read episodes and store crops: the disk they share, or a storage that fsspec knows (s3, ...).

Through a storage nothing else need be shared: the episode's file is put there once, each worker fetches it into a
temporary folder; crops go there and are fetched into the workspace before their rows are written.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, MissingToolError, UsageError, WorkspaceError
from pipeline.core.files import FileStore


@dataclass(frozen=True)
class Place:
    """Where the files of an episode and its crops lie, as a worker sees it."""

    objects: str
    """folder of the file store; used where there is no storage"""
    storage: str = ""
    """URL of the storage; empty for a shared disk"""

    @property
    def is_local(self) -> bool:
        """Whether workers see the same disk."""
        return not self.storage

    @contextlib.contextmanager
    def video(self, path: Path, sha256: str) -> Iterator[Path]:
        """The episode's file, here or fetched; what was fetched is deleted at the end."""
        if self.is_local:
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="toonsift-") as folder:
            local = Path(folder) / f"episode{path.suffix}"
            Storage(self.storage).fetch_video(sha256, path.suffix, local)
            yield local

    def put(self, png: bytes) -> str:
        """Stores a crop and returns its SHA-256."""
        if self.is_local:
            return FileStore(Path(self.objects)).put(png, ".png")
        return Storage(self.storage).put(png, ".png")


class Storage:
    """A folder of a file system that fsspec knows: `videos/` on their way to workers, `objects/` on their way back."""

    def __init__(self, url: str) -> None:
        """Raises UsageError where the URL cannot be used, MissingToolError where its package is absent."""
        self.url = url.rstrip("/")

    @cached_property
    def _system(self) -> Any:
        try:
            import fsspec
        except ImportError as error:
            raise MissingToolError("--storage needs fsspec: pip install 'toonsift[cluster]'") from error
        try:
            return fsspec.core.url_to_fs(self.url)[0]
        except ImportError as error:
            raise MissingToolError(f"--storage {self.url}: {error} (for s3:// pip install s3fs)") from error
        except ValueError as error:
            raise UsageError(f"--storage {self.url}: {error}") from error

    def check(self) -> None:
        """Writes and deletes a small file. Raises WorkspaceError where that does not work."""
        with self._errors():
            self._write("check", b"toonsift")
            self._system.rm_file(self._at("check"))

    def put_video(self, path: Path, sha256: str) -> None:
        """Puts an episode's file there, once."""
        target = self._video(sha256, path.suffix)
        with self._errors():
            if not (self._system.exists(target) and self._system.size(target) == path.stat().st_size):
                self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(path), target)

    def fetch_video(self, sha256: str, suffix: str, local: Path) -> None:
        """Fetches an episode's file and checks it."""
        with self._errors():
            self._system.get_file(self._video(sha256, suffix), str(local))
        with local.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise InputError(f"{self._video(sha256, suffix)}: not the file that was put there; run the command again")

    def drop_video(self, sha256: str, suffix: str) -> None:
        """Deletes an episode's file there; the original is not touched."""
        with self._errors(), contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._video(sha256, suffix))

    def put(self, content: bytes, suffix: str) -> str:
        """Stores content under its SHA-256 and returns it."""
        sha256 = hashlib.sha256(content).hexdigest()
        with self._errors():
            self._write(f"objects/{sha256[:2]}/{sha256}{suffix}", content)
        return sha256

    def fetch(self, sha256: str, suffix: str, store: FileStore) -> None:
        """Copies the content of that digest into a file store, where it is not yet."""
        if store.path(sha256, suffix).is_file():
            return
        with self._errors():
            content = self._system.cat_file(self._at(f"objects/{sha256[:2]}/{sha256}{suffix}"))
        if store.put(content, suffix) != sha256:
            raise WorkspaceError(f"{self.url}: object {sha256[:12]} is not what was stored; run the command again")

    def _write(self, name: str, content: bytes) -> None:
        target = self._at(name)
        self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(target, content)

    def _video(self, sha256: str, suffix: str) -> str:
        return self._at(f"videos/{sha256}{suffix}")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @cached_property
    def _root(self) -> str:
        return str(self._system._strip_protocol(self.url)).rstrip("/")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise WorkspaceError(f"--storage {self.url}: not there: {error}; check the address") from error
        except OSError as error:
            raise WorkspaceError(f"--storage {self.url}: {error}; check the address and its permissions") from error
