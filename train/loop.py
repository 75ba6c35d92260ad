"""The training loop, from top to bottom: a dataset and a recipe in, a finished run out.

It may be killed at any moment. Every epoch ends with a checkpoint, and every epoch draws all its randomness from the
run's seed and its own number, so a run that was killed ends with the same bits as one that was not (on a CPU with the
same number of threads; on CUDA with `deterministic`). Under torchrun several processes share each batch (`train.team`).
"""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.core.errors import CheckpointError
from pipeline.core.files import disk_errors, write_text
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from train.augment import as_float, augment_options, changed, draw_changes
from train.average import Average
from train.best.fit import BEST, fit_best
from train.checkpoint import State, Training, load_checkpoint, save_checkpoint
from train.ensemble import train_ensemble
from train.epochs import Sums, line_of, rank, words_of
from train.examples import Examples, colour_statistics, read_examples
from train.losses import Loss, build_loss
from train.memory import memory_errors
from train.mixing import mixed
from train.models import ENSEMBLE, build_net
from train.options import TrainOptions
from train.outcome import write_outcome
from train.predict import choose_device, on_device
from train.randomness import batches, reproducible, seed_for
from train.runs import CHECKPOINT, METRICS, Summary, TrainingRun, only_trainer, read_summary, write_card
from train.schedule import build_optimizer, enter_phase, phase_of, rate_at, set_rate
from train.team import Team, joined
from train.weights import begin, origin_of


def train(dataset: Dataset, run: TrainingRun, runs: Path, progress: Progress | None = None) -> Summary:
    """Trains to the end, going on where an earlier call was killed; a finished run is only read. Writes `runs/ID/`.

    Raises:
        DatasetError: an image is missing or damaged.
        CheckpointError: the run's own files are damaged.
        InputError: the loss is no number any more, or a batch does not fit into memory.
        MissingToolError: CUDA was asked for and there is none.
        WorkspaceBusyError: another process trains this run.
    """
    progress, folder, options = progress or Silent(), runs / run.id, run.options
    if (finished := read_summary(folder)) is not None:
        return finished
    if run.net.startswith(ENSEMBLE):
        return train_ensemble(dataset, run, runs, progress, train)
    device = choose_device(options.device)
    with joined(device) as team, only_trainer(folder) if team.leads else contextlib.nullcontext():
        if (finished := read_summary(folder)) is not None:
            return finished
        with reproducible(device, options):
            if team.leads:
                write_card(folder, run)
            team.wait()
            progress = progress if team.leads else Silent()
            data = read_examples(dataset, run.classes, options, device, progress, folder)
            net = fresh_net(run, data, device, begun=(folder / CHECKPOINT).exists())
            loss_of = build_loss(data.train, options)
            with memory_errors(net, loss_of, options, len(run.classes)):
                if run.net != BEST:
                    training = fit(run, net, loss_of, data, folder, progress, team)
                elif team.leads:
                    training = fit_best(run, net, data, folder, progress)
            if team.leads:
                write_outcome(folder, run, net, data, training, reason_to_stop(training, data, options) or "fitted")
            team.wait()
    finished = read_summary(folder)
    assert finished is not None, "it has just been written"
    return finished


