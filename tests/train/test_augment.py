import numpy as np
import pytest
import torch

from tests.train.faces import draw_face
from train.augment import AugmentOptions, as_float, augmented
from train.examples import letterboxed

STILL = AugmentOptions(mirror=0, shift_fraction=0, scale_fraction=0, turn_degrees=0, brightness=0, contrast=0, colour=0)


def faces(count: int, side: int) -> torch.Tensor:
    draw = np.random.default_rng(0)
    images = np.stack([letterboxed(draw_face("happy", draw), side) for _ in range(count)])
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_same_generator_gives_the_same_pictures() -> None:
    images = faces(6, 36)
    first, again = (augmented(images, 30, seeded(), AugmentOptions()) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, augmented(images, 30, seeded(1), AugmentOptions()))


def test_pictures_keep_size_range_and_differ_from_one_another() -> None:
    images = faces(1, 36).repeat(8, 1, 1, 1)
    changed = augmented(images, 30, seeded(), AugmentOptions())
    assert changed.shape == (8, 3, 30, 30)
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert len({float(image.sum()) for image in changed}) == 8


def test_no_change_gives_the_picture_itself() -> None:
    images = faces(3, 30)
    torch.testing.assert_close(augmented(images, 30, seeded(), STILL), as_float(images), atol=1e-4, rtol=0)


def test_mirrored_always_is_the_flipped_picture() -> None:
    images = faces(3, 30)
    always = AugmentOptions(
        mirror=1, shift_fraction=0, scale_fraction=0, turn_degrees=0, brightness=0, contrast=0, colour=0
    )
    torch.testing.assert_close(augmented(images, 30, seeded(), always), as_float(images).flip(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "name", ["shift_fraction", "scale_fraction", "turn_degrees", "brightness", "contrast", "colour"]
)
def test_each_change_does_something_and_stays_small(name: str) -> None:
    images = faces(8, 30)
    only = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0) | {name: getattr(AugmentOptions(), name)})
    moved = (augmented(images, 30, seeded(), only) - as_float(images)).abs().mean()
    assert 0.002 < moved < 0.25
