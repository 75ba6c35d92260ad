"""The loops over windows: a stage over neighbouring windows at once, and the rest of a cascade for what is left of them.

Windows that lie side by side have their corners side by side, so a stage runs over a row of windows with whole vector
registers. Offsets are unsigned, as a negative index would wrap round and cost a test for each load, and arrays are flat,
as a slice costs more than the work on it. Sums of a row are float32: where one comes so close to the threshold that
rounding could decide, the window's stage is summed again in float64, as OpenCV does. Everything lies in one file as
Numba's cache needs it.
"""

import numpy as np
from numpy.typing import NDArray

from cascades.scan.lean import lean

STUMPS, TREES, LBP_STUMPS, LBP_TREES = 0, 1, 2, 3
"""sorts of cascades: what the kernels branch on"""
CODES = 256
"""entries of a look-up table from a code to a leaf's value"""

_U = np.uint64
_F, _I = np.float32, np.int32


# ------------------------------------------------------------------------------------------- a stage over a row


@lean
def _mark_node(
    sums: NDArray[np.int32],
    at: np.uint64,
    count: np.uint64,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    node: int,
    norms: NDArray[np.float32],
    bit: np.int32,
    codes: NDArray[np.int32],
) -> None:
    """Sets `bit` in the codes of the windows that go left at a node."""
    k, r = _U(node) * _U(12), _U(node) * _U(4)
    a, b, c, d = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    k += _U(4)
    e, f, g, h = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    w0, w1, w2, cut = numbers[r], numbers[r + _U(1)], numbers[r + _U(2)], numbers[r + _U(3)]
    none = _I(0)
    if w2 == _F(0.0):
        for i in range(count):
            v = w0 * _F(_I(_I(sums[a + i] - sums[b + i]) - _I(sums[c + i] - sums[d + i])))
            v += w1 * _F(_I(_I(sums[e + i] - sums[f + i]) - _I(sums[g + i] - sums[h + i])))
            codes[i] |= bit if v * norms[at + i] < cut else none
        return
    k += _U(4)
    j, m, o, p = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    for i in range(count):
        v = w0 * _F(_I(_I(sums[a + i] - sums[b + i]) - _I(sums[c + i] - sums[d + i])))
        v += w1 * _F(_I(_I(sums[e + i] - sums[f + i]) - _I(sums[g + i] - sums[h + i])))
        v += w2 * _F(_I(_I(sums[j + i] - sums[m + i]) - _I(sums[o + i] - sums[p + i])))
        codes[i] |= bit if v * norms[at + i] < cut else none


@lean
def _fill_codes(
    sums: NDArray[np.int32],
    at: np.uint64,
    count: np.uint64,
    corners: NDArray[np.uint64],
    node: int,
    codes: NDArray[np.int32],
) -> None:
    """Local binary patterns of neighbouring windows."""
    k = _U(node) * _U(16)
    p0, p1, p2, p3 = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    k += _U(4)
    p4, p5, p6, p7 = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    k += _U(4)
    p8, p9, p10, p11 = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    k += _U(4)
    p12, p13, p14, p15 = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    zero = _I(0)
    for i in range(count):
        c0, c1, c2, c3 = sums[p0 + i], sums[p1 + i], sums[p2 + i], sums[p3 + i]
        c4, c5, c6, c7 = sums[p4 + i], sums[p5 + i], sums[p6 + i], sums[p7 + i]
        c8, c9, c10, c11 = sums[p8 + i], sums[p9 + i], sums[p10 + i], sums[p11 + i]
        c12, c13, c14, c15 = sums[p12 + i], sums[p13 + i], sums[p14 + i], sums[p15 + i]
        middle = _I(_I(c5 - c6) - _I(c9 - c10))
        code = _I(128) if _I(_I(c0 - c1) - _I(c4 - c5)) >= middle else zero
        code |= _I(64) if _I(_I(c1 - c2) - _I(c5 - c6)) >= middle else zero
        code |= _I(32) if _I(_I(c2 - c3) - _I(c6 - c7)) >= middle else zero
        code |= _I(16) if _I(_I(c6 - c7) - _I(c10 - c11)) >= middle else zero
        code |= _I(8) if _I(_I(c10 - c11) - _I(c14 - c15)) >= middle else zero
        code |= _I(4) if _I(_I(c9 - c10) - _I(c13 - c14)) >= middle else zero
        code |= _I(2) if _I(_I(c8 - c9) - _I(c12 - c13)) >= middle else zero
        code |= _I(1) if _I(_I(c4 - c5) - _I(c8 - c9)) >= middle else zero
        codes[i] = code


