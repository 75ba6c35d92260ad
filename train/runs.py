"""The folder of a training run: what it is called, who may write it, what it says about itself.

NAME-RECIPE-sSEED-ab12cd34/
    options.json          recipe, options, classes, dataset: everything that makes this run this run
    metrics.jsonl         one line per epoch
    checkpoints/last.pt   to go on from after a kill
    model.safetensors     the best epoch's weights
    predictions.parquet   what the model says about the test split
    seen.parquet          what it was trained and validated on
    summary.json          the results; written last, so its presence means finished
"""

import contextlib
import difflib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.core.errors import CheckpointError, NotFoundError, UsageError, WorkspaceBusyError
from pipeline.core.files import digest_of, disk_errors, sha256_of, write_json
from pipeline.core.manifest import Dataset
from train.classes import classes_of
from train.expressions.taught import TAUGHT_WEIGHTS, WEIGHTS
from train.metrics import ClassScores, Interval, Scores
from train.options import Setting, TrainOptions
from train.recipes import Recipe

FORMAT = 1
"""of the folder; a reader refuses a higher one"""
OPTIONS, METRICS, SUMMARY = "options.json", "metrics.jsonl", "summary.json"
MODEL, PREDICTIONS, SEEN = "model.safetensors", "predictions.parquet", "seen.parquet"
CHECKPOINT = "checkpoints/last.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What makes a run this run and no other; the contents of options.json."""

    recipe: str
    """its name"""
    net: str
    """a name in train.models.NETS"""
    options: TrainOptions
    """resolved"""
    classes: tuple[str, ...]
    """in the order of the model's outputs"""
    dataset_name: str
    """of the dataset"""
    dataset_version: int
    """1, 2, ..."""
    dataset_digest: str
    """of its contents"""
    code_version: str = __version__
    """of the toonsift that began it; not part of the identity"""
    weights_sha256: str = ""
    """of the file of weights it begins with; empty without one"""

    @property
    def digest(self) -> str:
        """SHA-256 over dataset digest, recipe and options, the seed among them."""
        said = self.options.identity()
        if self.weights_sha256:  # the same weights elsewhere are the same run, others in the same place are not
            said["weights"] = self.weights_sha256
        return digest_of([self.dataset_digest, self.recipe, self.net, said])

    @property
    def id(self) -> str:
        """The folder's name: for people, and with 8 digits of the digest for certain."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.dataset_name).strip(".-") or "dataset"
        return f"{name}-{self.recipe}-s{self.options.seed}-{self.digest[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came out of a finished run; the contents of summary.json."""

    run: str
    """its id"""
    dataset: str
    """`name@version`"""
    dataset_digest: str
    """of its contents"""
    recipe: str
    """its name"""
    seed: int
    """of all that is random"""
    classes: tuple[str, ...]
    """rows and columns of the confusion"""
    test: Scores
    """the best epoch's model on the test split"""
    baselines: dict[str, Scores]
    """what would be trivial, on the same split"""
    split_sizes: dict[str, int]
    """examples per split"""
    epochs: int
    """how many were run"""
    best_epoch: int
    """whose weights were kept, from 1"""
    ended: str
    """why it stopped: `all epochs done` or `no better for N epochs`"""
    train_loss: float
    """mean over the last epoch"""
    val_macro_f1: float | None
    """of the best epoch; None without validation examples"""
    seconds: float
    """spent in epochs, over all restarts"""
    images_per_second: float
    """training images, over all epochs"""
    parameters: int
    """weights of the net"""
    weights: str
    """what training began with"""
    device: str
    """where it ended, and on how many CPU threads"""
    options: dict[str, Setting]
    """resolved"""
    notes: tuple[str, ...]
    """what a reader of the figures has to know"""
    model_sha256: str
    """of model.safetensors"""
    code_version: str
    """of toonsift"""
    torch_version: str
    """of torch"""


def plan(dataset: Dataset, recipe: Recipe, options: TrainOptions) -> TrainingRun:
    """The run that training so would be.

    Raises:
        DatasetError: the dataset cannot be learned from.
        UsageError: the file of weights cannot be read.
    """
    return TrainingRun(
        recipe=recipe.name,
        net=recipe.net,
        options=options.resolved(),
        classes=classes_of(dataset, options),
        dataset_name=dataset.manifest.name,
        dataset_version=dataset.manifest.version,
        dataset_digest=dataset.manifest.digest,
        weights_sha256=_digest_of_weights(options.weights),
    )


