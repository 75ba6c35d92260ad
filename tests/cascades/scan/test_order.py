"""The order in which stages run: learnt, and without a say in what is found."""

import numpy as np

from cascades.scan.order import ENOUGH, StageOrder
from cascades.scan.search import Scanner
from tests.cascades.drawing import clutter
from tests.cascades.random_models import random_cascade


def test_the_stage_that_rejects_most_for_its_trees_comes_first() -> None:
    order = StageOrder(np.array([10, 10, 2]))
    assert order.stages.tolist() == [0, 1, 2]
    passes = np.ones((1000, 3), dtype=np.bool_)
    passes[:200, 0] = passes[:700, 1] = passes[:250, 2] = False
    order.add(passes)
    assert order.stages.tolist() == [2, 1, 0]
    assert order.is_learning
    order.add(np.ones((ENOUGH, 3), dtype=np.bool_))
    assert not order.is_learning


def test_what_is_found_does_not_depend_on_what_was_searched_before() -> None:
    random = np.random.default_rng(50)
    model = random_cascade(random, width=24, height=24, stages=4)
    picture = clutter(random, 220, 170)
    fresh, used = Scanner([model]), Scanner([model])
    for _ in range(6):
        used.scan(clutter(random, 320, 240))
    assert used.machines[0].order.stages.tolist() != [0, 1, 2, 3]
    one, other = fresh.scan(picture)[0], used.scan(picture)[0]
    assert one.boxes.tolist() == other.boxes.tolist() != []
    assert one.totals.tolist() == other.totals.tolist()
