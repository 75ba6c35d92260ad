import numpy as np
import pytest
import torch

from tests.train.faces import draw_face
from train.augment import (
    AugmentOptions,
    _moved_by_kernel,
    as_float,
    augment_options,
    augmented,
    changed,
    draw_changes,
    moved_by_torch,
)
from train.examples import letterboxed
from train.options import TrainOptions

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


MORE = {"vertical_flip": 1.0, "crop": 0.4, "hue": 0.3, "erasing": 1.0}


@pytest.mark.parametrize("name", MORE)
def test_each_further_change_does_something_and_keeps_the_range(name: str) -> None:
    images = faces(8, 30)
    only = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0) | {name: MORE[name]})
    found = augmented(images, 30, seeded(), only)
    assert 0.002 < (found - as_float(images)).abs().mean() < 0.4
    assert found.min() >= 0
    assert found.max() <= 1


def test_flipped_always_is_the_picture_upside_down() -> None:
    images = faces(3, 30)
    only = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0) | {"vertical_flip": 1.0})
    torch.testing.assert_close(augmented(images, 30, seeded(), only), as_float(images).flip(2), atol=1e-4, rtol=0)


def test_a_crop_shows_a_part_of_the_picture_larger() -> None:
    """A ramp from left to right: what is cut out spans a smaller range, inside the whole."""
    ramp = torch.arange(0, 240, 8, dtype=torch.uint8).expand(8, 3, 30, 30)
    only = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0) | {"crop": 0.5})
    spans = [float(image.max() - image.min()) for image in augmented(ramp, 30, seeded(), only)]
    assert min(spans) > 0.4 * 232 / 255
    assert len({round(span, 3) for span in spans}) == 8


def test_half_a_turn_of_the_hue_makes_red_bluish_green_and_leaves_grey() -> None:
    from train.augment import _hue_turned

    red, grey = torch.tensor([0.6, 0.2, 0.2]), torch.full((3,), 0.4)
    images = torch.stack((red, grey)).reshape(2, 3, 1, 1).expand(2, 3, 4, 4)
    turned = _hue_turned(images, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(turned[1], images[1], atol=1e-3, rtol=0)
    assert turned[0, 0, 0, 0] < turned[0, 1, 0, 0]
    torch.testing.assert_close(_hue_turned(images, torch.tensor([1.0, 1.0])), images, atol=1e-3, rtol=0)


def test_an_erased_rectangle_has_one_colour_and_the_wanted_area() -> None:
    images = torch.zeros(32, 3, 60, 60, dtype=torch.uint8)
    only = AugmentOptions(**dict.fromkeys(AugmentOptions.__slots__, 0) | {"erasing": 1.0})
    shares = (augmented(images, 60, seeded(), only).sum(dim=1) > 0).float().mean(dim=(1, 2))
    assert shares.min() > 0.005
    assert shares.max() < 0.23


def test_the_training_options_say_what_is_changed() -> None:
    assert augment_options(TrainOptions()) == AugmentOptions()
    assert augment_options(TrainOptions(augment=False)) is None
    strong = augment_options(TrainOptions(augment_strength=3.0, brightness=0.5, hue=0.3, erasing=0.2))
    assert strong is not None
    assert (strong.brightness, strong.hue, strong.erasing, strong.turn_degrees) == (1.0, 0.5, 0.2, 36.0)


def test_a_share_of_the_batch_is_changed_as_in_the_whole() -> None:
    images, options = faces(7, 36), AugmentOptions(hue=0.1, erasing=0.5)
    draws = draw_changes(7, seeded(), options)
    whole = changed(images, 30, draws, options)
    torch.testing.assert_close(changed(images[1::2], 30, draws[1::2], options), whole[1::2])


def placed(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Placements and factors that turn, mirror, leave the picture on all sides and make it too bright."""
    chance = seeded(3)
    placements = torch.randn((count, 2, 3), generator=chance) * torch.tensor([0.9, 0.9, 0.4])
    return placements, torch.rand((count, 3), generator=chance) * 2


@pytest.mark.parametrize(("side", "size"), [(36, 30), (30, 47), (25, 1), (1, 8)])
def test_the_kernel_and_torch_agree(side: int, size: int) -> None:
    noise = torch.randint(0, 256, (9, 3, side, side + 5), generator=seeded(), dtype=torch.uint8)
    kernel, plain = (way(noise, size, *placed(9)) for way in (_moved_by_kernel, moved_by_torch))
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(kernel, plain, atol=1e-4, rtol=0)
    assert (kernel - plain).abs().mean() < 1e-6
    assert size == 1 or 0.01 < (kernel == 1).float().mean() < 0.9


def test_the_kernel_gives_the_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    images, before, found = faces(11, 36), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            monkeypatch.setenv("TOONSIFT_THREADS", str(threads))
            found.append(_moved_by_kernel(images, 30, *placed(11)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_pictures_off_the_map_are_the_borders_colour() -> None:
    placements = torch.tensor([[1.0, 0.0, 50.0], [0.0, 1.0, 0.0]]).expand(2, 2, 3)
    images = torch.zeros((2, 3, 8, 8), dtype=torch.uint8)
    images[:, :, :, -1] = 255
    assert (_moved_by_kernel(images, 8, placements, torch.ones(2, 3)) == 1).all()


def test_a_placement_that_is_no_number_reads_nothing_beyond_the_picture() -> None:
    images = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    for bad in (torch.nan, torch.inf, -torch.inf, 1e30):
        assert (_moved_by_kernel(images, 8, torch.full((1, 2, 3), bad), torch.ones(1, 3)) == 1).all()
