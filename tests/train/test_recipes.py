import pytest

from pipeline.core.errors import UsageError
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
