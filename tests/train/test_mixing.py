import pytest
import torch

from train.mixing import mixed
from train.options import TrainOptions

IMAGES = torch.arange(6).float().reshape(6, 1, 1, 1).expand(6, 3, 20, 20) / 6
TARGETS = torch.eye(6)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_the_options_nothing_is_drawn_or_changed() -> None:
    generator = seeded(0)
    images, targets = mixed(IMAGES, TARGETS, TrainOptions(), generator)
    assert images is IMAGES
    assert targets is TARGETS
    assert torch.equal(generator.get_state(), seeded(0).get_state())


@pytest.mark.parametrize("changes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_pictures_and_targets_are_blended_alike(changes: dict[str, float]) -> None:
    """Each picture has one grey, its number: the mean grey is what the target says."""
    numbers, blended = torch.arange(6).float() / 6, 0
    for seed in range(20):
        images, targets = mixed(IMAGES, TARGETS, TrainOptions(**changes), seeded(seed))  # type: ignore[arg-type]
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(images.mean(dim=(1, 2, 3)), targets @ numbers, atol=1e-5, rtol=0)
        blended += bool((targets.max(dim=1).values < 0.99).any())
    assert blended > 5


def test_the_same_seed_blends_alike_and_one_picture_stays_itself() -> None:
    options = TrainOptions(mixup=1.0)
    first, again = mixed(IMAGES, TARGETS, options, seeded(3)), mixed(IMAGES, TARGETS, options, seeded(3))
    assert torch.equal(first[0], again[0])
    alone, target = mixed(IMAGES[:1], TARGETS[:1], options, seeded(3))
    torch.testing.assert_close(alone, IMAGES[:1])
    torch.testing.assert_close(target, TARGETS[:1])
    assert mixed(IMAGES[:0], TARGETS[:0], options, seeded(3))[0].shape == (0, 3, 20, 20)
