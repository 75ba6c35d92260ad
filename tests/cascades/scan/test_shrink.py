"""Shrunk pictures beside cv2.resize."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cascades.scan.shrink import shrink
from tests.cascades.random_models import seeds

sides = st.integers(1, 90)


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, seeds)
def test_every_pixel_is_opencv_s_and_a_part_is_a_part_of_the_whole(
    width: int, height: int, columns: int, rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width), dtype=np.uint8)
    whole = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
    assert (shrink(image, (columns, rows)) == whole).all()
    x, y = int(random.integers(columns)), int(random.integers(rows))
    x_end, y_end = int(random.integers(x, columns)) + 1, int(random.integers(y, rows)) + 1
    assert (shrink(image, (columns, rows), (x, x_end), (y, y_end)) == whole[y:y_end, x:x_end]).all()
