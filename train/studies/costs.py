"""What an epoch of a recipe costs on a dataset, measured once and remembered."""

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path

import torch

from pipeline.core.errors import CheckpointError
from pipeline.core.files import digest_of, write_json
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress, Step
from train.augment import AugmentOptions, changed, draw_changes
from train.classes import classes_of
from train.ensemble.members import FOLDS
from train.models import ENSEMBLE
from train.models.hill import Hill
from train.options import TrainOptions
from train.recipes import Recipe
from train.runs import plan
from train.studies.derived import derived
from train.studies.trials import Entry, Trainer

MOST = 256
"""training pictures that are measured with, or four batches, where those are more"""
ENOUGH_SECONDS = 2.0
"""a shorter epoch is measured again, several in a row: the first one pays for what is set up once"""
SEVERAL = 20
"""epochs in a row, at most"""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a recipe costs on a dataset here: CPU seconds (user and system) of the process; on a GPU seconds by the clock."""

    fixed_seconds: float
    """of a run, besides its epochs: pictures read, net built, test split predicted, files written"""
    short_seconds: float
    """of an epoch of short retraining, validation and checkpoint included; 0 for a recipe that has none"""
    long_seconds: float
    """likewise of all weights"""
    cut_at_seconds: float = 0.0
    """measuring was cut short after so long, so the figures are from the part of an epoch that was seen; 0: it was not"""
    threads: int = 1
    """of this process while it was measured"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Measures recipes, and remembers."""

    trainer: Trainer
    """`train.loop.train`"""
    cache: Path
    """where measurements are kept, a file for each recipe, its options and dataset; it may be copied to another machine"""
    progress: Progress
    """told of what is measured"""
    clock: Clock = time.process_time
    """CPU seconds, or seconds by the clock where a GPU does the work"""


def cost_of(entry: Entry, dataset: Dataset, limit: float, meter: Meter) -> Cost:
    """What the recipe costs on this dataset: read where it was measured before, else measured now and kept.

    Measuring ends when `limit` seconds are spent in an epoch that has not ended: so dear an epoch fits into no such budget.
    An ensemble is reckoned from its base net, which all of its members are like. Raises InputError, CheckpointError.
    """
    options = replace(entry.options, seed=0, patience=0)
    run = plan(dataset, entry.recipe, replace(options, epochs=1, frozen_epochs=min(1, options.frozen_epochs)))
    key = digest_of([run.digest, meter.clock.__name__])
    path = meter.cache / f"{entry.recipe.name}-{key[:12]}.json"
    if (known := _read(path)) is not None and not 0 < known.cut_at_seconds < limit:
        return known
    make_kernels_ready()
    single = replace(entry.recipe, net=entry.recipe.net.removeprefix(ENSEMBLE))
    cost = _measured(single, options, dataset, limit, meter, path.with_suffix(".trial"))
    if single.net != entry.recipe.net:
        cost = _of_members(cost, len(classes_of(dataset, options)))
    write_json(path, asdict(replace(cost, threads=torch.get_num_threads())))
    return cost


