import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.geometry import as_array, clip, grow, iou, iou_matrix, match_greedily
from pipeline.core.places import Box

boxes = st.builds(
    lambda x, y, w, h: Box(left=x, top=y, right=x + w, bottom=y + h),
    st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 60), st.integers(1, 60),
)  # fmt: skip


@given(boxes, boxes)
def test_overlap_is_symmetric_and_counts_pixels(a: Box, b: Box) -> None:
    canvas = np.zeros((2, 250, 250), dtype=bool)
    for layer, box in zip(canvas, (a, b), strict=True):
        layer[box.top + 60 : box.bottom + 60, box.left + 60 : box.right + 60] = True
    counted = (canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum()
    assert abs(iou(a, b) - counted) < 1e-9
    assert iou(a, b) == iou(b, a)


@given(boxes)
def test_clipping_keeps_what_is_inside(box: Box) -> None:
    inside = clip(box, 40, 30)
    if inside is None:
        assert box.right <= 0 or box.bottom <= 0 or box.left >= 40 or box.top >= 30
    else:
        assert 0 <= inside.left < inside.right <= 40
        assert 0 <= inside.top < inside.bottom <= 30


def test_growing_adds_to_every_side() -> None:
    assert grow(Box(left=10, top=10, right=30, bottom=20), 0.1) == Box(left=8, top=9, right=32, bottom=21)


def test_each_truth_is_taken_once_and_the_best_score_chooses_first() -> None:
    found = as_array([Box(left=0, top=0, right=10, bottom=10), Box(left=1, top=0, right=11, bottom=10)])
    truth = as_array([Box(left=0, top=0, right=10, bottom=10)])
    assert match_greedily(iou_matrix(found, truth), np.array([0.5, 0.9]), 0.5).tolist() == [-1, 0]
    assert match_greedily(np.zeros((2, 0)), np.array([1.0, 2.0]), 0.5).tolist() == [-1, -1]
