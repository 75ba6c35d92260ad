"""How hard the drawn series is: what cheap tricks reach on it.

    python -m benchmarks.cartoon_baselines [--episodes 4] [--seconds 40] [--seed 0]

Emotion is fitted on the truth's crops of the first half of the episodes and tested on the other half, without faces
whose drawing (up to its size) was in the first half; so nothing can be looked up. Characters are not told.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.cartoon import CartoonOptions, EpisodeTruth, draw_series
from pipeline.core.geometry import as_array, clip, iou_matrix, match_greedily
from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.frames import decode

SIDE = 64
"""pixels; crops are scaled to this"""
NEIGHBORS = 5

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Truth crops of some episodes."""

    pictures: list[RGB]
    emotions: NDArray[np.str_]
    poses: NDArray[np.str_]


def crops_of(folder: Path, episodes: list[EpisodeTruth]) -> Crops:
    """One crop per drawing, scaled to SIDE x SIDE: the first frame that shows at least 70 % of it."""
    pictures, emotions, poses = [], [], []
    for episode in episodes:
        wanted: dict[int, list[tuple[Box, str, str]]] = {}
        known: set[str] = set()
        for hold in episode.holds:
            for face in hold.faces:
                if face.visible >= 0.7 and face.drawing not in known:
                    known.add(face.drawing)
                    wanted.setdefault(hold.start, []).append((face.box, face.emotion, face.pose))
        for frame in decode(folder / episode.file):
            for box, emotion, pose in wanted.get(frame.index, []):
                inside = clip(box, episode.width, episode.height)
                if inside:
                    cut = frame.image[inside.top : inside.bottom, inside.left : inside.right]
                    pictures.append(np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8))
                    emotions.append(emotion)
                    poses.append(pose)
    return Crops(pictures, np.array(emotions), np.array(poses))


def mean_color(picture: RGB) -> Features:
    """Mean red, green, blue."""
    return np.asarray(picture.reshape(-1, 3).mean(axis=0), dtype=np.float64)


def color_histogram(picture: RGB) -> Features:
    """4 x 4 x 4 color histogram."""
    bins = (picture.astype(np.int64) // 64).reshape(-1, 3) @ np.array([16, 4, 1])
    return np.asarray(np.bincount(bins, minlength=64) / bins.size)


def pixels(picture: RGB) -> Features:
    """Grey levels at 16 x 16, standardised."""
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (16, 16), interpolation=cv2.INTER_AREA).astype(
        np.float64
    )
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-9)).ravel()


