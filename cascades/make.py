"""From a truth file to a cascade in the workspace: what `cascade fit` and the demo do."""

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from cascades.fit import AUTO_SIZE, FitOptions, Fitted, as_row, fit_cascade
from cascades.formats.card import write_card
from cascades.journal import Journal
from cascades.registry import card_of, store_cascade
from cascades.sampling.samples import Samples, gather_samples
from cascades.scoring.matching import picture_keys
from cascades.truth.reading import Truth, read_truth
from cascades.verifier.learn import verifier_for
from cascades.verifier.model import verifier_path
from cascades.xml import write_xml
from pipeline.core.errors import InputError, WorkspaceBusyError
from pipeline.core.files import digest_of, sha256_of, write_bytes
from pipeline.core.images import encode_png
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace, checked_name

PATIENCE_SECONDS = 600.0
"""how long a finished fit waits for the writer's lock"""
SUSPECTS_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCascade:
    """A cascade that was fitted and stored."""

    record: Cascade
    fitted: Fitted
    samples: Samples
    notes: tuple[str, ...] = ()
    """for people: what was found on the way and is worth a look"""

    @property
    def card(self) -> dict[str, Any]:
        """What is known about it: `stages`, `reason`, `data`, `options`, `scores`, `versions`."""
        return card_of(self.record)


def make_cascade(
    workspace: Workspace,
    name: str,
    truth: Path | Truth,
    *,
    images: Path | None = None,
    negatives: Sequence[Path] = (),
    character: str | None = None,
    options: FitOptions | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    take_lock: bool = False,
) -> MadeCascade:
    """Reads the truth, fits, and keeps the XML under `name`; also writes it to `out`.

    A fit that was stopped goes on where it stopped when it is called again with the same inputs and options.

    Args:
        truth: a file or folder that `read_truth` reads, or truth as it is.
        negatives: pictures, videos, or folders of them, without the character.
        take_lock: hold the workspace's writer lock only while storing, waiting for it if need be; otherwise the caller
            holds it.

    Raises:
        TruthError: the truth or the negatives cannot be used.
        InputError: the name cannot be one, or `out` cannot be written.
        WorkspaceBusyError: another process kept the workspace too long; what was fitted is kept for the next call.
        KeyboardInterrupt: with a word on what is kept.
    """
    checked_name(name, "cascade")
    _check_out(out)
    progress = progress or Silent()
    options = options or FitOptions()
    size = None if options.size == AUTO_SIZE else options.size
    read = truth if isinstance(truth, Truth) else read_truth(truth, images, size)
    samples = gather_samples(read, negatives, character, options.sampling, progress)
    journal = Journal(workspace, name, samples, options)
    notes = journal.others()
    fitted = fit_cascade(samples, options, progress, journal)
    if fitted.resumed_stages:
        notes.append(f"went on after the {fitted.resumed_stages} stages that an earlier run had finished")
    content = write_xml(fitted.model)
    verifier = verifier_for(fitted.model, read, character, samples.smallest_px, progress) if options.verify else None
    mean = np.rint(samples.positives.mean(axis=0)).astype(np.uint8)
    if out is not None:
        write_bytes(out, content)
    with _writing(workspace, f"cascade fit {name}") if take_lock else contextlib.nullcontext():
        picture = workspace.objects.put(encode_png(mean), ".png")
        card = _card(truth, read, negatives, samples, options, fitted) | {"mean_face": picture}
        if verifier is not None:
            card["verifier"] = workspace.objects.put(verifier.to_bytes(), ".json")
        record = store_cascade(workspace, name, character or name, content, card)
    if out is not None:
        write_card(out, name, card)
        if verifier is not None:
            write_bytes(verifier_path(out), verifier.to_bytes())
    journal.remove()
    return MadeCascade(record=record, fitted=fitted, samples=samples, notes=(*samples.notes, *notes))


@contextlib.contextmanager
def _writing(workspace: Workspace, what: str) -> Iterator[None]:
    """The writer's lock, waited for: it would be a pity to lose a long fit because something else is being stored."""
    with contextlib.ExitStack() as held:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                held.enter_context(workspace.writing(what))
                break
            except WorkspaceBusyError as error:
                if time.monotonic() > end:
                    raise WorkspaceBusyError(f"{error} (what was fitted is kept; the same command stores it)") from None
                time.sleep(0.2)
        yield


def _check_out(out: Path | None) -> None:
    """Raises InputError now for what could not be written after a long fit."""
    if out is None:
        return
    folder = out.absolute().parent
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:  # made and taken away again: nothing is left of a fit that is refused
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
        for place in missing:
            place.rmdir()
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: its folder cannot be made ({error.strerror}); give another --out"
        ) from None
    if out.is_dir() or not is_writable:
        raise InputError(f"{out} cannot be written: it is a folder, or its folder is not writable; give another --out")


def _digest(truth: Path | Truth) -> str:
    """Of a file its SHA-256; of a folder, of its files' names and sizes; of truth, of its boxes."""
    if isinstance(truth, Truth):
        patches = "" if truth.patches is None else hashlib.sha256(truth.patches.tobytes()).hexdigest()
        return digest_of([patches, *(as_plain(picture) for picture in truth.pictures)])
    if truth.is_dir():
        files = sorted(path for path in truth.rglob("*") if path.is_file())
        return digest_of([[str(path.relative_to(truth)), path.stat().st_size] for path in files])
    return sha256_of(truth)


def _card(
    truth: Path | Truth, read: Truth, negatives: Sequence[Path], samples: Samples, options: FitOptions, fitted: Fitted
) -> dict[str, Any]:
    return {
        "reason": fitted.reason,
        "false_alarm": fitted.false_alarm,
        "stages": [as_row(stage) for stage in fitted.stages],
        "data": {
            "truth": Path(truth.name).name,
            "truth_sha256": _digest(truth),
            "pictures": picture_keys(read),
            "negatives": [place.name for place in negatives],
            "faces": samples.faces,
            "positives": len(samples.positives),
            "held_out": len(samples.held_out),
            "other_characters": len(samples.hard) - samples.people_rejected,
            "people_rejected": samples.people_rejected,
            "too_flat": samples.flat,
            "scenes": len(samples.scenes),
            "scenes_left_out": samples.scenes_left_out,
            "rejected": len(samples.rejected),
            "suspects_spared": fitted.spared,
            "suspects": [asdict(suspect) for suspect in fitted.suspects[:SUSPECTS_SHOWN]],
            "notes": list(samples.notes),
            "windows_seen": fitted.windows_seen,
            "windows_total": fitted.windows_total,
        },
        "size": [samples.positives.shape[2], samples.positives.shape[1]],
        "options": as_plain(options),
        "cost": {"seconds": fitted.seconds, "cpu_seconds": fitted.cpu_seconds, "peak_mib": fitted.peak_mib},
        "versions": {
            "toonsift": pipeline.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
