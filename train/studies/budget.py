"""Equal time for unequal recipes: what an epoch of each costs is measured once, then each makes as many as fit.

A run that stopped by the clock could never be made again. So the clock is read beforehand: the epochs that fit become an
ordinary option of the run (`--set epochs=N`), and what was measured is kept, so that the same call finds the same runs.
"""

import math
from dataclasses import dataclass, replace

from pipeline.core.errors import UsageError
from pipeline.core.manifest import Dataset
from train.best.fit import BEST
from train.options import TrainOptions
from train.studies.costs import Cost, Meter, cost_of
from train.studies.trials import Entry

MOST_EPOCHS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a recipe may do within the budget."""

    recipe: str
    """its name"""
    epochs: int
    """0: not even one fits, and the recipe is left out"""
    frozen_epochs: int
    """of them short retraining"""
    seconds: float | None
    """what its epochs are expected to cost; None where it is made in one piece and was not measured"""
    fixed_seconds: float
    """what a training costs besides, outside the budget"""
    reason: str
    """why the recipe is left out, or what else has to be said of it"""


def allowed(entry: Entry, dataset: Dataset, seconds: float, meter: Meter) -> tuple[Entry | None, Allowance]:
    """The recipe with as many epochs as fit into `seconds`, and what there is to say; no entry when not even one fits.

    The budget is for what is learned in: training, validation, checkpoints. What a run needs besides (pictures read, the
    test split predicted) depends on the test set, so it stands beside.

    Epochs of short retraining, warm-up and steps of the schedule keep their share of the whole, at least one of each.

    Raises:
        UsageError: no positive budget.
        InputError: the dataset, or the training itself.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise UsageError(f"--budget must be a positive number of seconds, got {seconds:g}")
    name, options = entry.recipe.name, entry.options
    if entry.recipe.net == BEST:
        words = "fitted in one piece, which takes what it takes"
        said = Allowance(recipe=name, epochs=1, frozen_epochs=0, seconds=None, fixed_seconds=0.0, reason=words)
        return entry, said
    cost = cost_of(entry, dataset, seconds, meter)
    if (found := fitting(options, cost, seconds)) is None:
        one = cost.short_seconds or cost.long_seconds
        words = f"one epoch takes about {one:,.0f} s, and the budget is {seconds:g} s"
        return None, left_out(entry, words)
    said = Allowance(
        recipe=name, epochs=found.epochs, frozen_epochs=found.frozen_epochs, seconds=price(found, cost),
        fixed_seconds=cost.fixed_seconds, reason="",
    )  # fmt: skip
    return replace(entry, options=found), said


def left_out(entry: Entry, reason: str) -> Allowance:
    """What is said of a recipe that does not take part."""
    return Allowance(
        recipe=entry.recipe.name, epochs=0, frozen_epochs=0, seconds=None, fixed_seconds=0.0, reason=reason
    )


def fitting(options: TrainOptions, cost: Cost, seconds: float) -> TrainOptions | None:
    """The options with the most epochs that cost no more than `seconds`; None when one is too many."""
    cheapest = min(second for second in (cost.short_seconds, cost.long_seconds) if second > 0)
    most = min(MOST_EPOCHS, int(seconds / cheapest))
    tried = (shortened(options, epochs) for epochs in range(most, 0, -1))
    return next((found for found in tried if price(found, cost) <= seconds), None)


def shortened(options: TrainOptions, epochs: int) -> TrainOptions:
    """The options with so many epochs (or more), all that is counted in epochs keeping its share of the whole."""

    def share(part: int) -> int:
        return 0 if part == 0 else min(epochs, max(1, round(part * epochs / options.epochs)))

    return replace(
        options,
        epochs=epochs,
        frozen_epochs=share(options.frozen_epochs),
        warmup_epochs=share(options.warmup_epochs),
        step_epochs=max(1, round(options.step_epochs * epochs / options.epochs)),
    )


def price(options: TrainOptions, cost: Cost) -> float:
    """Seconds that the epochs of a training with these options are expected to take."""
    return options.frozen_epochs * cost.short_seconds + (options.epochs - options.frozen_epochs) * cost.long_seconds
