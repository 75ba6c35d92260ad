"""The loops over windows: a stage over 32 of them side by side, and the rest of a cascade for the few that are left.

A block is 32 windows and one word of bits says which of them are left. The block is given up when none is; when few are,
they wait with those of other blocks until they are a pack of eight for the next stage. Sums of blocks and packs are
float32: where one comes so close to the threshold that rounding could decide, the window's stage is summed again in
float64, as OpenCV does. Offsets are unsigned, as a negative index would wrap
round and cost a test for each load, and arrays are flat, as a slice costs more than the work on it. Everything lies in
one file as Numba's cache needs it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cascades.scan.bits import (
    HAAR_CORNERS,
    LANES,
    LBP_CORNERS,
    NINE_CORNERS,
    PACK,
    PACK_ROW,
    SIX_CORNERS,
    bits_set,
    lowest_bit,
    pattern_bits,
    positive_bits,
    stump_bits,
    tree_bits,
)
from cascades.scan.lean import inlined, lean

STUMPS, TREES, LBP_STUMPS, LBP_TREES = 0, 1, 2, 3
"""sorts of cascades: what the kernels branch on"""
TOGETHER = 4
"""a stage runs over a block of 32 windows while more than this many of them are left, then over packs"""
_U, _F, _I = np.uint64, np.float32, np.int32
_ALL = np.uint64((1 << LANES) - 1)


class Tables(NamedTuple):
    """A cascade as the kernels take it; N nodes, T trees, S stages. All flat."""

    kind: int
    dense: bool
    """whether stages can be run over blocks"""
    corners: NDArray[np.uint32]
    """(N * 12) offsets from a window's place, arranged by the node's form; LBP: (N * 16)"""
    forms: NDArray[np.int32]
    """(N,) Haar: how a value is computed"""
    numbers: NDArray[np.float32]
    """(N * 4) Haar: three weights and the cut"""
    subsets: NDArray[np.int32]
    """(N * 8) LBP: the codes that go left"""
    children: NDArray[np.int32]
    """(N * 2) left and right: a node's number, or -1 - the number of a leaf"""
    leaves: NDArray[np.float32]
    roots: NDArray[np.int32]
    """(T + 1,) first node of each tree, and the number of nodes"""
    table: NDArray[np.float32]
    """(T * 256) the leaf's value for each code: an LBP pattern, or which of a tree's nodes a window goes left at"""
    ends: NDArray[np.int64]
    """(S,) one past the last tree of each stage"""
    thresholds: NDArray[np.float32]
    """(S,) the least sum that passes"""
    slacks: NDArray[np.float32]
    """(S,) how far a float32 sum can be from the float64 one"""
    order: NDArray[np.int64]
    """(S,) in which stages are run on many windows: any gives the same, those that reject most for their trees cost least"""


# ------------------------------------------------------------------------------------------- one window


@inlined
def _corner(tables: Tables, sums: NDArray[np.int32], at: np.uint64, k: np.uint64) -> np.int32:
    value: np.int32 = sums[at + _U(tables.corners[k])]
    return value


@inlined
def _haar_value(tables: Tables, sums: NDArray[np.int32], at: np.uint64, node: int) -> np.float32:
    """A node's value before it is normalised."""
    k, r, form = _U(node) * _U(HAAR_CORNERS), _U(node) * _U(4), tables.forms[node]
    a, b = _corner(tables, sums, at, k), _corner(tables, sums, at, k + _U(1))
    c, d = _corner(tables, sums, at, k + _U(2)), _corner(tables, sums, at, k + _U(3))
    e, f = _corner(tables, sums, at, k + _U(4)), _corner(tables, sums, at, k + _U(5))
    if form == SIX_CORNERS:
        return _F(_I(_I(_I(a - b) + _I(c - d)) + _I(_I(e - f) * _I(2))))
    g, h = _corner(tables, sums, at, k + _U(6)), _corner(tables, sums, at, k + _U(7))
    if form == NINE_CORNERS:
        middle = _I(_I(_I(e - f) - _I(g - e)) - _I(h + _corner(tables, sums, at, k + _U(8))))
        return _F(_I(_I(_I(a + b) + _I(c + d)) + _I(middle * _I(2))))
    v: np.float32 = tables.numbers[r] * _F(_I(_I(a - b) - _I(c - d)))
    v += tables.numbers[r + _U(1)] * _F(_I(_I(e - f) - _I(g - h)))
    if tables.numbers[r + _U(2)] != _F(0.0):
        k += _U(8)
        a, b = _corner(tables, sums, at, k), _corner(tables, sums, at, k + _U(1))
        c, d = _corner(tables, sums, at, k + _U(2)), _corner(tables, sums, at, k + _U(3))
        v += tables.numbers[r + _U(2)] * _F(_I(_I(a - b) - _I(c - d)))
    return v