@cache
def make_kernels_ready() -> None:
    """Compiles what trains on a CPU, or loads it: seconds that the first recipe to be measured would be charged with."""
    with torch.random.fork_rng(devices=[]):
        pictures = torch.zeros((2, 60, 60, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        images = changed(pictures, 60, draw_changes(2, torch.Generator(), AugmentOptions()), AugmentOptions())
        net = Hill(2, TrainOptions(image_size=60))
        torch.autograd.backward(net(images.contiguous(memory_format=torch.channels_last)).sum())


def _of_members(cost: Cost, classes: int) -> Cost:
    """A base and an expert for each class, each trained on all and without each of the folds."""
    nets = (classes + 1) * (1 + FOLDS)
    passes = (classes + 1) * FOLDS  # over all training pictures: one, and FOLDS times what is left of them
    return replace(
        cost,
        fixed_seconds=nets * cost.fixed_seconds,
        short_seconds=passes * cost.short_seconds,
        long_seconds=passes * cost.long_seconds,
    )


def _measured(
    recipe: Recipe, options: TrainOptions, dataset: Dataset, limit: float, meter: Meter, scratch: Path
) -> Cost:
    """Trains for one epoch of each phase, and for several where one is over in no time."""
    small, times = sample(dataset, max(MOST, 4 * options.batch_size))

    def lap(epochs: int, frozen: int) -> tuple[float, float, float]:
        tried = replace(options, epochs=epochs, frozen_epochs=frozen)
        watch = _Stopwatch(meter, recipe.name, limit / times)
        shutil.rmtree(scratch, ignore_errors=True)  # of a call that was killed
        try:
            meter.trainer(small, plan(small, recipe, tried), scratch, watch)
        except _TooDear:
            return watch.before, watch.foreseen, watch.limit
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return meter.clock() - watch.begun - sum(watch.epochs), max(1e-6, min(watch.epochs)), 0.0

    def phase(frozen: bool) -> tuple[float, float, float]:
        fixed, epoch, cut = lap(1, int(frozen))
        if cut or epoch >= ENOUGH_SECONDS:
            return fixed, epoch, cut
        count = min(SEVERAL, 2 + int(ENOUGH_SECONDS / max(epoch, 1e-3)))
        return lap(count, count if frozen else 0)

    fixed, short, cut = phase(True) if options.frozen_epochs else (0.0, 0.0, 0.0)
    if cut:  # an epoch of all weights costs more still
        return Cost(
            fixed_seconds=times * fixed, short_seconds=times * short, long_seconds=times * short, cut_at_seconds=limit
        )
    fixed_again, long, cut = phase(False)
    return Cost(
        fixed_seconds=times * max(fixed, fixed_again),
        short_seconds=times * short,
        long_seconds=times * long,
        cut_at_seconds=limit if cut else 0.0,
    )


def sample(dataset: Dataset, most: int) -> tuple[Dataset, float]:
    """At most so many training pictures, every class among them, and their share of the other splits; how many times
    larger the whole is."""
    sizes = defaultdict[tuple[str, str], list[Example]](list)
    for example in sorted(dataset.examples, key=lambda e: e.sha256):
        sizes[example.split, example.label].append(example)
    whole = sum(len(rows) for (split, _), rows in sizes.items() if split == "train")
    if whole <= most:
        return dataset, 1.0
    kept = []
    for split in sorted({split for split, _ in sizes}):
        labels = [rows for (where, _), rows in sorted(sizes.items()) if where == split]
        in_turn = [e for e in chain.from_iterable(zip_longest(*labels)) if e is not None]
        kept += in_turn[: max(1, len(in_turn) * most // whole)]
    return derived(dataset, kept, {"measured_with": most}), whole / most


def _read(path: Path) -> Cost | None:
    if not path.exists():
        return None
    try:
        return Cost(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete it and run the same command again") from error


class _TooDear(Exception):
    """An epoch that has not ended has cost more than the limit; caught where it is measured."""


class _Stopwatch:
    """A Progress that reads the clock at the end of each epoch and ends a training that costs too much."""

    def __init__(self, meter: Meter, name: str, limit: float) -> None:
        self.meter, self.name, self.limit = meter, name, limit
        self.begun = self.since = meter.clock()
        self.epochs: list[float] = []
        self.before = self.spent = self.foreseen = 0.0
        self.seen = self.due = 0.0

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        """Watches the step that trains; others pass by."""
        if title != f"train {self.name}":
            with self.meter.progress.step(title, total, unit) as silent:
                yield silent
            return
        self.since, self.due = self.meter.clock(), total or 0.0
        self.before = self.since - self.begun
        with self.meter.progress.step(f"measure {self.name}", total, unit) as step:
            yield _Watched(self, step)


class _Watched:
    """The step that trains."""

    def __init__(self, watch: _Stopwatch, shown: Step) -> None:
        self.watch, self.shown = watch, shown

    def advance(self, amount: float = 1.0) -> None:
        """After each batch."""
        watch = self.watch
        self.shown.advance(amount)
        watch.seen += amount
        watch.spent = watch.meter.clock() - watch.since
        if watch.spent > watch.limit and not watch.epochs and watch.seen < watch.due:
            watch.foreseen = watch.spent * watch.due / watch.seen
            raise _TooDear

    def note(self, text: str) -> None:
        """After each epoch."""
        watch, now = self.watch, self.watch.meter.clock()
        self.shown.note(text)
        watch.epochs.append(now - watch.since)
        watch.since = now

    def expect(self, total: float) -> None:
        """Nothing changes in a training."""
        self.shown.expect(total)