@lean
def _add_by_table(
    table: NDArray[np.float32],
    tree: int,
    count: np.uint64,
    codes: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    row = _U(tree) * _U(CODES)
    for i in range(count):
        scores[i] += table[row + _U(codes[i])]


@lean
def _run_stage(
    kind: int,
    sums: NDArray[np.int32],
    at: np.uint64,
    count: np.uint64,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    leaves: NDArray[np.float32],
    roots: NDArray[np.int32],
    table: NDArray[np.float32],
    first: int,
    end: int,
    norms: NDArray[np.float32],
    codes: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """The sums of a stage's trees `first` to `end` for `count` windows side by side from place `at` on."""
    for i in range(count):
        scores[i] = _F(0.0)
    for t in range(first, end):
        if kind == LBP_STUMPS:
            _fill_codes(sums, at, count, corners, t, codes)
        else:
            for i in range(count):
                codes[i] = _I(0)
            bit = 1
            for node in range(roots[t], roots[t + 1]):
                _mark_node(sums, at, count, corners, numbers, node, norms, _I(bit), codes)
                bit *= 2
        _add_by_table(table, t, count, codes, scores)


# ------------------------------------------------------------------------------------------- one window


@lean
def _haar_left(
    sums: NDArray[np.int32],
    at: np.uint64,
    norm: np.float32,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    node: int,
) -> bool:
    """Whether a window goes left at a node."""
    k, r = _U(node) * _U(12), _U(node) * _U(4)
    a, b, c, d = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    v = numbers[r] * _F(_I(_I(sums[a] - sums[b]) - _I(sums[c] - sums[d])))
    k += _U(4)
    a, b, c, d = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
    v += numbers[r + _U(1)] * _F(_I(_I(sums[a] - sums[b]) - _I(sums[c] - sums[d])))
    if numbers[r + _U(2)] != _F(0.0):
        k += _U(4)
        a, b, c, d = at + corners[k], at + corners[k + _U(1)], at + corners[k + _U(2)], at + corners[k + _U(3)]
        v += numbers[r + _U(2)] * _F(_I(_I(sums[a] - sums[b]) - _I(sums[c] - sums[d])))
    return bool(v * norm < numbers[r + _U(3)])


@lean
def _lbp_left(
    sums: NDArray[np.int32], at: np.uint64, corners: NDArray[np.uint64], subsets: NDArray[np.int32], node: int
) -> bool:
    """Whether a window's pattern goes left at a node."""
    k = _U(node) * _U(16)
    c5, c6 = sums[at + corners[k + _U(5)]], sums[at + corners[k + _U(6)]]
    c9, c10 = sums[at + corners[k + _U(9)]], sums[at + corners[k + _U(10)]]
    middle = _I(_I(c5 - c6) - _I(c9 - c10))
    c0, c1 = sums[at + corners[k]], sums[at + corners[k + _U(1)]]
    c2, c3 = sums[at + corners[k + _U(2)]], sums[at + corners[k + _U(3)]]
    c4, c7 = sums[at + corners[k + _U(4)]], sums[at + corners[k + _U(7)]]
    c8, c11 = sums[at + corners[k + _U(8)]], sums[at + corners[k + _U(11)]]
    c12, c13 = sums[at + corners[k + _U(12)]], sums[at + corners[k + _U(13)]]
    c14, c15 = sums[at + corners[k + _U(14)]], sums[at + corners[k + _U(15)]]
    code = 128 if _I(_I(c0 - c1) - _I(c4 - c5)) >= middle else 0
    code |= 64 if _I(_I(c1 - c2) - _I(c5 - c6)) >= middle else 0
    code |= 32 if _I(_I(c2 - c3) - _I(c6 - c7)) >= middle else 0
    code |= 16 if _I(_I(c6 - c7) - _I(c10 - c11)) >= middle else 0
    code |= 8 if _I(_I(c10 - c11) - _I(c14 - c15)) >= middle else 0
    code |= 4 if _I(_I(c9 - c10) - _I(c13 - c14)) >= middle else 0
    code |= 2 if _I(_I(c8 - c9) - _I(c12 - c13)) >= middle else 0
    code |= 1 if _I(_I(c4 - c5) - _I(c8 - c9)) >= middle else 0
    return bool((subsets[node * 8 + (code >> 5)] >> (code & 31)) & 1)


@lean
def _sum_of_stage(
    kind: int,
    sums: NDArray[np.int32],
    at: np.uint64,
    norm: np.float32,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    subsets: NDArray[np.int32],
    children: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots: NDArray[np.int32],
    first: int,
    end: int,
) -> float:
    """A stage's sum for one window, in float64 and in OpenCV's order."""
    score = 0.0
    if kind == STUMPS:
        for t in range(first, end):
            k = _U(t) * _U(2)
            score += leaves[k] if _haar_left(sums, at, norm, corners, numbers, t) else leaves[k + _U(1)]
        return score
    for t in range(first, end):
        node = roots[t]
        while node >= 0:
            if kind == TREES:
                left = _haar_left(sums, at, norm, corners, numbers, node)
            else:
                left = _lbp_left(sums, at, corners, subsets, node)
            node = children[2 * node] if left else children[2 * node + 1]
        score += leaves[-1 - node]
    return score


@lean
def _stages_passed(
    kind: int,
    sums: NDArray[np.int32],
    at: np.uint64,
    norm: np.float32,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    subsets: NDArray[np.int32],
    children: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots: NDArray[np.int32],
    ends: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    stage: int,
) -> int:
    """How many stages one window passes, from `stage` on; those before it are taken as passed."""
    first = ends[stage - 1] if stage > 0 else 0
    while stage < ends.size:
        score = _sum_of_stage(
            kind, sums, at, norm, corners, numbers, subsets, children, leaves, roots, first, ends[stage]
        )
        if score < thresholds[stage]:
            return stage
        first = ends[stage]
        stage += 1
    return stage


# ------------------------------------------------------------------------------------------- all windows


@lean
def scan_rows(
    kind: int,
    dense: bool,
    sums: NDArray[np.int32],
    norms: NDArray[np.float32],
    stride: int,
    columns: int,
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    subsets: NDArray[np.int32],
    children: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots: NDArray[np.int32],
    table: NDArray[np.float32],
    ends: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    slacks: NDArray[np.float32],
    share: float,
    enough: int,
    skips: bool,
    first: int,
    end: int,
    found: NDArray[np.int64],
    reached: NDArray[np.int32],
    work: NDArray[np.int64],
    codes: NDArray[np.int32],
    scores: NDArray[np.float32],
    alive: NDArray[np.uint8],
) -> int:
    """Rows `first` to `end` of windows: fills places and stages of those that pass `enough` stages, returns how many.

    Stages run over a whole row as long as more than `share` of its windows are left, then on each of these alone. With
    `skips`, a window is not looked at after a neighbour on its left that was, and failed the first stage: OpenCV's rule.
    `work` counts trees run over rows, and alone.
    """
    stages, hits, haar = ends.size, 0, kind in (STUMPS, TREES)
    one, none, count = np.uint8(1), np.uint8(0), _U(columns)
    for y in range(first, end):
        at = _U(y * stride)
        stage, left = 0, 0
        for i in range(count):
            ok = one if not haar or norms[at + i] > _F(0.0) else none
            alive[i] = ok
            left += int(ok)
        while dense and stage < stages and left > share * columns:
            begin = ends[stage - 1] if stage > 0 else 0
            _run_stage(
                kind, sums, at, count, corners, numbers, leaves, roots, table, begin, ends[stage], norms, codes, scores
            )
            work[0] += columns * (ends[stage] - begin)
            threshold, slack = thresholds[stage], slacks[stage]
            doubts = 0
            for i in range(count):
                doubts += 1 if abs(scores[i] - threshold) <= slack else 0
            if doubts > 0:
                for i in range(count):
                    if alive[i] and abs(scores[i] - threshold) <= slack:
                        norm = norms[at + i] if haar else _F(0.0)
                        exact = _sum_of_stage(
                            kind,
                            sums,
                            at + i,
                            norm,
                            corners,
                            numbers,
                            subsets,
                            children,
                            leaves,
                            roots,
                            begin,
                            ends[stage],
                        )
                        scores[i] = _F(-np.inf) if exact < threshold else threshold
            left = 0
            if stage == 0 and skips:
                skipped = none
                for i in range(count):
                    passes = one if scores[i] >= threshold else none
                    looked = alive[i]
                    alive[i] = looked & passes & (skipped ^ one)
                    skipped = looked & (passes ^ one) & (skipped ^ one)
                    left += alive[i]
            else:
                for i in range(count):
                    alive[i] &= one if scores[i] >= threshold else none
                    left += alive[i]
            stage += 1
        if left == 0:
            continue
        skipped = none
        for i in range(count):
            if alive[i] == none:
                skipped = none  # a window without contrast, where rows were not run as a whole
                continue
            if stage == 0 and skips and skipped == one:
                skipped = none
                continue
            norm = norms[at + i] if haar else _F(0.0)
            passed = _stages_passed(
                kind, sums, at + i, norm, corners, numbers, subsets, children, leaves, roots, ends, thresholds, stage
            )
            work[1] += ends[min(passed, stages - 1)] - (ends[stage - 1] if stage > 0 else 0) if stages > 0 else 0
            skipped = one if passed == 0 and stages > 0 else none
            if passed >= enough:
                found[hits], reached[hits] = y * stride + i, passed
                hits += 1
    return hits


@lean
def judge_places(
    kind: int,
    sums: NDArray[np.int32],
    norms_N: NDArray[np.float32],
    corners: NDArray[np.uint64],
    numbers: NDArray[np.float32],
    subsets: NDArray[np.int32],
    children: NDArray[np.int32],
    leaves: NDArray[np.float32],
    roots: NDArray[np.int32],
    ends: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    places: NDArray[np.int64],
    stages: NDArray[np.int32],
    lasts: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Stages passed, sum of the last stage that was run, and margins added up over all that were, of given windows.

    Each with its norm; LBP: none.
    """
    haar = kind in (STUMPS, TREES)
    for n in range(places.size):
        at = _U(places[n])
        stages[n], lasts[n], totals[n] = -1, 0.0, 0.0
        norm = norms_N[n] if haar else _F(0.0)
        if haar and norm <= _F(0.0):
            continue
        stages[n] = 0
        first = 0
        for s in range(ends.size):
            lasts[n] = _sum_of_stage(
                kind, sums, at, norm, corners, numbers, subsets, children, leaves, roots, first, ends[s]
            )
            first = ends[s]
            totals[n] += lasts[n] - thresholds[s]
            if lasts[n] < thresholds[s]:
                break
            stages[n] = s + 1