@inlined
def _block_sum(tables: Tables, sums: NDArray[np.int32], at: np.uint64, k: np.uint64) -> np.int32:
    """One of the 3x3 blocks of an LBP feature, by the number of its first corner."""
    a, b = _corner(tables, sums, at, k), _corner(tables, sums, at, k + _U(1))
    c, d = _corner(tables, sums, at, k + _U(4)), _corner(tables, sums, at, k + _U(5))
    return _I(_I(a - b) - _I(c - d))


@inlined
def _pattern(tables: Tables, sums: NDArray[np.int32], at: np.uint64, node: int) -> int:
    """The local binary pattern that a node looks at."""
    k = _U(node) * _U(LBP_CORNERS)
    middle = _block_sum(tables, sums, at, k + _U(5))
    code = 128 if _block_sum(tables, sums, at, k) >= middle else 0
    code |= 64 if _block_sum(tables, sums, at, k + _U(1)) >= middle else 0
    code |= 32 if _block_sum(tables, sums, at, k + _U(2)) >= middle else 0
    code |= 16 if _block_sum(tables, sums, at, k + _U(6)) >= middle else 0
    code |= 8 if _block_sum(tables, sums, at, k + _U(10)) >= middle else 0
    code |= 4 if _block_sum(tables, sums, at, k + _U(9)) >= middle else 0
    code |= 2 if _block_sum(tables, sums, at, k + _U(8)) >= middle else 0
    code |= 1 if _block_sum(tables, sums, at, k + _U(4)) >= middle else 0
    return code


@inlined
def _goes_left(tables: Tables, sums: NDArray[np.int32], at: np.uint64, norm: np.float32, node: int) -> bool:
    if tables.kind >= LBP_STUMPS:
        code = _pattern(tables, sums, at, node)
        return bool((tables.subsets[node * 8 + (code >> 5)] >> (code & 31)) & 1)
    return bool(_haar_value(tables, sums, at, node) * norm < tables.numbers[node * 4 + 3])


@inlined
def _sum_of_stage(
    tables: Tables, sums: NDArray[np.int32], at: np.uint64, norm: np.float32, first: int, end: int
) -> float:
    """A stage's sum for one window, in float64 and in OpenCV's order."""
    score = 0.0
    if tables.kind == STUMPS:
        for t in range(_U(first), _U(end)):
            below = _haar_value(tables, sums, at, t) * norm < tables.numbers[t * _U(4) + _U(3)]
            score += tables.leaves[t * _U(2)] if below else tables.leaves[t * _U(2) + _U(1)]
        return score
    for t in range(first, end):
        node = tables.roots[t]
        while node >= 0:
            left = _goes_left(tables, sums, at, norm, node)
            node = tables.children[2 * node] if left else tables.children[2 * node + 1]
        score += tables.leaves[-1 - node]
    return score


@inlined
def _passes(tables: Tables, sums: NDArray[np.int32], at: np.uint64, norm: np.float32, stage: int) -> bool:
    """Whether one window passes a stage."""
    first = tables.ends[stage - 1] if stage > 0 else 0
    return bool(_sum_of_stage(tables, sums, at, norm, first, tables.ends[stage]) >= tables.thresholds[stage])


@inlined
def _is_stepped_over(
    tables: Tables, sums: NDArray[np.int32], at: np.uint64, norms: NDArray[np.float32], norm_at: np.uint64, columns: int
) -> bool:
    """Whether OpenCV leaves a window out, of which `columns` lie left in its row.

    It does after a window that it looked at and the first stage rejected: where an odd number of such lie next to it.
    """
    is_odd = False
    for i in range(1, columns + 1):
        norm = norms[norm_at - _U(i)]
        if norm <= _F(0.0) or _passes(tables, sums, at - _U(i), norm, 0):
            break
        is_odd = not is_odd
    return is_odd


@lean
def fill_passes(
    tables: Tables,
    sums: NDArray[np.int32],
    norms_N: NDArray[np.float32],
    places_N: NDArray[np.int64],
    passes_NS: NDArray[np.bool_],
) -> None:
    """Which windows pass each stage, whatever the others say."""
    for n in range(places_N.size):
        for s in range(tables.ends.size):
            passes_NS[n, s] = _passes(tables, sums, _U(places_N[n]), norms_N[n], s)


