"""Who is the happiest? Shares of screen time per character and emotion, and how sure they are.

A share is the expected time: every tick counts with the probability of the emotion then. Its interval is a bootstrap
(Efron 1979) that draws whole shots, because all that is said within one shot is right or wrong together; how sure the
answer is, is how often it stays the same in these drawings.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.timeline.records import Timeline

RESAMPLES = 1000
HAPPY = ("happy", "happiness", "joy", "joyful", "pleased")
"""what data sets call it; the first that the model knows"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One emotion of one character."""

    emotion: str
    """the class"""
    share: float
    """of the character's screen time, 0 to 1"""
    low: float
    """95 % bootstrap interval over shots"""
    high: float
    """its other end"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterShares:
    """One character."""

    character: str
    """its name"""
    seconds: float
    """on screen"""
    unsure_seconds: float
    """of these with no emotion likely enough"""
    shots: int
    """how many it is seen in"""
    shares: tuple[Share, ...]
    """in the order of the model's emotions; they sum to 1"""
    first: float
    """share of the drawings in which it shows the asked emotion most of all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The answer."""

    asked: str
    """the emotion asked for"""
    answer: str
    """who shows it for the largest share of its time; empty when nobody is seen"""
    sure: float
    """share of the drawings that give the same answer"""
    characters: tuple[CharacterShares, ...]
    """by share of the asked emotion, largest first"""


def asked_emotion(emotions: tuple[str, ...], wanted: str = "") -> str:
    """The emotion wanted, else what the model calls happy, else its first one."""
    return wanted or next((name for name in HAPPY if name in emotions), emotions[0])


def shares_of(timeline: Timeline, asked: str = "") -> Shares:
    """Screen time per character and emotion. `asked` is one of the timeline's emotions; empty: the happy one."""
    asked = asked_emotion(timeline.emotions, asked)
    shots = sorted({face.track.shot for face in timeline.tracks})
    names = list(timeline.characters)
    if not names:
        return Shares(asked=asked, answer="", sure=0.0, characters=())
    ticks_SKC = _ticks(timeline, shots, names)
    drawn = np.random.default_rng(0).integers(len(shots), size=(RESAMPLES, len(shots)))
    counts_RS = np.stack([np.bincount(row, minlength=len(shots)) for row in drawn]).astype(np.float64)
    drawn_RKC = _normalised(np.einsum("rs,skc->rkc", counts_RS, ticks_SKC))
    whole_KC = _normalised(ticks_SKC.sum(axis=0))
    column = timeline.emotions.index(asked)
    first_R = np.nan_to_num(drawn_RKC[:, :, column], nan=-1.0).argmax(axis=1)
    seconds = float(timeline.episode.time_base)
    found = [
        CharacterShares(
            character=name,
            seconds=float(ticks_SKC[:, k].sum()) * seconds,
            unsure_seconds=_unsure(timeline, name) * seconds,
            shots=int((ticks_SKC[:, k].sum(axis=1) > 0).sum()),
            shares=tuple(
                _share(emotion, whole_KC[k, c], drawn_RKC[:, k, c]) for c, emotion in enumerate(timeline.emotions)
            ),
            first=float((first_R == k).mean()),
        )
        for k, name in enumerate(names)
    ]
    ranked = sorted(found, key=lambda one: (-one.shares[column].share, one.character))
    return Shares(asked=asked, answer=ranked[0].character, sure=ranked[0].first, characters=tuple(ranked))


def _ticks(timeline: Timeline, shots: list[str], names: list[str]) -> NDArray[np.float64]:
    """(S, K, C) expected ticks per shot, character and emotion."""
    shot, name = {s: i for i, s in enumerate(shots)}, {n: i for i, n in enumerate(names)}
    ticks = np.zeros((len(shots), len(names), len(timeline.emotions)))
    for face in timeline.tracks:
        lengths = np.array([end - begin for begin, end in face.extents], dtype=np.float64)
        ticks[shot[face.track.shot], name[face.track.character]] += lengths @ face.smoothed
    return ticks


def _normalised(ticks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares over the last axis; no number where there is no time."""
    total = ticks.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(ticks, total, out=np.full_like(ticks, np.nan), where=total > 0))


def _share(emotion: str, share: float, drawn_R: NDArray[np.float64]) -> Share:
    there = drawn_R[~np.isnan(drawn_R)]
    low, high = np.quantile(there, (0.025, 0.975)) if len(there) else (0.0, 1.0)
    return Share(emotion=emotion, share=float(share), low=float(low), high=float(high))


def _unsure(timeline: Timeline, character: str) -> int:
    lengths: dict[str, int] = defaultdict(int)
    for span in timeline.spans:
        if span.character == character and span.emotion not in timeline.emotions:
            lengths[character] += span.end_pts - span.start_pts
    return lengths[character]
