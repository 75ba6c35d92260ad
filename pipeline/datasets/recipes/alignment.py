"""Where in somebody's copy each moment of an episode lies: `theirs = speed * ours + offset`.

Fingerprints vote: each of ours for the times of theirs that look like it, at each speed that television has known
(pull-down by 1000/1001, PAL's 25/24, and their inverses). The winner is refined by least squares on the frames that
agree with it, then by the cuts, which are exact to the frame: a drawing that is held for half a second says little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.recipes.fingerprints import Prints, distances

SPEEDS = tuple(
    float(up * down)
    for up in (Fraction(1), Fraction(25, 24), Fraction(24, 25))
    for down in (Fraction(1), Fraction(1000, 1001), Fraction(1001, 1000))
)
ALIKE_BITS = 48
"""of 256; further apart two frames do not vote for each other (unrelated ones differ by about 128)"""
TIED_BITS = 6
"""as good as the best: frames of one held drawing"""
BIN_SECONDS = 0.25
NEAR_SECONDS = 0.5
"""from the winner, for a vote to be used in refining it"""
CUT_BITS = 60
"""between neighbours, for a cut"""
CUT_SECONDS = 0.2
"""how far from where it is expected a cut is looked for"""
FEWEST = 5
"""fingerprints that have to agree"""
SMALLEST_SHARE = 0.4
"""of the fingerprints that have to agree; chance gives far less"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How the times of an episode map to those of a copy."""

    speed: float
    """seconds of theirs per second of ours"""
    offset_seconds: float
    """where our second 0 lies in theirs"""
    agreeing: int
    """fingerprints that lie where this says"""
    compared: int
    """fingerprints whose moment the copy has"""
    cuts: int
    """cuts that it was refined by"""

    @property
    def share(self) -> float:
        """Of the fingerprints that could agree, how many do."""
        return self.agreeing / self.compared if self.compared else 0.0

    @property
    def holds(self) -> bool:
        """Whether the copy is of this episode."""
        return self.agreeing >= FEWEST and self.share >= SMALLEST_SHARE

    def theirs(self, seconds: float) -> float:
        """The copy's time of a moment of the episode."""
        return self.speed * seconds + self.offset_seconds


SAME = Alignment(speed=1.0, offset_seconds=0.0, agreeing=0, compared=0, cuts=0)
"""of a copy that is the file itself"""


def align(ours: Prints, cuts_seconds: Sequence[float], theirs: Prints) -> Alignment | None:
    """The best alignment; None when nothing looks alike. Look at `holds` before using it."""
    if not len(ours.seconds) or not len(theirs.seconds):
        return None
    rows, columns, bits = _alike(ours, theirs)
    if not len(rows):
        return None
    speed, offset = _voted(rows, ours.seconds[rows], theirs.seconds[columns])
    speed, offset = _refined(rows, bits, ours.seconds[rows], theirs.seconds[columns], speed, offset)
    shift, used = _cut_shift([speed * cut + offset for cut in cuts_seconds], theirs)
    offset += shift
    expected_N = speed * ours.seconds + offset
    there_N = (expected_N >= theirs.seconds[0] - 0.1) & (expected_N <= theirs.seconds[-1] + 0.1)
    near = np.abs(theirs.seconds[columns] - expected_N[rows]) <= BIN_SECONDS
    agreeing = len(set(rows[near].tolist()))
    return Alignment(
        speed=speed, offset_seconds=offset, agreeing=agreeing, compared=max(int(there_N.sum()), agreeing), cuts=used
    )  # fmt: skip


def _alike(ours: Prints, theirs: Prints) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Pairs (ours, theirs) that look alike, and their bits: for each of ours those about as close as the closest."""
    rows, columns, found = [], [], []
    for start in range(0, len(ours.words), 64):
        bits = distances(ours.words[start : start + 64], theirs.words)
        good = (bits <= ALIKE_BITS) & (bits <= bits.min(axis=1, keepdims=True) + TIED_BITS)
        i, j = np.nonzero(good)
        rows.append(i + start)
        columns.append(j)
        found.append(bits[i, j])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(found)


def _voted(
    rows_V: NDArray[np.int64], ours_V: NDArray[np.float64], theirs_V: NDArray[np.float64]
) -> tuple[float, float]:
    """The speed and offset that most fingerprints vote for; one that looks like many frames splits its vote."""
    weights_V = 1.0 / np.bincount(rows_V)[rows_V]
    best, found = -1.0, (1.0, 0.0)
    for speed in SPEEDS:
        offsets_V = theirs_V - speed * ours_V
        places_V = np.floor((offsets_V - offsets_V.min()) / BIN_SECONDS).astype(np.int64)
        votes = np.bincount(places_V, weights=weights_V, minlength=2)
        pairs = votes[:-1] + votes[1:]  # a peak on the border of two bins counts whole
        place = int(pairs.argmax())
        if pairs[place] > best + 1e-9:
            best = float(pairs[place])
            inside = (places_V == place) | (places_V == place + 1)
            found = speed, float(np.median(offsets_V[inside]))
    return found


def _refined(
    rows_V: NDArray[np.int64],
    bits_V: NDArray[np.int32],
    ours_V: NDArray[np.float64],
    theirs_V: NDArray[np.float64],
    speed: float,
    offset: float,
) -> tuple[float, float]:
    """Least squares over the votes near the winner, each fingerprint by its closest vote there, three times over."""
    for window in (NEAR_SECONDS, NEAR_SECONDS / 2, NEAR_SECONDS / 4):
        residuals_V = theirs_V - (speed * ours_V + offset)
        near = np.flatnonzero(np.abs(residuals_V) <= window)
        order = near[np.lexsort((np.abs(residuals_V[near]), bits_V[near], rows_V[near]))]
        chosen = order[np.unique(rows_V[order], return_index=True)[1]]
        if len(chosen) < FEWEST:
            break
        x, y = ours_V[chosen], theirs_V[chosen]
        if float(np.ptp(x)) > 20.0:  # over less the speed cannot be told from noise
            speed = float(np.polyfit(x, y, 1)[0])
            offset = float(np.median(y - speed * x))
        else:
            offset += float(np.median(residuals_V[chosen]))
    return speed, offset


def _cut_shift(expected: Sequence[float], theirs: Prints) -> tuple[float, int]:
    """How far the cuts of the copy lie from where they are expected, in the median, and how many were found."""
    jumps = np.bitwise_count(theirs.words[1:] ^ theirs.words[:-1]).sum(axis=1)
    times = theirs.seconds[1:]
    shifts = []
    for second in expected:
        near = np.flatnonzero((np.abs(times - second) <= CUT_SECONDS) & (jumps >= CUT_BITS))
        if len(near):
            shifts.append(float(times[near[jumps[near].argmax()]] - second))
    return (float(np.median(shifts)), len(shifts)) if len(shifts) > 1 else (0.0, 0)
