"""What a face shows over time, given what a model said about single pictures of it.

A hidden Markov model over the track (Rabiner 1989): the emotion stays, or jumps to any other, at a constant rate, so
uneven gaps between samples need no grid; the forward-backward recursion gives each sample's probabilities given all
samples. A model's answer is p(emotion | picture); with every emotion equally likely beforehand it is, up to a factor,
the likelihood that the recursion needs (hybrid HMM: Bourlard & Morgan 1994). Pictures of one held drawing are one
observation: their probabilities are averaged in log space (a logarithmic opinion pool: Genest & Zidek 1986); samples
that are close in time count less by a power below 1, because their errors are not independent.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.timeline.records import Probabilities, TimelineOptions

LEAST = 1e-6
"""a probability is never taken for smaller: one picture alone must not rule anything out"""


def smoothed(
    said_TC: Probabilities, seconds_T: Sequence[float], holds_T: Sequence[int], options: TimelineOptions
) -> Probabilities:
    """(T, C) probabilities of every sample given all of the track.

    Args:
        said_TC: what the model said of each picture, calibrated.
        seconds_T: when, ascending.
        holds_T: a number of the drawing it shows; neighbours with the same one are one observation.

    Raises:
        ValueError: lengths differ, or nothing was said.
    """
    if not len(said_TC) == len(seconds_T) == len(holds_T) or not len(said_TC):
        raise ValueError(f"cannot smooth {len(said_TC)} answers at {len(seconds_T)} times of {len(holds_T)} drawings")
    if not options.smooth:
        return np.asarray(said_TC, dtype=np.float64)
    logs = np.log(np.clip(said_TC, LEAST, 1.0))
    group_T = np.concatenate([[0], np.cumsum(np.diff(np.asarray(holds_T)) != 0)]).astype(np.int64)
    groups = int(group_T[-1]) + 1
    counts = np.bincount(group_T, minlength=groups).astype(np.float64)
    sums_CG = [np.bincount(group_T, weights=column, minlength=groups) for column in logs.T]
    logs_GC = np.stack(sums_CG, axis=1).astype(np.float64) / counts[:, None]
    times_G = np.bincount(group_T, weights=np.asarray(seconds_T, dtype=np.float64), minlength=groups) / counts
    gaps = np.diff(times_G)
    weights = np.ones(groups)
    if options.independent_seconds > 0:
        weights[1:] = np.minimum(1.0, gaps / options.independent_seconds)
    return forward_backward(logs_GC * weights[:, None], gaps, options.stay_seconds)[group_T]


def forward_backward(logs_GC: Probabilities, gaps: NDArray[np.float64], stay_seconds: float) -> Probabilities:
    """(G, C) probabilities of hidden states given all observations.

    Args:
        logs_GC: log likelihood of each observation in each state, up to a constant per row.
        gaps: (G - 1,) seconds between them.
        stay_seconds: mean time in a state; a jump leads to each of the others equally often.
    """
    groups, states = logs_GC.shape
    if states == 1:
        return np.ones_like(logs_GC)
    likely = np.exp(logs_GC - logs_GC.max(axis=1, keepdims=True))
    # of a symmetric jump process: p(same) = 1/C + (1 - 1/C) exp(-t C / ((C - 1) stay))
    fades = np.exp(-gaps * states / ((states - 1) * stay_seconds))
    forward, backward = np.empty_like(likely), np.ones_like(likely)
    forward[0] = likely[0] / likely[0].sum()
    for g in range(1, groups):
        row = likely[g] * _moved(forward[g - 1], fades[g - 1])
        forward[g] = row / row.sum()
    for g in range(groups - 2, -1, -1):
        row = _moved(likely[g + 1] * backward[g + 1], fades[g])
        backward[g] = row / row.sum()
    found = forward * backward
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _moved(state_C: NDArray[np.float64], fade: float) -> NDArray[np.float64]:
    """The state after a while: what is kept, and the rest spread evenly (the chain is symmetric)."""
    return np.asarray(fade * state_C + (1 - fade) * state_C.sum() / len(state_C))


def calibrated(said_TC: Probabilities, temperature: float) -> Probabilities:
    """Probabilities made softer (temperature over 1) or surer: temperature scaling (Guo et al. 2017).

    A softmax of scores divided by T is a power 1/T of the probabilities, so the scores themselves are not needed.
    """
    logs = np.log(np.clip(said_TC, LEAST, 1.0)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
