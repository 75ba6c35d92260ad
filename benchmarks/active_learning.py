"""Labels needed for a given macro-F1: crops labelled in the order of `annotate queue`, beside a random order.

    python -m benchmarks.active_learning [--seeds 8] [--first-seed 0] [--batch 25] [--labels 300]

For each seed a series is drawn; its first six episodes are what may be labelled, the other three the test. As `mine` and
`export` do, at most six crops of a track are taken, near-duplicates are asked about once, and shots of the opening are
left out. The model is cheap: multinomial logistic regression on histograms of oriented gradients, fitted anew after every
batch; the queue is told its probabilities, exactly as the command is. Random is the mean of several orders of the same
crops: near-duplicates are left out for it, too, so what is gained is not due to them; what they cost is shown apart.

Intervals are 95 %, by t over the series. The weights of the queue were chosen on the series 100 to 104.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t as student

from annotate.queueing.choosing import Candidates, Weights, choose
from benchmarks.cartoon_baselines import gradients, macro_f1
from pipeline.cartoon import CartoonOptions
from pipeline.cartoon.cast import EMOTIONS
from pipeline.cartoon.plan import ShotPlan
from pipeline.cartoon.script import write_script
from pipeline.cartoon.series import draw_holds, shots_of
from pipeline.core.geometry import clip, grow
from pipeline.core.images import RGB
from pipeline.duplicates import looks_of

POOL_EPISODES, EPISODES, SECONDS = 6, 9, 40
PER_TRACK, MARGIN, SEEN = 6, 0.1, 0.7
SIDE = 64
ALIKE_GREY_LEVELS = 5.0
"""mean difference of two looks below which they are near-duplicates here"""
RANDOM_ORDERS = 5
DECAY = 1e-2
"""of the weights, so that few labels do not overfit"""
TARGETS = (0.45, 0.5, 0.55, 0.6)
AFTER = 200
"""labels at random whose macro-F1 the others are to reach"""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Model = Callable[[Floats], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The crops of one drawn series."""

    features: Floats
    looks: NDArray[np.uint8]
    episodes: Rows
    emotions: Rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--labels", type=int, default=300)
    given = parser.parse_args()
    began = time.process_time()
    orders: dict[str, list[Floats]] = defaultdict(list)
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        crops = draw(seed)
        test = np.flatnonzero(crops.episodes > POOL_EPISODES)
        every = np.flatnonzero(crops.episodes <= POOL_EPISODES)
        once = without_duplicates(crops, every)
        print(
            f"series {seed}: {len(every)} crops, {len(once)} without near-duplicates, {len(test)} to test", flush=True
        )
        for name, pool, pick, times in (
            ("random, near-duplicates too", every, at_random, RANDOM_ORDERS),
            ("random", once, at_random, RANDOM_ORDERS),
            ("queue without a model", once, queue_without_model, 1),
            ("queue", once, queue, 1),
        ):
            curves = [curve(crops, pool, test, pick, given.batch, given.labels, order) for order in range(times)]
            orders[name].append(np.mean(curves, axis=0))
    tell(orders, given.batch)
    print(f"{time.process_time() - began:.0f} CPU seconds")
    return 0


