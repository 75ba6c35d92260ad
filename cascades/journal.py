"""Where a fit stands after each finished stage, kept so that a fit that was stopped goes on and ends with the same bytes.

One file per fit, whole or absent. Its name holds a digest of everything that the result depends on (options, samples,
this code, the libraries), so leftovers of another fit are never taken for one's own; they are told apart and left alone.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pipeline
from cascades.sampling.samples import Samples
from pipeline.core.files import digest_of, write_bytes
from pipeline.core.options import as_plain
from pipeline.core.workspace import Workspace

log = logging.getLogger(__name__)

FOLDER = "unfinished"
"""in the workspace"""
PARTS = ("options", "data", "code")
MAX_BYTES = 4 << 30
"""a journal that unpacks to more is no journal"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A fit after some stage."""

    stages: list[Any]
    """as the builder keeps them: numbers, tuples and dataclasses of this package"""
    reports: list[dict[str, Any]]
    """one row for each stage"""
    mining: dict[str, NDArray[np.generic]]
    """`Miner.state()`"""


class Journal:
    """The file of one fit."""

    def __init__(self, workspace: Workspace, name: str, samples: Samples, options: Any) -> None:
        self.parts = {
            "options": digest_of(as_plain(options)),
            "data": digest_of_samples(samples),
            "code": code_digest(),
        }
        self.folder, self.name = workspace.root / FOLDER, name
        self.path = self.folder / f"cascade-{name}-{digest_of(self.parts)[:16]}.npz"

    def load(self) -> Standing | None:
        """Where this very fit stopped; None where it did not, or where the file is damaged (it is then told and ignored)."""
        if not self.path.is_file():
            return None
        try:
            about, arrays = _read(self.path)
            if about["parts"] != self.parts:
                raise ValueError("it is of another fit")
            return Standing(decode(about["stages"]), about["reports"], arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, SyntaxError) as error:
            log.warning("%s: damaged (%s); the fit begins anew", self.path, error)
            return None

    def save(self, standing: Standing) -> None:
        """Keeps it. Raises DiskFullError; the file is then as before."""
        about = {"name": self.name, "parts": self.parts, "stages": encode(standing.stages), "reports": standing.reports}
        stream = io.BytesIO()
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        np.savez(stream, allow_pickle=False, about=text, **standing.mining)
        write_bytes(self.path, stream.getvalue())

    def others(self) -> list[str]:
        """What is left of other fits of this name: how many stages, and what was different about them."""
        found = []
        for path in sorted(self.folder.glob(f"cascade-{self.name}-*.npz")):
            if path == self.path or path.stem[: -len("-0123456789abcdef")] != f"cascade-{self.name}":
                continue
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
                about, _ = _read(path)
                other = [part for part in PARTS if about["parts"][part] != self.parts[part]]
                found.append(
                    f"an unfinished fit of {self.name} ({len(about['reports'])} stages) is of other {' and '.join(other)}: "
                    f"it is not used; this fit removes it when it is done"
                )
        return found

    def remove(self) -> None:
        """Deletes it, and those of other fits of this name."""
        for path in self.folder.glob(f"cascade-{self.name}-*.npz"):
            if path.stem[: -len("-0123456789abcdef")] == f"cascade-{self.name}":
                path.unlink(missing_ok=True)
        for part in self.folder.glob(".part-*"):
            part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def digest_of_samples(samples: Samples) -> str:
    """SHA-256 over all that a fit sees of them."""
    digest = hashlib.sha256(repr((samples.face, samples.smallest_px)).encode())
    for windows in (samples.positives, samples.held_out, samples.hard):
        digest.update(repr(windows.shape).encode() + windows.tobytes())
    for scene in samples.scenes:
        faces = np.zeros((0, 4)) if scene.faces is None else scene.faces
        digest.update(repr((scene.image.shape, len(scene.keep_out), len(faces), scene.labelled)).encode())
        digest.update(np.ascontiguousarray(scene.image).data)
        digest.update(scene.keep_out.tobytes() + faces.tobytes())
    return digest.hexdigest()


def code_digest() -> str:
    """SHA-256 over this package's sources and the versions of what it computes with."""
    import cv2
    import numba

    versions = (pipeline.__version__, np.__version__, numba.__version__, cv2.__version__, sys.version_info[:2])
    digest = hashlib.sha256(repr(versions).encode())
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def encode(value: Any) -> Any:
    """Numbers, texts, lists, tuples and dataclasses as plain JSON; floats keep every bit."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"dataclass": [kind.__module__, kind.__qualname__], "fields": fields}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    raise TypeError(f"a journal cannot keep {type(value).__name__}")


def decode(value: Any) -> Any:
    """What `encode` was given. Only dataclasses of this package are made. Raises ValueError for anything else."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(decode(item) for item in value["tuple"])
    if "array" in value:
        return np.array(value["array"], dtype=np.dtype(value["dtype"]))
    module, name = value["dataclass"]
    kind = getattr(sys.modules.get(module), name, None) if module.startswith("cascades.") else None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"{module}.{name} is nothing that a journal holds")
    return kind(**{key: decode(item) for key, item in value["fields"].items()})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES >> 30} GiB")
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    about = json.loads(arrays.pop("about").tobytes())
    if not isinstance(about, dict):
        raise ValueError("it is no journal")
    return about, arrays
