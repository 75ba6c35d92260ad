import numpy as np

from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.crops import Candidate, CropOptions, candidate, choose, sharpness


def picture(seed: int, side: int = 64) -> RGB:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((side // 8, side // 8, 1), dtype=np.uint8))


def made(image: RGB, complete: float = 1.0) -> Candidate:
    box = Box(left=0, top=0, right=image.shape[1], bottom=image.shape[0])
    return Candidate(image=image, box=box, sharpness=sharpness(image), complete=complete)


def test_the_margin_is_added_and_clipped_to_the_frame() -> None:
    frame = np.zeros((100, 100, 3), dtype=np.uint8)
    cut = candidate(frame, Box(left=40, top=40, right=60, bottom=60), CropOptions(margin_fraction=0.1))
    assert cut is not None
    assert cut.box == Box(left=38, top=38, right=62, bottom=62)
    assert cut.image.shape == (24, 24, 3)
    edge = candidate(frame, Box(left=90, top=40, right=110, bottom=60), CropOptions(margin_fraction=0.1))
    assert edge is not None
    assert edge.box.right == 100
    assert edge.complete == 0.5
    assert candidate(frame, Box(left=120, top=0, right=140, bottom=20), CropOptions()) is None


def test_one_drawing_is_kept_once_and_different_ones_each() -> None:
    a, b = picture(1), picture(2)
    noisy = np.clip(a.astype(int) + np.random.default_rng(0).integers(-2, 3, a.shape), 0, 255).astype(np.uint8)
    kept = choose([made(a), made(noisy), made(b), made(a)], CropOptions())
    assert len(kept) == 2
    assert 2 in kept


def test_at_most_so_many_are_kept_and_the_sharpest_is_among_them() -> None:
    blurred = [np.full((64, 64, 3), 30 * i, dtype=np.uint8) for i in range(4)]
    candidates = [made(picture(i)) for i in range(5)] + [made(b) for b in blurred]
    kept = choose(candidates, CropOptions(per_track=3))
    assert len(kept) == 3
    assert max(range(len(candidates)), key=lambda i: candidates[i].sharpness) in kept


def test_a_whole_face_is_kept_before_half_a_one() -> None:
    a = picture(1)
    assert choose([made(a, complete=0.4), made(a)], CropOptions(per_track=1)) == [1]
    assert choose([], CropOptions()) == []