@lean
def judge_places(
    tables: Tables,
    sums: NDArray[np.int32],
    norms_N: NDArray[np.float32],
    places: NDArray[np.int64],
    stages: NDArray[np.int32],
    lasts: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Stages passed, sum of the last stage that was run, and margins added up over all that were, of given windows."""
    for n in range(places.size):
        stages[n], lasts[n], totals[n] = -1, 0.0, 0.0
        if norms_N[n] <= _F(0.0):
            continue
        stages[n] = 0
        first = 0
        for s in range(tables.ends.size):
            lasts[n] = _sum_of_stage(tables, sums, _U(places[n]), norms_N[n], first, tables.ends[s])
            first = tables.ends[s]
            totals[n] += lasts[n] - tables.thresholds[s]
            if lasts[n] < tables.thresholds[s]:
                break
            stages[n] = s + 1


# ------------------------------------------------------------------------------------------- a block, a pack


@inlined
def _bits(
    tables: Tables, sums: NDArray[np.int32], at: "np.uint64 | NDArray[np.uint64]", norms: NDArray[np.float32],
    norm_at: np.uint64, stage: int,
) -> np.uint64:  # fmt: skip
    """As `stump_bits`: which windows of a block or a pack pass a stage, and of which it is in doubt."""
    first, end = tables.ends[stage - 1] if stage > 0 else 0, tables.ends[stage]
    threshold, slack = tables.thresholds[stage], tables.slacks[stage]
    if tables.kind == STUMPS:
        bits: np.uint64 = stump_bits(tables, sums, at, norms, norm_at, first, end, threshold, slack)
    elif tables.kind == TREES:
        bits = tree_bits(tables, sums, at, norms, norm_at, first, end, threshold, slack)
    else:
        bits = pattern_bits(tables, sums, at, norms, norm_at, first, end, threshold, slack)
    return bits


@inlined
def _with(bits: np.uint64, i: np.uint64, truth: bool) -> np.uint64:
    """The bits, the `i`th of them set or not."""
    return bits | (_U(1) << i) if truth else bits & ~(_U(1) << i)


@inlined
def _block_bits(
    tables: Tables, sums: NDArray[np.int32], at: np.uint64, norms: NDArray[np.float32], norm_at: np.uint64,
    left: np.uint64, stage: int,
) -> np.uint64:  # fmt: skip
    """Which of the windows of a block that are `left` pass a stage."""
    bits = _bits(tables, sums, at, norms, norm_at, stage)
    doubts, passes = (bits >> _U(LANES)) & left, bits & left
    while doubts != _U(0):
        i = lowest_bit(doubts)
        doubts &= doubts - _U(1)
        passes = _with(passes, i, _passes(tables, sums, at + i, norms[norm_at + i], stage))
    return passes


@inlined
def _pack_bits(
    tables: Tables, sums: NDArray[np.int32], waiting: NDArray[np.uint64], norms: NDArray[np.float32], at: np.uint64,
    left: np.uint64, stage: int,
) -> np.uint64:  # fmt: skip
    """Which of the 8 waiting windows from `at` on that are `left` pass a stage."""
    bits = _bits(tables, sums, waiting, norms, at, stage)
    doubts, passes = (bits >> _U(LANES)) & left, bits & left
    while doubts != _U(0):
        i = lowest_bit(doubts)
        doubts &= doubts - _U(1)
        place, norm = waiting[at + i], norms[waiting[at + _U(PACK_ROW) + i]]
        passes = _with(passes, i, _passes(tables, sums, place, norm, stage))
    return passes


@inlined
def _wait(
    waiting: NDArray[np.uint64],
    counts: NDArray[np.int64],
    k: int,
    at: np.uint64,
    norm_at: np.uint64,
    columns: np.uint64,
) -> None:
    """Adds a window to those that wait for the `k`th stage: its place, its norm's, how many lie left of it in its row."""
    row = _U(k * 3 * PACK_ROW + counts[k])
    waiting[row], waiting[row + _U(PACK_ROW)], waiting[row + _U(2 * PACK_ROW)] = at, norm_at, columns
    counts[k] += 1


@inlined
def _kept(
    tables: Tables, sums: NDArray[np.int32], at: np.uint64, norms: NDArray[np.float32], norm_at: np.uint64,
    columns: int, found: NDArray[np.int64], hits: int,
) -> int:  # fmt: skip
    """Adds a window that passes all stages to those found, unless it is stepped over; how many there are then."""
    if _is_stepped_over(tables, sums, at, norms, norm_at, columns):
        return hits
    found[hits] = norm_at
    return hits + 1


@lean
def _advance(
    tables: Tables, sums: NDArray[np.int32], norms: NDArray[np.float32], waiting: NDArray[np.uint64],
    counts: NDArray[np.int64], k: int, found: NDArray[np.int64], hits: int, work: NDArray[np.int64],
) -> int:  # fmt: skip
    """Runs the `k`th stage over a pack of those that wait for it, and later ones while a whole pack waits for them."""
    stages = tables.ends.size
    while True:
        count = min(counts[k], PACK)
        counts[k] -= count
        at = _U(k * 3 * PACK_ROW + counts[k])
        work[1] += count * _trees(tables, tables.order[k])
        left = _pack_bits(tables, sums, waiting, norms, at, (_U(1) << _U(count)) - _U(1), tables.order[k])
        k += 1
        while left != _U(0):
            i = at + lowest_bit(left)
            left &= left - _U(1)
            place, number, columns = waiting[i], waiting[i + _U(PACK_ROW)], waiting[i + _U(2 * PACK_ROW)]
            if k < stages:
                _wait(waiting, counts, k, place, number, columns)
            else:
                hits = _kept(tables, sums, place, norms, number, int(columns), found, hits)
        if k == stages or counts[k] < PACK:
            return hits


@inlined
def _alone(tables: Tables, sums: NDArray[np.int32], at: np.uint64, norm: np.float32, work: NDArray[np.int64]) -> bool:
    """Whether a window passes all stages."""
    for k in range(tables.ends.size):
        work[1] += _trees(tables, tables.order[k])
        if not _passes(tables, sums, at, norm, tables.order[k]):
            return False
    return True


@inlined
def _trees(tables: Tables, stage: int) -> int:
    """How many trees a stage has."""
    count: int = tables.ends[stage] - (tables.ends[stage - 1] if stage > 0 else 0)
    return count


@lean
def scan_blocks(
    tables: Tables,
    sums: NDArray[np.int32],
    norms: NDArray[np.float32],
    stride: int,
    norm_stride: int,
    spans_P4: NDArray[np.int64],
    skips: bool,
    waiting: NDArray[np.uint64],
    counts: NDArray[np.int64],
    found: NDArray[np.int64],
    work: NDArray[np.int64],
) -> int:
    """Windows that pass all stages: fills their numbers among the norms, in no order, returns how many.

    spans_P4: place of the first window, its number, columns, rows. With `skips`, a window is not looked at after a
    neighbour on its left that was, and failed the first stage: OpenCV's rule. `waiting` is room for packs, zeros
    (3 * PACK_ROW for each stage), `counts` for a number for each stage, zeros. `work` counts trees run over blocks, and
    over packs or alone. Blocks reach beyond the end of a row; what they read there counts for nothing.
    """
    hits, stages = 0, tables.ends.size
    for p in range(spans_P4.shape[0]):
        columns = spans_P4[p, 2]
        for y in range(spans_P4[p, 3]):
            for begin in range(0, columns, LANES):
                at, norm_at = _U(spans_P4[p, 0] + y * stride + begin), _U(spans_P4[p, 1] + y * norm_stride + begin)
                left = positive_bits(norms, norm_at) & (_ALL >> _U(max(LANES - (columns - begin), 0)))
                k = 0
                while k < stages and tables.dense and bits_set(left) > _U(TOGETHER):
                    work[0] += LANES * _trees(tables, tables.order[k])
                    left = _block_bits(tables, sums, at, norms, norm_at, left, tables.order[k])
                    k += 1
                while left != _U(0):
                    i = lowest_bit(left)
                    left &= left - _U(1)
                    before = begin + int(i) if skips else 0
                    if k < stages and tables.dense:
                        _wait(waiting, counts, k, at + i, norm_at + i, _U(before))
                        if counts[k] == PACK:
                            hits = _advance(tables, sums, norms, waiting, counts, k, found, hits, work)
                    elif tables.dense or _alone(tables, sums, at + i, norms[norm_at + i], work):
                        hits = _kept(tables, sums, at + i, norms, norm_at + i, before, found, hits)
    for k in range(stages):
        while counts[k] > 0:
            hits = _advance(tables, sums, norms, waiting, counts, k, found, hits, work)
    return hits
