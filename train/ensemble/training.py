"""Trains an ensemble: its members are ordinary runs in its folder, so a killed one goes on where it was."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline.core.errors import CheckpointError
from pipeline.core.files import write_text
from pipeline.core.manifest import Dataset, Example
from pipeline.core.progress import Progress
from train.augment import as_float
from train.checkpoint import Training
from train.ensemble.judging import fit_judge
from train.ensemble.members import BASE, Member, folds_of, members_of, unseen_classes
from train.examples import Examples, Split, labels_of, read_examples
from train.metrics import Scores, score
from train.models import build_net
from train.models.normalised import Normalised
from train.models.stacked import Stacked, plain_average
from train.options import TrainOptions
from train.outcome import write_outcome
from train.predict import BATCH, choose_device, load_run, on_device
from train.runs import CHECKPOINT, METRICS, PREDICTIONS, Summary, TrainingRun

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
    folder, options = runs / run.id, run.options
    pupils = [example for example in dataset.examples if example.split == "train"]
    fold_of = folds_of(pupils, options.seed, _unit_of_splits(dataset))
    members = members_of(dataset, run, fold_of)
    summaries = {(m.role, m.fold): _trained(m, folder / MEMBERS, progress, trainer) for m in members}
    data = read_examples(dataset, run.classes, options, choose_device(options.device), progress)
    net, stacked = _assembled(run, data, members, folder, summaries[BASE, None])
    started = perf_counter()
    votes, labels = _out_of_fold(members, folder, run, pupils)
    torch.manual_seed(_seed(options))
    device = data.test.images.device
    history = fit_judge(stacked.judge, votes.to(device), labels.to(device), _votes(net, data.val), options)
    history[0] = replace(
        history[0], seconds=perf_counter() - started + sum(summary.seconds for summary in summaries.values())
    )
    write_text(folder / METRICS, "".join(json.dumps(asdict(metrics)) + "\n" for metrics in history))
    weights = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
    training = Training(model=weights, optimizer={}, best_epoch=len(history), best_model=weights, history=history)
    remarks = _remarks(members, unseen_classes(pupils, fold_of, options), history[0].seconds)
    beside = _beside(net, data, run, summaries[BASE, None])
    return write_outcome(folder, run, net, data, training, "the judge has learned", beside, remarks)


def _trained(member: Member, runs: Path, progress: Progress, trainer: Trainer) -> Summary:
    summary = trainer(member.dataset, member.run, runs, progress)
    (runs / member.run.id / CHECKPOINT).unlink(missing_ok=True)  # it is as large as the model, many times over
    return summary


def _assembled(
    run: TrainingRun, data: Examples, members: list[Member], folder: Path, base: Summary
) -> tuple[Normalised, Stacked]:
    """The ensemble's net with the members that were trained on all in it."""
    device = data.test.images.device
    torch.manual_seed(_seed(run.options))
    net = build_net(run.net, len(run.classes), run.options, torch.zeros(3), torch.ones(3))
    net.origin = base.weights
    stacked = net.net
    assert isinstance(stacked, Stacked)
    places = dict(zip((BASE, *run.classes), (stacked.base, *stacked.experts), strict=True))
    for member in members:
        if member.fold is None:
            found = load_run(folder / MEMBERS / member.run.id, device.type)
            places[member.role].load_state_dict(found.net.state_dict())
    on_device(net, device)
    return net, stacked


def _out_of_fold(members: list[Member], folder: Path, run: TrainingRun, pupils: list[Example]) -> tuple[Tensor, Tensor]:
    """Votes (N, 2 C) on the training examples by nets that did not see them, and their labels (N,)."""
    column = {role: index for index, role in enumerate((BASE, *run.classes))}
    row = {example.id: index for index, example in enumerate(pupils)}
    classes = len(run.classes)
    votes_NV = np.full((len(pupils), 2 * classes), np.nan, dtype=np.float32)
    for member in members:
        if member.fold is None:
            continue
        table = pq.read_table(folder / MEMBERS / member.run.id / PREDICTIONS, columns=["example", "probabilities"])
        rows = [row[id] for id in table["example"].to_pylist()]
        shares = np.array(table["probabilities"].to_pylist(), dtype=np.float32)
        if member.role == BASE:
            votes_NV[rows, :classes] = shares
        else:
            votes_NV[rows, classes + column[member.role] - 1] = shares[:, 0]
    if np.isnan(votes_NV).any():
        raise CheckpointError(f"{folder / MEMBERS} is incomplete; delete it and run the same command again")
    return torch.from_numpy(votes_NV), labels_of(pupils, run.classes, run.options)


def _votes(net: Normalised, split: Split) -> tuple[Tensor, Tensor]:
    """The finished members' votes (N, 2 C) on a split, and its labels."""
    net.eval()
    stacked = net.net
    assert isinstance(stacked, Stacked)
    with torch.inference_mode():
        found = [stacked.votes(as_float(batch)) for batch in torch.split(split.images, BATCH) if len(batch)]
    empty = torch.empty((0, 2 * len(stacked.experts)), device=split.images.device)
    return torch.cat([empty, *found]).clone(), split.labels


def _beside(net: Normalised, data: Examples, run: TrainingRun, base: Summary) -> dict[str, Scores]:
    votes_NV, labels_N = _votes(net, data.test)
    guess_N = plain_average(votes_NV).argmax(dim=1).cpu().numpy()
    average = score(labels_N.cpu().numpy(), guess_N, run.classes, data.test.sources)
    return {"base": base.test, "average": average}


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


def _seed(options: TrainOptions) -> int:
    return int.from_bytes(sha256(f"{options.seed} judge".encode()).digest()[:8]) >> 1
