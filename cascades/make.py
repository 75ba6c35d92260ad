"""From a truth file to a cascade in the workspace: what `cascade fit` and the demo do."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from cascades.fit import FitOptions, Fitted, as_row, fit_cascade
from cascades.registry import card_of, store_cascade
from cascades.samples import Samples, gather_samples
from cascades.truth import read_truth
from cascades.xml import write_xml
from pipeline.core.files import sha256_of, write_bytes
from pipeline.core.images import encode_png
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace, checked_name


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCascade:
    """A cascade that was fitted and stored."""

    record: Cascade
    fitted: Fitted
    samples: Samples

    @property
    def card(self) -> dict[str, Any]:
        """What is known about it: `stages`, `reason`, `data`, `options`, `scores`, `versions`."""
        return card_of(self.record)


def make_cascade(
    workspace: Workspace,
    name: str,
    truth: Path,
    *,
    images: Path | None = None,
    negatives: Sequence[Path] = (),
    character: str | None = None,
    options: FitOptions | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> MadeCascade:
    """Reads the truth, fits, and keeps the XML under `name`; also writes it to `out`. Call under the writer's lock.

    Raises:
        TruthError: the truth or the negatives cannot be used.
        InputError: the name cannot be one.
    """
    checked_name(name, "cascade")
    progress = progress or Silent()
    options = options or FitOptions()
    read = read_truth(truth, images, options.size)
    samples = gather_samples(read, negatives, character, options.sampling, progress)
    fitted = fit_cascade(samples, options, progress)
    content = write_xml(fitted.model)
    mean = np.rint(samples.positives.mean(axis=0)).astype(np.uint8)
    picture = workspace.objects.put(encode_png(mean), ".png")
    card = _card(truth, negatives, samples, options, fitted) | {"mean_face": picture}
    if out is not None:
        write_bytes(out, content)
    record = store_cascade(workspace, name, character or name, content, card)
    return MadeCascade(record=record, fitted=fitted, samples=samples)


def _card(
    truth: Path, negatives: Sequence[Path], samples: Samples, options: FitOptions, fitted: Fitted
) -> dict[str, Any]:
    return {
        "reason": fitted.reason,
        "false_alarm": fitted.false_alarm,
        "stages": [as_row(stage) for stage in fitted.stages],
        "data": {
            "truth": truth.name,
            "truth_sha256": sha256_of(truth),
            "negatives": [place.name for place in negatives],
            "faces": samples.faces,
            "positives": len(samples.positives),
            "held_out": len(samples.held_out),
            "other_characters": len(samples.hard),
            "too_flat": samples.flat,
            "scenes": len(samples.scenes),
            "scenes_left_out": samples.scenes_left_out,
            "rejected": len(samples.rejected),
            "windows_seen": fitted.windows_seen,
            "windows_total": fitted.windows_total,
        },
        "options": as_plain(options),
        "cost": {"seconds": fitted.seconds, "cpu_seconds": fitted.cpu_seconds, "peak_mib": fitted.peak_mib},
        "versions": {
            "toonsift": pipeline.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
