"""The nets of an ensemble and what each is trained on: a dataset that differs in labels and splits, never in pictures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Dataset, Example, content_digest, counts_of
from pipeline.splits.packing import pack
from train.classes import class_of, source_of
from train.models import ENSEMBLE
from train.options import TrainOptions
from train.runs import TrainingRun

FOLDS = 3
"""parts of the training split; each is predicted by nets that never saw it"""
BASE = 0
"""the base's place among the members; the expert of class c has c + 1"""
UNKNOWN_HASH = "0" * 16
"""the perceptual hash of a plain picture: says nothing about likeness"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One net to train."""

    place: int
    """0: the base; c + 1: the expert of class c"""
    fold: int | None
    """the fold that it predicts and does not see; None: trained on all, part of the finished ensemble"""
    dataset: Dataset
    """what it is trained on"""
    run: TrainingRun
    """an ordinary run"""


def members_of(dataset: Dataset, run: TrainingRun, fold_of: dict[str, int]) -> list[Member]:
    """The base and an expert per class, each trained on all and once without each fold; the base on all comes first."""
    folds = [None, *sorted(set(fold_of.values()))]
    return [_member(dataset, run, fold_of, place, fold) for fold in folds for place in range(len(run.classes) + 1)]


def folds_of(examples: Sequence[Example], seed: int, unit: str) -> dict[str, int]:
    """Id -> fold of each training example; what is alike stays together, classes are shared out evenly.

    Never parted are examples of one shot (or, as `unit` says and where there are several, of one episode or character),
    of the same bytes, of the same perceptual hash, and whatever these chain together.

    Raises:
        DatasetError: everything hangs together.
    """
    parts = _together(examples, unit)
    if len(parts) < 2:
        parts = _together(examples, "shot")
    if len(parts) < 2:
        raise DatasetError(
            f"the {len(examples)} training examples are all of one shot or look the same, so no net can predict what it "
            "has not seen; train the base recipe alone, or label another shot"
        )
    count = min(FOLDS, len(parts))
    kinds = {example.id: (example.label, "") for example in examples}
    chosen = pack(parts, kinds, [1 / count] * count, seed)
    return {id: fold for part, fold in zip(parts, chosen, strict=True) for id in part}


def unseen_classes(examples: Sequence[Example], fold_of: dict[str, int], options: TrainOptions) -> list[str]:
    """Classes all of whose training examples lie in one fold: the nets that predict it never met them."""
    folds = defaultdict(set)
    for example in examples:
        folds[class_of(example, example.label, options)].add(fold_of[example.id])
    return sorted(name for name, found in folds.items() if len(found) == 1)


def _together(examples: Sequence[Example], unit: str) -> list[list[str]]:
    """The ids in groups, connected by any key that two examples share; smallest id first."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def first(key: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for example in examples:
        for kind, value in (("bytes", example.sha256), ("look", example.phash), ("unit", _unit_of(example, unit))):
            if value and value != UNKNOWN_HASH:
                leader[first((kind, value))] = first(("id", example.id))
    groups = defaultdict(list)
    for example in sorted(examples, key=lambda e: e.id):
        groups[first(("id", example.id))].append(example.id)
    return list(groups.values())


def _unit_of(example: Example, unit: str) -> str:
    wider = {"episode": example.episode, "character": example.character}
    return wider.get(unit, "") or source_of(example)


def _member(dataset: Dataset, run: TrainingRun, fold_of: dict[str, int], place: int, fold: int | None) -> Member:
    names = run.classes if place == BASE else (run.classes[place - 1], _others(run.classes[place - 1]))
    examples = tuple(
        _relabelled(example, place, run, split)
        for example in dataset.examples
        if (split := _split(example, fold, fold_of)) is not None
    )
    manifest = dataset.manifest
    options = manifest.options | {"ensemble": {"place": place, "fold": fold, "target": run.options.target}}
    derived = replace(
        manifest,
        classes=names,
        options=options,
        counts=counts_of(names, examples),
        digest=content_digest(manifest.name, names, options, list(examples)),
    )
    part = "base" if place == BASE else f"expert{place}"
    trained = replace(
        run,
        recipe=f"{run.recipe}.{part}" + ("" if fold is None else f".without{fold}"),
        net=run.net.removeprefix(ENSEMBLE),
        options=replace(run.options, target="emotion"),
        classes=names,
        dataset_digest=derived.digest,
    )
    return Member(place=place, fold=fold, dataset=replace(dataset, manifest=derived, examples=examples), run=trained)


def _split(example: Example, fold: int | None, fold_of: dict[str, int]) -> str | None:
    """Where the example goes: a fold that is left out is what the net is tested on, instead of the test split."""
    if fold is None or example.split == "val":
        return example.split
    if example.split == "test":
        return None
    return "test" if fold_of[example.id] == fold else "train"


def _relabelled(example: Example, place: int, run: TrainingRun, split: str) -> Example:
    """The example as the base (every class) or an expert (its class against all others) learns it."""
    name = class_of(example, example.label, run.options)
    shares = tuple(float(name == other) for other in run.classes)
    if run.options.soft_labels:
        if run.options.target != "emotion":
            raise UsageError("an ensemble takes soft_labels for target=emotion alone")
        shares = example.soft_label
    if place != BASE:
        own = run.classes[place - 1]
        name = own if name == own else _others(own)
        shares = (shares[place - 1], 1.0 - shares[place - 1])
    return replace(example, label=name, soft_label=shares, split=split)


def _others(name: str) -> str:
    return f"not {name}"
