import pytest

from pipeline.core.errors import UsageError
from train.models import NETS
from train.recipes import RECIPES, find_recipe


def test_hill_is_the_study_as_published() -> None:
    options = find_recipe("hill").options
    assert (options.image_size, options.epochs, options.optimizer) == (60, 50, "adadelta")


def test_hills_five_optimisers_are_recipes_of_their_own() -> None:
    for optimizer in ("adadelta", "adagrad", "adam", "rmsprop", "sgd"):
        assert find_recipe(f"hill-{optimizer}").options.optimizer == optimizer


def test_every_recipe_has_a_name_of_its_own_and_a_line_to_show() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    assert all(recipe.summary and recipe.source for recipe in RECIPES)


def test_an_unknown_recipe_names_the_nearest_and_all() -> None:
    with pytest.raises(
        UsageError, match=r"there is no recipe 'hil'; did you mean hill\? known are hill, hill-adadelta"
    ):
        find_recipe("hil")


def test_every_recipe_of_the_four_studies_is_there() -> None:
    wanted = (
        "hill hill-adadelta hill-adagrad hill-adam hill-rmsprop hill-sgd resnet18-bce-sgd resnet18-bce-adam-aug vanilla "
        "vanilla-leaky vanilla-leaky-bn resnet50-dense resnet50-2x64 googlenet googlenet-earlystop googlenet-l2 "
        "googlenet-bn-2x64 googlenet-deep transfer-inception transfer-resnet50 transfer-vgg16 transfer-vggface "
        "transfer-efficientnet-lite0 ensemble-1vsall"
    )
    assert set(wanted.split()) <= {recipe.name for recipe in RECIPES}


def test_every_recipe_has_a_net_that_there_is() -> None:
    assert {recipe.net for recipe in RECIPES} <= set(NETS)


def test_the_baselines_of_the_shift_study_are_as_described() -> None:
    plain, strong = (find_recipe(f"resnet18-bce-{name}").options for name in ("sgd", "adam-aug"))
    assert (plain.optimizer, plain.batch_size, plain.learning_rate, plain.augment) == ("sgd", 124, 0.01, False)
    assert (strong.optimizer, strong.batch_size, strong.learning_rate) == ("adam", 32, 0.001)
    assert (strong.brightness, strong.rotation_degrees) == (0.2, 45.0)
    assert min(strong.vertical_flip, strong.erasing, strong.crop) > 0
    assert plain.loss == strong.loss == "bce"
    assert plain.epochs == strong.epochs == 40


def test_transfer_is_short_retraining_and_then_long() -> None:
    for recipe in RECIPES:
        if recipe.name.startswith("transfer-"):
            assert 0 < recipe.options.frozen_epochs < recipe.options.epochs
            assert recipe.options.backbone_rate < 1
            assert recipe.options.weights