def fit(
    run: TrainingRun, net: nn.Module, loss_of: Loss, data: Examples, folder: Path, progress: Progress, team: Team
) -> Training:
    """Trains the net epoch by epoch; keeps checkpoint and metrics.jsonl. Raises InputError, CheckpointError."""
    options, train, device = run.options, data.train, data.train.labels.device
    changes = augment_options(options)
    optimizer, average = build_optimizer(net, options), Average(net, options.ema) if options.ema else None
    training = resume(folder, run, net, optimizer, average, team)
    kept, first = average.net if average else net, training.epoch + 1
    steps, forward = math.ceil(len(train) / options.batch_size), compiled(net, options)
    on_tensor_cores = torch.autocast(device.type, torch.bfloat16, enabled=options.amp and device.type == "cuda")
    with progress.step(f"train {run.recipe}", (options.epochs - training.epoch) * len(train), "images") as step:
        while reason_to_stop(training, data, options) is None:
            epoch = training.epoch + 1
            enter_phase(net, phase_of(options, epoch))
            if team.size > 1 and epoch in (first, options.frozen_epochs + 1):  # other weights are trained from now on
                forward = compiled(team.joined_net(net), options)
            torch.manual_seed(seed_for(options, epoch, f"dropout {team.rank}" if team.rank else "dropout"))
            randomness = torch.Generator().manual_seed(seed_for(options, epoch, "order"))
            sums, rate = Sums(epoch, options, device), 0.0
            for number, batch in enumerate(batches(train, options, randomness)):
                share, weight = team.share(len(batch)), team.weight(len(batch))
                rows = batch[share]
                images = train.pictures(rows)
                if changes:
                    draws = draw_changes(len(batch), randomness, changes)[share]
                    images = changed(images, options.image_size, draws, changes)
                else:
                    images = as_float(images)
                if not options.channels_last:
                    images = images.contiguous()
                images, targets = mixed(images, train.targets[rows], options, randomness)
                with on_tensor_cores:
                    scores = forward(images)
                loss = loss_of(scores, targets)
                sums.add(number, loss, scores, train.labels[rows] if weight else train.labels[:0])
                optimizer.zero_grad()
                torch.autograd.backward(loss if weight == 1 else loss * weight)
                if options.gradient_clip:
                    nn.utils.clip_grad_norm_(net.parameters(), options.gradient_clip)
                rate = rate_at(options, epoch - 1 + (number + 0.5) / steps)
                set_rate(optimizer, rate)
                optimizer.step()
                if average:
                    average.follow(net, (epoch - 1) * steps + number + 1)
                step.advance(len(batch))
            team.level(net)
            team.level(kept)
            metrics = team.as_the_leader_says(sums.metrics(kept, data, rate, team))
            training.model, training.average = state_of(net), state_of(average.net) if average else {}
            training.optimizer = optimizer.state_dict()
            training.history.append(metrics)
            if training.best_epoch == 0 or rank(metrics) > rank(training.best):
                training.best_epoch, training.best_model = epoch, training.average or training.model
            if team.leads:
                save_checkpoint(folder / CHECKPOINT, run.digest, training)
                with disk_errors(folder), (folder / METRICS).open("a", encoding="utf-8") as stream:
                    stream.write(line_of(metrics))
            step.note(words_of(metrics, options))
    return training


def resume(
    folder: Path,
    run: TrainingRun,
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    team: Team,
) -> Training:
    """Puts net, optimiser, average and metrics.jsonl back to the last checkpoint; before the first, leaves them fresh."""
    path = folder / CHECKPOINT
    training = load_checkpoint(path, run.digest)
    if training is None:
        training = Training(model=net.state_dict(), optimizer=optimizer.state_dict(), origin=origin_of(net))
    else:
        try:
            net.load_state_dict(training.model)
            optimizer.load_state_dict(training.optimizer)
            if average:
                average.net.load_state_dict(training.average)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} does not fit this net ({error}); delete it and run the same command again"
            ) from error
    if team.leads:
        write_text(folder / METRICS, "".join(line_of(metrics) for metrics in training.history))
    return training


def reason_to_stop(training: Training, data: Examples, options: TrainOptions) -> str | None:
    """Why no further epoch is due; None when one is."""
    if training.epoch >= options.epochs:
        return "all epochs done"
    waited = training.epoch - max(training.best_epoch, options.frozen_epochs)
    if options.patience and len(data.val) and waited >= options.patience:
        return f"no better for {waited} epochs"
    return None


def fresh_net(run: TrainingRun, data: Examples, device: torch.device, *, begun: bool = False) -> nn.Module:
    """The run's net before the first epoch, with the colour statistics of the training split.

    A run that has `begun` has its weights in its checkpoint: the file that it began with is not asked for again. What
    `best` begins with is for `fit_best`.
    """
    mean_3, std_3 = colour_statistics(data.train.images, grey=run.options.grey)
    torch.manual_seed(seed_for(run.options, 0, "weights"))
    net = build_net(run.net, len(run.classes), run.options, mean_3, std_3)
    if not begun and run.net != BEST:
        begin(net, run.net, run.options.weights)
    return on_device(net, device) if run.options.channels_last else net.to(device)


def compiled(net: nn.Module, options: TrainOptions) -> Callable[[Tensor], Tensor]:
    """The net, as one program of torch.compile when the options ask for it; its weights are the net's own."""
    return torch.compile(net, dynamic=False) if options.compile else net


def state_of(net: nn.Module) -> State:
    """A copy of the net's tensors on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}
