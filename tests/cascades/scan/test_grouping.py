import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cascades.scan.grouping import group_like_opencv


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 4), st.sampled_from([0.1, 0.2, 0.5]))
def test_objects_are_opencv_s(seed: int, count: int, threshold: int, eps: float) -> None:
    random = np.random.default_rng(seed)
    sides = random.integers(20, 60, count)
    places = random.integers(0, 4, (count, 2)) * 40 + random.integers(-6, 7, (count, 2))
    boxes = np.stack([places[:, 0], places[:, 1], sides, sides + random.integers(0, 5, count)], axis=1)
    theirs, weights = cv2.groupRectangles(boxes.tolist(), threshold, eps)
    ours = group_like_opencv(boxes, threshold, eps)
    assert ours.boxes.tolist() == np.asarray(theirs, dtype=int).reshape(-1, 4).tolist()
    assert ours.members.tolist() == np.asarray(weights, dtype=int).ravel().tolist()
    kept = ours.labels[ours.labels >= 0]
    assert (np.bincount(kept, minlength=len(ours.members)) == ours.members).all()