def _digest_of_weights(weights: str | None) -> str:
    """SHA-256 of the file, one of the user's or of this package; empty when weights are another's, known by name."""
    if not weights or not (path := WEIGHTS if weights == TAUGHT_WEIGHTS else Path(weights)).is_file():
        return ""
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(f"--weights {weights}: cannot be read ({error.strerror}); check its permissions") from error


@contextlib.contextmanager
def only_trainer(folder: Path) -> Iterator[None]:
    """Makes the run's folder and holds it for this process; freed when the block or the process ends, however it ends.

    Raises:
        WorkspaceBusyError: another process trains this run.
    """
    with disk_errors(folder):
        (folder / CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise WorkspaceBusyError(
                f"{folder.name} is being trained by {lock.read().strip() or 'another process'}; wait until it ends, "
                "or train with another --seed"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        for leftover in [*folder.glob(".part-*"), *(folder / CHECKPOINT).parent.glob(".part-*")]:
            leftover.unlink(missing_ok=True)
        try:
            yield
        finally:
            lock.truncate(0)


def write_card(folder: Path, run: TrainingRun) -> None:
    """Writes options.json unless this run has one already."""
    if not (folder / OPTIONS).exists():
        write_json(folder / OPTIONS, {"format": FORMAT, "run": run.id, "digest": run.digest, **asdict(run)})
        return
    found = read_card(folder)
    if found.digest != run.digest:
        raise CheckpointError(
            f"{folder} belongs to another run, {found.id}; move it away and run the same command again"
        )


def read_card(folder: Path) -> TrainingRun:
    """What options.json says. Raises CheckpointError."""
    document = _document(folder / OPTIONS)
    try:
        return TrainingRun(
            options=TrainOptions(**document["options"]),
            classes=tuple(str(name) for name in document["classes"]),
            dataset_version=int(document["dataset_version"]),
            weights_sha256=str(document.get("weights_sha256", "")),
            **{key: str(document[key]) for key in ("recipe", "net", "dataset_name", "dataset_digest", "code_version")},
        )
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise _damaged(folder / OPTIONS, error) from error


def write_summary(folder: Path, summary: Summary) -> None:
    """Writes summary.json: from now on the run is finished."""
    write_json(folder / SUMMARY, {"format": FORMAT, **asdict(summary)})


def read_summary(folder: Path) -> Summary | None:
    """What summary.json says; None when the run is not finished. Raises CheckpointError."""
    if not (folder / SUMMARY).exists():
        return None
    document = _document(folder / SUMMARY)
    try:
        values = {field.name: document[field.name] for field in fields(Summary) if field.name in document}
        values |= {"classes": tuple(values["classes"]), "notes": tuple(values["notes"])}
        values["test"] = _scores(values["test"])
        values["baselines"] = {name: _scores(found) for name, found in values["baselines"].items()}
        return Summary(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder / SUMMARY, error) from error


def find_run(runs: Path, wanted: str) -> Path:
    """The folder of a run: its id in `runs`, or a path. Raises NotFoundError."""
    for folder in (runs / wanted, Path(wanted)):
        if (folder / OPTIONS).is_file():
            return folder
    known = sorted(path.parent.name for path in runs.glob(f"*/{OPTIONS}"))
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.3) or known[:3]
    there = f"there are {len(known)}, such as {', '.join(near)}" if known else "there are none yet"
    raise NotFoundError(f"no training run {wanted!r} ({there}); make one with `toonsift train`")


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent} is no training run: it has no {path.name}; make one with `toonsift train`"
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise _damaged(path, "not written by toonsift")
    if document["format"] > FORMAT:
        raise CheckpointError(
            f"{path}: format {document['format']} is newer than this toonsift reads ({FORMAT}); upgrade toonsift"
        )
    return document


def _damaged(path: Path, why: object) -> CheckpointError:
    return CheckpointError(f"{path}: not readable ({why}); delete it and run the same `toonsift train` again")


def _scores(document: dict[str, Any]) -> Scores:
    values = dict(document)
    values["per_class"] = {name: ClassScores(**found) for name, found in values["per_class"].items()}
    for name in ("accuracy_interval", "macro_f1_interval"):
        values[name] = _interval(values[name])
    return Scores(**values)


def _interval(found: list[float] | None) -> Interval:
    return None if found is None else (float(found[0]), float(found[1]))
