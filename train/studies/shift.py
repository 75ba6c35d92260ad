"""Domain shift: learn on one dataset version, test on another that looks different (photographs, then drawings).

Each arm changes one thing of the training: pictures cartoonified or in styles by lot, augmentation, even classes. The target
is never trained on, nor does it choose an epoch: validation comes from the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.files import digest_of
from pipeline.core.manifest import SPLITS, Dataset
from train.classes import classes_of
from train.examples import read_images
from train.outcome import write_predictions
from train.predict import load_run
from train.runs import PREDICTIONS
from train.studies.cautions import cautions
from train.studies.compare import failed_row
from train.studies.contestants import Contestant, Exam, Trial, read_predictions
from train.studies.derived import Fold, derived
from train.studies.findings import at_home_words, bridges, findings
from train.studies.labelmap import LabelMap, label_map, mapped_source
from train.studies.priors import leaning_words, shares_of
from train.studies.restyle import Look, restyled
from train.studies.tables import Line, best_of, pairs_of, row_of, summary_of
from train.studies.trials import Entry, Failure, Laboratory, baselines_on, exam_of, run_trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to bridge the gap."""

    name: str
    """in the tables"""
    settings: tuple[str, ...]
    """`KEY=VALUE` on top of the recipe's options"""
    look: str = ""
    """`cartoon`, `styles`, or empty: pictures as they are"""