def draw(seed: int) -> Crops:
    """At most PER_TRACK crops of every track of the series, evenly spread, as drawn (no encoding)."""
    options = CartoonOptions(episodes=EPISODES, seconds=SECONDS, width=480, height=270, seed=seed)
    scripts: list[list[ShotPlan]] = []
    pictures: list[RGB] = []
    episodes, emotions = [], []
    for number in range(1, EPISODES + 1):
        aspect = options.width / options.height
        scripts.append(write_script(seed, f"s01e{number:02d}", options.frames, options.fps, aspect, scripts))
        for faces in tracks(scripts[-1], options):
            kept = min(PER_TRACK, len(faces))
            for picture, emotion in (faces[n * len(faces) // kept] for n in range(kept)):
                pictures.append(picture)
                episodes.append(number)
                emotions.append(EMOTIONS.index(emotion))
    squares = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pictures]
    return Crops(
        np.array([gradients(np.asarray(square, np.uint8)) for square in squares]),
        looks_of(pictures), np.array(episodes), np.array(emotions),
    )  # fmt: skip


def tracks(script: Sequence[ShotPlan], options: CartoonOptions) -> list[list[tuple[RGB, str]]]:
    """Every track's faces that can be seen, with their emotion; none of the opening."""
    shots = shots_of(script, options.fps)
    found: dict[str, list[tuple[RGB, str]]] = defaultdict(list)
    for hold, picture in draw_holds(script, shots, options):
        if next(shot for shot in shots if hold.start < shot.end).opening:
            continue
        for face in hold.faces:
            inside = clip(grow(face.box, MARGIN), options.width, options.height)
            if inside and face.visible >= SEEN:
                cut = picture[inside.top : inside.bottom, inside.left : inside.right].copy()
                found[face.track].append((cut, face.emotion))
    return list(found.values())


def without_duplicates(crops: Crops, rows: Rows) -> Rows:
    """The first of every set of crops that look alike."""
    kept: list[int] = []
    looks = crops.looks.astype(np.int16)
    for row in rows:
        if not kept or np.abs(looks[kept] - looks[row]).mean(axis=1).min() >= ALIKE_GREY_LEVELS:
            kept.append(int(row))
    return np.array(kept)


Pick = Callable[[Crops, Rows, Rows, "Model | None", int, np.random.Generator], Rows]
"""(crops, labelled rows, rows left, the model so far, how many, random) -> the next rows"""


def at_random(
    crops: Crops, labelled: Rows, left: Rows, model: Model | None, count: int, random: np.random.Generator
) -> Rows:
    """In no order."""
    return random.permutation(left)[:count]


def queue(
    crops: Crops, labelled: Rows, left: Rows, model: Model | None, count: int, random: np.random.Generator
) -> Rows:
    """As the command does."""
    candidates = Candidates(
        looks=crops.looks[left], episodes=crops.episodes[left], labelled=crops.looks[labelled],
        asked=np.bincount(crops.episodes[labelled], minlength=EPISODES + 1),
        probabilities=model(crops.features[left]) if model else None,
        labelled_classes=np.bincount(crops.emotions[labelled], minlength=len(EMOTIONS)) if model else None,
    )  # fmt: skip
    return left[[one.row for one in choose(candidates, count, Weights())]]


def queue_without_model(
    crops: Crops, labelled: Rows, left: Rows, model: Model | None, count: int, random: np.random.Generator
) -> Rows:
    """As the command does without --run."""
    return queue(crops, labelled, left, None, count, random)


def curve(crops: Crops, pool: Rows, test: Rows, pick: Pick, batch: int, most: int, seed: int) -> Floats:
    """Macro-F1 on the test crops after every batch of labels."""
    random, labelled, model, scores = np.random.default_rng(seed), np.empty(0, np.int64), None, []
    while len(labelled) < min(most, len(pool)):
        count = min(batch, most - len(labelled))
        chosen = pick(crops, labelled, np.setdiff1d(pool, labelled), model, count, random)
        labelled = np.concatenate([labelled, chosen])
        model = fitted(crops.features[labelled], crops.emotions[labelled])
        scores.append(macro_f1(crops.emotions[test], model(crops.features[test]).argmax(axis=1)))
    return np.array(scores)


def fitted(features_NF: Floats, emotion_N: Rows) -> Model:
    """Multinomial logistic regression on standardised features."""
    middle, spread = features_NF.mean(axis=0), features_NF.std(axis=0) + 1e-3
    inputs, wanted = _with_one((features_NF - middle) / spread), np.eye(len(EMOTIONS))[emotion_N]
    shape = (inputs.shape[1], len(EMOTIONS))

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        said = _softmax(inputs @ weights)
        slope = inputs.T @ (said - wanted) / len(inputs) + DECAY * weights
        surprise = -np.log((said * wanted).sum(axis=1) + 1e-12).mean()
        return float(surprise + DECAY / 2 * (weights**2).sum()), slope.ravel()

    found = minimize(loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    weights = found.x.reshape(shape)
    return lambda features: _softmax(_with_one((features - middle) / spread) @ weights).astype(np.float32)


def tell(orders: dict[str, list[Floats]], batch: int) -> None:
    """Prints the curves and how many labels each order needs."""
    steps = min(len(scores) for found in orders.values() for scores in found)
    curves = {name: np.array([scores[:steps] for scores in found]) for name, found in orders.items()}
    print("\nmacro-F1 on unseen episodes, mean over the series")
    print(f"{'labels':>8} " + " ".join(f"{name:>28}" for name in curves))
    for step in range(steps):
        print(f"{(step + 1) * batch:8} " + " ".join(f"{_said(found[:, step]):>28}" for found in curves.values()))
    print("\nlabels needed for a macro-F1 of (of the mean curve, between batches by a straight line)")
    print(f"{'':>8} " + " ".join(f"{name:>28}" for name in curves))
    for target in TARGETS:
        needed = [labels_for(found.mean(axis=0), target, batch) for found in curves.values()]
        print(
            f"{target:8} " + " ".join(f"{f'{n:.0f}' if np.isfinite(n) else f'> {steps * batch}':>28}" for n in needed)
        )
    after = AFTER // batch - 1
    print(
        f"\nper series: mean macro-F1 over the curve less random's; labels that reach what random reaches with {AFTER}"
    )
    for name, found in curves.items():
        gain = (found - curves["random"]).mean(axis=1)
        needed = np.array(
            [labels_for(own, other[after], batch) for own, other in zip(found, curves["random"], strict=True)]
        )
        print(f"{name:>28} {_said(gain)}, better in {int((gain > 0).sum())} of {len(gain)}; "
              f"{_said(needed, 0)} ({' '.join(f'{n:.0f}' for n in needed)})")  # fmt: skip


def labels_for(scores: Floats, target: float, batch: int) -> float:
    """How many labels reach the target for the first time; infinite where they never do."""
    for step, score in enumerate(scores):
        if score >= target:
            before = scores[step - 1] if step else 0.0
            return float(batch * (step + (target - before) / (score - before)))
    return float("inf")


def _said(values: Floats, digits: int = 3) -> str:
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{values.mean():.{digits}f} +- {half:.{digits}f}"


def _softmax(scores_NC: Floats) -> Floats:
    odds = np.exp(scores_NC - scores_NC.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _with_one(values_NF: Floats) -> Floats:
    return np.hstack([values_NF, np.ones((len(values_NF), 1))])


if __name__ == "__main__":
    raise SystemExit(main())