def gradients(picture: RGB) -> Features:
    """Histograms of oriented gradients (Dalal & Triggs 2005): 8 x 8 cells of 9 bins, normalised as a whole."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    dy, dx = np.gradient(grey)
    bins = (np.mod(np.arctan2(dy, dx), np.pi) / np.pi * 9).astype(int) % 9
    cells = np.arange(SIDE) // 8
    places = (cells[:, None] * 8 + cells[None]) * 9 + bins
    histogram = np.sqrt(np.bincount(places.ravel(), weights=np.hypot(dx, dy).ravel(), minlength=576))
    return np.asarray(histogram / (np.linalg.norm(histogram) + 1e-9))


def nearest_centroid(train: Features, labels: NDArray[np.str_], test: Features) -> NDArray[np.str_]:
    """The class whose standardised mean is nearest."""
    middle, spread = train.mean(axis=0), train.std(axis=0) + 1e-9
    classes = np.unique(labels)
    centers = np.stack([((train - middle) / spread)[labels == name].mean(axis=0) for name in classes])
    distances = (((test - middle) / spread)[:, None] - centers[None]) ** 2
    return np.asarray(classes[distances.sum(axis=2).argmin(axis=1)])


def neighbors(train: Features, labels: NDArray[np.str_], test: Features) -> NDArray[np.str_]:
    """The vote of the nearest few."""
    squares = (test**2).sum(axis=1)[:, None] + (train**2).sum(axis=1)[None] - 2 * test @ train.T
    nearest = np.argsort(squares, axis=1, kind="stable")[:, :NEIGHBORS]
    return np.array([Counter(labels[row].tolist()).most_common(1)[0][0] for row in nearest])


def majority(train: Features, labels: NDArray[np.str_], test: Features) -> NDArray[np.str_]:
    """The most frequent class, whatever is seen."""
    del train
    return np.full(len(test), Counter(labels.tolist()).most_common(1)[0][0])


def macro_f1(truth: NDArray[np.str_], said: NDArray[np.str_]) -> float:
    """Mean over the classes of the harmonic mean of precision and recall."""
    scores = []
    for name in np.unique(truth):
        both = np.sum((truth == name) & (said == name))
        scores.append(2 * both / (np.sum(truth == name) + np.sum(said == name)))
    return float(np.mean(scores))


Feature = Callable[[RGB], Features]
Classifier = Callable[[Features, NDArray[np.str_], Features], NDArray[np.str_]]

BASELINES: list[tuple[str, Feature, Classifier]] = [
    ("majority class", mean_color, majority),
    ("mean color, nearest centroid", mean_color, nearest_centroid),
    ("mean color, nearest neighbors", mean_color, neighbors),
    ("color histogram, nearest centroid", color_histogram, nearest_centroid),
    ("color histogram, nearest neighbors", color_histogram, neighbors),
    ("16x16 pixels, nearest neighbors", pixels, neighbors),
    ("oriented gradients, nearest neighbors", gradients, neighbors),
]


def emotion_table(train: Crops, test: Crops) -> list[str]:
    """A line per baseline: accuracy and macro-F1 on the new drawings of the other episodes."""
    new = ~np.isin(test.poses, train.poses)
    truth = test.emotions[new]
    lines = [
        f"emotion: {len(train.emotions)} drawings to fit, {len(truth)} to test ({np.sum(~new)} reused ones left out)"
    ]
    lines.append("  tested: " + ", ".join(f"{name} {count}" for name, count in sorted(Counter(truth.tolist()).items())))
    for name, feature, classify in BASELINES:
        features = [np.stack([feature(picture) for picture in crops.pictures]) for crops in (train, test)]
        said = classify(features[0], train.emotions, features[1][new])
        lines.append(f"  {name:40s} accuracy {np.mean(said == truth):.3f}   macro-F1 {macro_f1(truth, said):.3f}")
    return lines


def circles(picture: RGB) -> list[Box]:
    """Round things (Hough)."""
    grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 5)
    height = picture.shape[0]
    found = cv2.HoughCircles(
        grey, cv2.HOUGH_GRADIENT, 1.5, height / 12, param1=120, param2=60, minRadius=height // 18, maxRadius=height // 2
    )
    rows = [] if found is None else found.reshape(-1, found.shape[-1])[:, :3].tolist()
    return [Box(left=round(x - r), top=round(y - r), right=round(x + r), bottom=round(y + r)) for x, y, r in rows]


def skin_blobs(picture: RGB) -> list[Box]:
    """Connected regions of skin's hue."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    skin = ((hue < 25) & (saturation > 30) & (saturation < 190) & (value > 90)).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(skin, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    rows = [stats[k].tolist() for k in range(1, count)]
    least = picture.shape[0] // 12
    return [Box(left=x, top=y, right=x + w, bottom=y + h) for x, y, w, h, _ in rows if w >= least and h >= least]


def detector_table(folder: Path, episodes: list[EpisodeTruth], every_frames: int = 12) -> list[str]:
    """A line per lazy detector: precision and recall at IoU 0.4 on faces that are 60 % visible and 32 pixels wide."""
    lines = ["faces, IoU 0.4:"]
    for name, find in (("Hough circles", circles), ("skin-colored blobs", skin_blobs)):
        hits = found = wanted = 0
        for episode in episodes:
            for frame in decode(folder / episode.file):
                if frame.index % every_frames:
                    continue
                faces = episode.faces_at(frame.index)
                clear = np.array([face.visible >= 0.6 and face.box.width >= 32 for face in faces], dtype=bool)
                boxes = find(frame.image)
                overlap = iou_matrix(as_array(boxes), as_array([face.box for face in faces]))
                taken = match_greedily(overlap, np.arange(len(boxes), 0, -1, dtype=np.float64), 0.4)
                unclear = sum(1 for face in taken if face >= 0 and not clear[face])
                hits += sum(1 for face in taken if face >= 0 and clear[face])
                found += len(boxes) - unclear
                wanted += int(clear.sum())
        lines.append(
            f"  {name:40s} precision {hits / max(found, 1):.3f}   recall {hits / max(wanted, 1):.3f}   ({found} found, {wanted} faces)"
        )
    return lines


def main() -> None:
    """Draws a series into a temporary folder and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = CartoonOptions(episodes=arguments.episodes, seconds=arguments.seconds, seed=arguments.seed)
        series = draw_series(folder, options)
        half = max(len(series.episodes) // 2, 1)
        first, second = list(series.episodes[:half]), list(series.episodes[half:])
        print("\n".join(emotion_table(crops_of(folder, first), crops_of(folder, second))))
        print("\n".join(detector_table(folder, second)))


if __name__ == "__main__":
    main()