PLAIN = ("augment=false", "class_balance=none")
ARMS = (
    Arm(name="plain", settings=PLAIN),
    Arm(name="augmented", settings=("augment=true", "class_balance=none")),
    Arm(name="cartoonified", settings=PLAIN, look="cartoon"),
    Arm(name="styled", settings=PLAIN, look="styles"),
    Arm(name="balanced", settings=("augment=false", "class_balance=sampler")),
    Arm(name="all", settings=("augment=true", "class_balance=sampler"), look="cartoon"),
)
"""the first is what the others are compared with"""
CARTOON, STYLES = Look(method="edges"), Look(method=None, strength=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftOptions:
    """What is studied."""

    entry: Entry
    """the recipe, its options as said"""
    seeds: tuple[int, ...]
    """of the trainings"""
    arms: tuple[Arm, ...] = ARMS
    """the ways to bridge the gap"""
    cartoon: Look = CARTOON
    """of the cartoonified arms"""
    styles: Look = STYLES
    """of the styled arm"""
    pairs: Mapping[str, str]
    """source class -> target class, as said"""
    split: str = "all"
    """what of the target is tested on"""


def find_arms(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of these names, in the order of ARMS. Raises UsageError."""
    known = {arm.name: arm for arm in ARMS}
    if not names:
        raise UsageError(f"say which arms to train: --arms with some of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise UsageError(f"there is no arm {name!r}; known are {', '.join(known)}")
    return tuple(arm for arm in ARMS if arm.name in names)


def shift(
    source: Dataset, target: Dataset, options: ShiftOptions, laboratory: Laboratory, cache: Path
) -> dict[str, Any]:
    """Trains every arm with every seed on the source, tests on the target, and returns all tables as one document.

    Raises:
        UsageError: no such split or class.
        DatasetError: nothing to learn or to test on.
        MissingToolError, WorkspaceError: nothing can be trained here.
    """
    if options.entry.options.target != "emotion":
        raise UsageError("shift tells emotions apart; use --set target=emotion")
    labels = label_map(source, target, options.pairs)
    learned = mapped_source(source, labels)
    classes_of(learned, options.entry.options)
    target_exam, seen = _target_exam(source, target, labels, options.split)
    home = Fold(name="", dataset=learned)
    home_exam = exam_of([home], options.entry.options)
    arms = {
        arm.name: (
            _entry_of(arm, options.entry),
            [replace(home, dataset=_looking_like(arm, learned, options, cache, laboratory))],
        )
        for arm in options.arms
    }
    trials, failures = run_trials(arms, options.seeds, laboratory, f"shift {options.entry.recipe.name}")
    abroad, at_home, device = list[Contestant](), list[Contestant](), options.entry.options.device
    for name, found in trials.items():
        if found:
            at_home.append(Contestant.of(name, home_exam, found))
            told = [_abroad(trial, target, target_exam, laboratory, device) for trial in found]
            abroad.append(Contestant.of(name, target_exam, told))
    if not abroad:
        raise DatasetError(f"no arm could be trained: {failures[0].reason}")
    trivial = [
        Contestant(name=one.name, exam=target_exam, predicted=one.predicted)
        for one in baselines_on([_joined(learned, target, target_exam)], target_exam, options.entry.options,
                                laboratory.progress)
    ]  # fmt: skip
    trivial_at_home = baselines_on([home], home_exam, options.entry.options, laboratory.progress)
    document = _heading(source, target, options, labels, target_exam, seen)
    document |= _tables(abroad, at_home, trivial, failures, learned)
    document["source_baselines"] = [summary_of(one) for one in trivial_at_home]
    document["findings"] = [*at_home_words(at_home, best_of(trivial_at_home)), *document["findings"]]
    return document


def _tables(abroad: Sequence[Contestant], at_home: Sequence[Contestant], trivial: Sequence[Contestant],
            failures: Sequence[Failure], learned: Dataset) -> Line:  # fmt: skip
    summary, beside = [summary_of(one) for one in abroad], pairs_of(abroad, [best_of(trivial)])
    pairs = pairs_of(list(abroad[1:]), [abroad[0]]) if abroad[1:] else []
    prior = learned.manifest.counts["train"]
    shares = shares_of(abroad, [prior[name] for name in abroad[0].exam.classes])
    names = [summary_of(one) for one in trivial]
    rows = [row_of(one, number, trial) for one in abroad for number, trial in enumerate(one.trials)]
    said = [words for arm in shares["arms"] if (words := leaning_words(arm, shares))]
    return {
        "rows": rows + [failed_row(failure) for failure in failures],
        "summary": summary,
        "source_summary": [summary_of(one) for one in at_home],
        "baselines": names,
        "pairs": pairs,
        "beside_baseline": beside,
        "shares": shares,
        "findings": [*said, *bridges(pairs), *findings([], beside, [*summary, *names])],
        "notes": cautions(abroad),
    }


def _entry_of(arm: Arm, entry: Entry) -> Entry:
    return replace(entry, options=entry.options.with_settings(arm.settings))


def _looking_like(arm: Arm, learned: Dataset, options: ShiftOptions, cache: Path, laboratory: Laboratory) -> Dataset:
    match arm.look:
        case "cartoon":
            return restyled(learned, options.cartoon, cache, laboratory.progress)
        case "styles":
            return restyled(learned, options.styles, cache, laboratory.progress)
        case _:
            return learned


def _target_exam(source: Dataset, target: Dataset, labels: LabelMap, split: str) -> tuple[Exam, int]:
    """The target's examples of classes that are learned, without those that the source holds, and how many those were."""
    if split not in (*SPLITS, "all"):
        raise UsageError(f"there is no split {split!r}; use {', '.join(SPLITS)} or all")
    pictures = {e.sha256 for e in source.examples}
    shots = {e.shot for e in source.examples} - {""}
    place = {name: number for number, name in enumerate(labels.classes)}
    asked = [e for e in target.examples if split in (e.split, "all") and e.label in place]
    fresh = tuple(e for e in asked if e.sha256 not in pictures and e.shot not in shots)
    if not fresh:
        where = f"{target.manifest.name}@{target.manifest.version}"
        raise DatasetError(
            f"{where}: nothing of its {split} split can be tested on: {len(asked)} examples have a class that is "
            "learned, and all of those have pictures or shots of the source; give another target, or another --split"
        )
    truth_N = np.array([place[e.label] for e in fresh], dtype=np.int64)
    return Exam(examples=fresh, classes=labels.classes, truth=truth_N), len(asked) - len(fresh)


def _abroad(trial: Trial, target: Dataset, exam: Exam, laboratory: Laboratory, device: str) -> Trial:
    """The same trial, with what its model says about the target; kept in the run's folder."""
    folder = laboratory.runs / trial.runs[0]
    known = digest_of([target.manifest.digest, [example.id for example in exam.examples]])[:12]
    path = folder / f"on-{known}-{PREDICTIONS}"
    if not path.exists():
        model = load_run(folder, device)
        images = read_images(target, exam.examples, model.run.options.image_size, laboratory.progress)
        write_predictions(path, exam.examples, exam.classes, exam.truth, model.classify_squares(images))
    stored = read_predictions(path, exam.examples, exam.classes)
    return replace(trial, probabilities=stored)


def _joined(learned: Dataset, target: Dataset, exam: Exam) -> Fold:
    """The source's training split and the exam as one dataset, for the baselines alone."""
    trained = [e for e in learned.examples if e.split == "train"]
    tested = [replace(e, id=f"target {e.id}", split="test", soft_label=()) for e in exam.examples]
    places = {e.sha256: target.image_path(e) for e in exam.examples}
    joined = derived(learned, [*trained, *tested], {"joined": target.manifest.digest}, elsewhere=places)
    return Fold(name="", dataset=replace(joined, examples=(*trained, *tested)))


def _heading(
    source: Dataset, target: Dataset, options: ShiftOptions, labels: LabelMap, exam: Exam, seen: int
) -> dict[str, Any]:
    entry, here, there = options.entry, source.manifest, target.manifest
    identity = [
        here.digest, there.digest, entry.recipe.name, entry.recipe.net, entry.options.identity(), list(options.seeds),
        [arm.name for arm in options.arms], options.cartoon.words, options.styles.words, dict(labels.pairs),
        options.split,
    ]  # fmt: skip
    return {
        "kind": "shift",
        "id": f"shift-{here.name}-{there.name}-{digest_of(identity)[:8]}",
        "recipe": entry.recipe.name,
        "source": f"{here.name}@{here.version}",
        "target": f"{there.name}@{there.version}",
        "source_digest": here.digest,
        "target_digest": there.digest,
        "classes": list(exam.classes),
        "map": dict(labels.pairs),
        "source_left_out": list(labels.source_left_out),
        "target_left_out": list(labels.target_left_out),
        "seen": seen,
        "seeds": list(options.seeds),
        "arms": [
            {"name": arm.name, "settings": list(arm.settings), "look": _look_words(arm, options)}
            for arm in options.arms
        ],
        "test": {"split": options.split, "examples": len(exam.examples), "shots": len(set(exam.shots.tolist()))},
    }  # fmt: skip


def _look_words(arm: Arm, options: ShiftOptions) -> str:
    return {"cartoon": options.cartoon.words, "styles": options.styles.words}.get(arm.look, "")
