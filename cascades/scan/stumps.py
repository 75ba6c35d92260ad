"""Haar stumps over blocks of windows side by side: the loop for most cascades.

A block is 32 windows and one word of bits says which of them are left. The block is given up when none is, and run
one by one when few are. Sums of a block are float32: where one comes so close to the threshold that rounding could decide,
the window's stage is summed again in float64, as OpenCV does. Offsets are unsigned, as a negative index would wrap
round and cost a test for each load, and arrays are flat, as a slice costs more than the work on it.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.scan.bits import LANES, NINE_CORNERS, SIX_CORNERS, bits_set, lowest_bit, passing_bits, positive_bits
from cascades.scan.lean import lean

_U, _F, _I = np.uint64, np.float32, np.int32
_EVEN = np.uint64(0x5555555555555555)


@lean
def _corner(sums: NDArray[np.int32], at: np.uint64, corners: NDArray[np.uint32], k: np.uint64) -> np.int32:
    value: np.int32 = sums[at + _U(corners[k])]
    return value


@lean
def _value(
    sums: NDArray[np.int32],
    at: np.uint64,
    corners: NDArray[np.uint32],
    numbers: NDArray[np.float32],
    form: int,
    stump: int,
) -> np.float32:
    """A stump's value before it is normalised."""
    k, r = _U(stump) * _U(12), _U(stump) * _U(4)
    a, b = _corner(sums, at, corners, k), _corner(sums, at, corners, k + _U(1))
    c, d = _corner(sums, at, corners, k + _U(2)), _corner(sums, at, corners, k + _U(3))
    e, f = _corner(sums, at, corners, k + _U(4)), _corner(sums, at, corners, k + _U(5))
    if form == SIX_CORNERS:
        return _F(_I(_I(_I(a - b) + _I(c - d)) + _I(_I(e - f) * _I(2))))
    g, h = _corner(sums, at, corners, k + _U(6)), _corner(sums, at, corners, k + _U(7))
    if form == NINE_CORNERS:
        middle = _I(_I(_I(e - f) - _I(g - e)) - _I(h + _corner(sums, at, corners, k + _U(8))))
        return _F(_I(_I(_I(a + b) + _I(c + d)) + _I(middle * _I(2))))
    v: np.float32 = numbers[r] * _F(_I(_I(a - b) - _I(c - d))) + numbers[r + _U(1)] * _F(_I(_I(e - f) - _I(g - h)))
    if numbers[r + _U(2)] != _F(0.0):
        k += _U(8)
        a, b = _corner(sums, at, corners, k), _corner(sums, at, corners, k + _U(1))
        c, d = _corner(sums, at, corners, k + _U(2)), _corner(sums, at, corners, k + _U(3))
        v += numbers[r + _U(2)] * _F(_I(_I(a - b) - _I(c - d)))
    return v


@lean
def _sum_of_stage(
    sums: NDArray[np.int32],
    at: np.uint64,
    norm: np.float32,
    corners: NDArray[np.uint32],
    forms: NDArray[np.int32],
    numbers: NDArray[np.float32],
    leaves: NDArray[np.float32],
    first: int,
    end: int,
) -> float:
    """A stage's sum for one window, in float64 and in OpenCV's order."""
    score = 0.0
    for t in range(_U(first), _U(end)):
        below = _value(sums, at, corners, numbers, forms[t], t) * norm < numbers[t * _U(4) + _U(3)]
        score += leaves[t * _U(2)] if below else leaves[t * _U(2) + _U(1)]
    return score


@lean
def _stages_passed(
    sums: NDArray[np.int32],
    at: np.uint64,
    norm: np.float32,
    corners: NDArray[np.uint32],
    forms: NDArray[np.int32],
    numbers: NDArray[np.float32],
    leaves: NDArray[np.float32],
    ends: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    stage: int,
) -> int:
    """How many stages one window passes, from `stage` on; those before it are taken as passed."""
    first = ends[stage - 1] if stage > 0 else 0
    while stage < ends.size:
        if _sum_of_stage(sums, at, norm, corners, forms, numbers, leaves, first, ends[stage]) < thresholds[stage]:
            return stage
        first = ends[stage]
        stage += 1
    return stage


@lean
def _after_odd_runs(failed: np.uint64) -> np.uint64:
    """Bits that directly follow a run of an odd number of bits: the windows that OpenCV steps over.

    Runs are added to, so that each carries into the bit after it, apart by where it began (Langdale & Lemire 2019).
    """
    starts = failed & ~(failed << _U(1))
    after_even = (failed + (starts & _EVEN)) & ~failed
    after_odd = (failed + (starts & ~_EVEN)) & ~failed
    return (after_even & ~_EVEN) | (after_odd & _EVEN)


@lean
def scan_blocks(
    sums: NDArray[np.int32],
    norms: NDArray[np.float32],
    stride: int,
    columns: int,
    corners: NDArray[np.uint32],
    forms: NDArray[np.int32],
    numbers: NDArray[np.float32],
    leaves: NDArray[np.float32],
    ends: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    slacks: NDArray[np.float32],
    together: int,
    skips: bool,
    first: int,
    end: int,
    found: NDArray[np.int64],
    work: NDArray[np.int64],
) -> int:
    """Rows `first` to `end` of windows, LANES columns or more: fills places of those that pass all, returns how many.

    Stages, of which there is one at least, run over a block as long as more than `together` of its windows are left, then
    over each of these alone. With `skips`, a window is not looked at after a neighbour on its left that was, and
    failed the first stage: OpenCV's rule. `work` counts stumps run over blocks, and alone. The last block of a row ends
    with the row and overlaps the one before; windows of the overlap are not looked at again.
    """
    stages, hits = ends.size, 0
    all_lanes, one = (_U(1) << _U(LANES)) - _U(1), _U(1)
    for y in range(first, end):
        odd = _U(0)
        for begin in range(0, columns, LANES):
            start = min(begin, columns - LANES)
            at, done = _U(y * stride + start), _U(begin - start)
            left = positive_bits(norms, at) & (all_lanes << done)
            if left == _U(0):
                odd = _U(0)
                continue
            stage = 0
            while stage < stages and (stage == 0 or bits_set(left) > _U(together)):
                before = ends[stage - 1] if stage > 0 else 0
                threshold = thresholds[stage]
                bits = passing_bits(
                    sums, at, corners, forms, numbers, leaves, before, ends[stage], norms, threshold, slacks[stage]
                )
                work[0] += LANES * (ends[stage] - before)
                passes, doubts = bits & all_lanes, (bits >> _U(LANES)) & left
                while doubts != _U(0):
                    i = lowest_bit(doubts)
                    doubts &= doubts - one
                    exact = _sum_of_stage(
                        sums, at + i, norms[at + i], corners, forms, numbers, leaves, before, ends[stage]
                    )
                    passes = passes & ~(one << i) if exact < threshold else passes | (one << i)
                if stage == 0 and skips:
                    # one bit further up, so that a run in the block before can go on in this one
                    failed = ((left & ~passes) >> done << one) | odd
                    skipped = _after_odd_runs(failed)
                    odd = (skipped >> (_U(LANES) + one - done)) & one
                    passes &= ~(skipped >> one << done)
                left &= passes
                stage += 1
            while left != _U(0):
                i = lowest_bit(left)
                left &= left - one
                passed = _stages_passed(
                    sums, at + i, norms[at + i], corners, forms, numbers, leaves, ends, thresholds, stage
                )
                work[1] += ends[min(passed, stages - 1)] - ends[stage - 1]
                if passed == stages:
                    found[hits] = y * stride + start + int(i)
                    hits += 1
    return hits
