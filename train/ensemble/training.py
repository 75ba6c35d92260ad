"""Trains an ensemble: its members are ordinary runs in its folder, so a killed one goes on where it was."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline.core.errors import CheckpointError, UsageError
from pipeline.core.files import write_text
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress
from train.checkpoint import Training
from train.ensemble.judging import fit_judge
from train.ensemble.members import BASE, Member, folds_of, members_of, unseen_classes
from train.examples import Examples, Split, labels_of, read_examples
from train.metrics import Scores, score
from train.models import build_net
from train.models.normalised import Normalised
from train.models.stacked import Stacked, Votes, plain_average
from train.outcome import write_outcome
from train.predict import choose_device, class_scores, load_run, on_device
from train.randomness import seed_for
from train.runs import CHECKPOINT, METRICS, PREDICTIONS, Summary, TrainingRun, only_trainer, write_card

Trainer = Callable[[Dataset, TrainingRun, Path, Progress], Summary]

MEMBERS = "members"
"""the folder of the members' runs in the ensemble's"""


def train_ensemble(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress, trainer: Trainer) -> Summary:
    """Trains base and experts out of fold and on all, then the judge on what they say out of fold. Writes `runs/ID/`.

    The summary holds the ensemble as `test`, and among the baselines `base` (the base net alone) and `average` (the
    plain average of base and experts).

    Raises:
        DatasetError: the training examples hang together as one group, or an image is missing or damaged.
    """
    folder = runs / run.id
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"{run.recipe} is trained by one process; start it without torchrun")
    with only_trainer(folder), torch.random.fork_rng(devices=[]):
        write_card(folder, run)
        return _trained_whole(dataset, run, folder, progress, trainer)


def _trained_whole(dataset: Dataset, run: TrainingRun, folder: Path, progress: Progress, trainer: Trainer) -> Summary:
    options = run.options
    pupils = [example for example in dataset.examples if example.split == "train"]
    fold_of = folds_of(pupils, options.seed, _unit_of_splits(dataset))
    members = members_of(dataset, run, fold_of)
    summaries = {(m.place, m.fold): _trained(m, folder / MEMBERS, progress, trainer) for m in members}
    data = read_examples(dataset, run.classes, options, choose_device(options.device), progress)
    started = perf_counter()
    torch.manual_seed(seed_for(options, 0, "judge"))
    net, stacked = _assembled(run, members, folder)
    votes_NV, labels_N = _out_of_fold(members, folder, run, pupils)
    folds_N = torch.tensor([fold_of[example.id] for example in pupils])
    history = fit_judge(stacked.judge, votes_NV, labels_N, folds_N, _votes(stacked, data.val), options)
    beside = {"base": summaries[BASE, None].test, "average": _average(stacked, data, run)}
    on_device(net, data.test.labels.device)
    spent = sum(summary.seconds for summary in summaries.values())
    history[0] = replace(history[0], seconds=perf_counter() - started + spent)
    write_text(folder / METRICS, "".join(json.dumps(asdict(metrics)) + "\n" for metrics in history))
    weights = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
    training = Training(
        model=weights, optimizer={}, origin=summaries[BASE, None].weights, best_epoch=len(history), best_model=weights,
        history=history,
    )  # fmt: skip
    remarks = _remarks(members, unseen_classes(pupils, fold_of, options), spent)
    return write_outcome(folder, run, net, data, training, "the judge has learned", beside, remarks)


def _trained(member: Member, runs: Path, progress: Progress, trainer: Trainer) -> Summary:
    summary = trainer(member.dataset, member.run, runs, progress)
    (runs / member.run.id / CHECKPOINT).unlink(missing_ok=True)  # it is as large as the model, many times over
    return summary


def _assembled(run: TrainingRun, members: list[Member], folder: Path) -> tuple[Normalised, Stacked]:
    """The ensemble's net, on the CPU, with the members that were trained on all in it."""
    net = build_net(run.net, len(run.classes), run.options, torch.zeros(3), torch.ones(3))
    stacked = net.net
    assert isinstance(stacked, Stacked)
    places = (stacked.base, *stacked.experts)
    for member in members:
        if member.fold is None:
            found = load_run(folder / MEMBERS / member.run.id, "cpu")
            places[member.place].load_state_dict(found.net.state_dict())
    return net, stacked


def _out_of_fold(members: list[Member], folder: Path, run: TrainingRun, pupils: list[Example]) -> tuple[Tensor, Tensor]:
    """Votes (N, 2 C) on the training examples by nets that did not see them, and their labels (N,)."""
    row = {example.id: index for index, example in enumerate(pupils)}
    classes = len(run.classes)
    votes_NV = np.full((len(pupils), 2 * classes), np.nan, dtype=np.float32)
    for member in members:
        if member.fold is None:
            continue
        table = pq.read_table(folder / MEMBERS / member.run.id / PREDICTIONS, columns=["example", "probabilities"])
        rows = [row[id] for id in table["example"].to_pylist()]
        shares = np.array(table["probabilities"].to_pylist(), dtype=np.float32)
        if member.place == BASE:
            votes_NV[rows, :classes] = shares
        else:
            votes_NV[rows, classes + member.place - 1] = shares[:, 0]
    if np.isnan(votes_NV).any():
        raise CheckpointError(f"{folder / MEMBERS} is incomplete; delete it and run the same command again")
    return torch.from_numpy(votes_NV), labels_of(pupils, run.classes, run.options)


def _votes(stacked: Stacked, split: Split) -> tuple[Tensor, Tensor]:
    """The finished members' votes (N, 2 C) on a split and its labels, on the CPU."""
    if not len(split):
        return torch.empty((0, 2 * len(stacked.experts))), split.labels.cpu()
    device = split.labels.device
    votes_NV = class_scores(on_device(Votes(stacked), device), split.images)
    on_device(stacked, torch.device("cpu"))
    return votes_NV.cpu().clone(), split.labels.cpu()


def _average(stacked: Stacked, data: Examples, run: TrainingRun) -> Scores:
    votes_NV, labels_N = _votes(stacked, data.test)
    guess_N = plain_average(votes_NV).argmax(dim=1).numpy()
    return score(labels_N.numpy(), guess_N, run.classes, data.test.sources)


def _remarks(members: list[Member], unseen: list[str], seconds: float) -> tuple[str, ...]:
    folds = len({member.fold for member in members} - {None})
    found = [
        f"{len(members)} nets were trained, over {folds} folds and on all, in {seconds:.0f} seconds; epochs counts the "
        "judge's",
    ]
    if unseen:
        found.append(
            f"all training examples of {', '.join(unseen)} hang together: out of fold no net had met that class"
        )
    return tuple(found)


def _unit_of_splits(dataset: Dataset) -> str:
    """What the export never parted: folds are to be as honest as the splits."""
    splits = dataset.manifest.options.get("split", {})
    return str(splits.get("unit", "")) if isinstance(splits, dict) else ""
