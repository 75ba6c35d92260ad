import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.learning.boost import BoostOptions, boost_stage, heaviest, stage_threshold
from cascades.learning.features import SampleTable, tabulate
from cascades.learning.haar import HaarTable, bin_values, enumerate_haar, values_of
from cascades.learning.lbp import enumerate_lbp
from cascades.learning.screen import Screen
from cascades.learning.search import HaarSearch, LbpSearch, Search, as_words, midway
from cascades.learning.splits import split_gains
from cascades.learning.trees import grow_tree
from cascades.model import CascadeModel, Node, Stage, Tree
from pipeline.core.errors import UsageError
from tests.cascades.drawing import clutter, face_windows

POSITIVES, TOTAL = 40, 100


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """40 faces, then 60 windows of clutter."""
    random = np.random.default_rng(0)
    return np.concatenate([face_windows(POSITIVES), np.stack([clutter(random, 24, 24) for _ in range(60)])])


@pytest.fixture(scope="module")
def samples(windows: np.ndarray) -> SampleTable:
    return tabulate(windows, tilted=True)


@pytest.fixture(scope="module")
def table() -> HaarTable:
    return enumerate_haar(24, 24, "all")


@pytest.fixture(scope="module")
def haar(table: HaarTable, samples: SampleTable) -> Search:
    """Looks at 300 features and the neighbours of the best."""
    return HaarSearch(table, samples, POSITIVES, np.arange(0, len(table), 872), None)


@pytest.fixture(scope="module")
def lbp(samples: SampleTable) -> Search:
    return LbpSearch(enumerate_lbp(24, 24), samples, POSITIVES, np.arange(0, 8464, 16))


def some_weights(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(TOTAL))


def least_error(table: HaarTable, samples: SampleTable, pool: np.ndarray, weights: np.ndarray) -> float:
    gains, _ = split_gains(bin_values(table.select(pool), samples), weights, POSITIVES, categories=False)
    return float(1 - gains.max())


def error_of(left: np.ndarray, weights: np.ndarray) -> float:
    answers = np.where(np.arange(TOTAL) < POSITIVES, 1.0, -1.0)
    sides = [(weights[side].sum(), (weights * answers)[side].sum()) for side in (left, ~left)]
    return float(1 - sum(pull**2 / weight for weight, pull in sides))


@pytest.mark.parametrize("seed", range(3))
def test_a_split_is_no_worse_than_the_best_of_the_pool(
    haar: Search, table: HaarTable, samples: SampleTable, seed: int
) -> None:
    weights = some_weights(seed)
    split = haar.split(np.arange(TOTAL), weights)
    assert split is not None
    values = values_of(table.select(np.array([split.feature])), samples)[0]
    assert (split.left == (values < np.float32(split.threshold))).all()
    least = least_error(table, samples, np.arange(0, len(table), 872), weights)
    assert error_of(split.left, weights) <= least + 1e-9


def test_a_search_through_all_features_finds_the_best_of_all(samples: SampleTable) -> None:
    everything = enumerate_haar(24, 24, "basic")
    whole = np.arange(len(everything))
    weights = some_weights(1)
    split = HaarSearch(everything, samples, POSITIVES, whole, None).split(np.arange(TOTAL), weights)
    assert split is not None
    assert error_of(split.left, weights) == pytest.approx(least_error(everything, samples, whole, weights))


def test_screened_features_come_near_the_best_of_all(samples: SampleTable) -> None:
    everything = enumerate_haar(24, 24, "basic")
    weights = np.where(np.arange(TOTAL) < POSITIVES, 0.5 / POSITIVES, 0.5 / (TOTAL - POSITIVES))
    search = HaarSearch(everything, samples, POSITIVES, np.arange(0, 162_336, 811), Screen(everything, 300))
    split = search.split(np.arange(TOTAL), weights)
    assert split is not None
    best = 1 - least_error(everything, samples, np.arange(162_336), weights)
    assert 1 - error_of(split.left, weights) >= 0.9 * best


def test_a_threshold_lies_midway_between_two_values(haar: Search, table: HaarTable, samples: SampleTable) -> None:
    split = haar.split(np.arange(TOTAL), np.full(TOTAL, 1 / TOTAL))
    assert split is not None
    values = np.sort(values_of(table.select(np.array([split.feature])), samples)[0])
    above = int(np.searchsorted(values, np.float32(split.threshold)))
    assert split.threshold == pytest.approx((float(values[above - 1]) + float(values[above])) / 2, rel=1e-6)


def test_midway_separates_even_neighbouring_floats() -> None:
    below = np.float32(0.1)
    above = np.nextafter(below, np.float32(1))
    assert below < midway(below, above) <= above


def test_a_split_of_some_samples_heeds_no_other(haar: Search, lbp: Search) -> None:
    some = np.sort(np.random.default_rng(2).choice(TOTAL, 50, replace=False))
    others = np.setdiff1d(np.arange(TOTAL), some)
    weights, changed = some_weights(3), some_weights(3)
    changed[others] *= 1000
    for search in (haar, lbp):
        first, second = search.split(some, weights), search.split(some, changed)
        assert first is not None
        assert second is not None
        assert (first.feature, first.threshold, first.subset) == (second.feature, second.threshold, second.subset)
        assert first.left[some].any()
        assert not first.left[some].all()


def test_words_hold_a_bit_for_each_code() -> None:
    left = np.zeros(256, dtype=np.bool_)
    left[[0, 31, 33, 255]] = True
    words = as_words(left)
    assert words == (1 - 2**31, 2, 0, 0, 0, 0, 0, -(2**31))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["haar", "lbp"])
def test_a_tree_is_opencv_s_and_gives_the_outputs_it_says(
    haar: Search, lbp: Search, windows: np.ndarray, table: HaarTable, kind: str, depth: int
) -> None:
    weights = some_weights(7)
    grown = grow_tree(
        haar if kind == "haar" else lbp, weights, POSITIVES, depth, lambda h, m: (h - m) / (h + m), weights > 0
    )
    assert grown is not None
    tree, outputs = grown
    assert len(tree.leaves) == len(tree.nodes) + 1
    assert len(tree.nodes) <= 2**depth - 1
    children = [child for node in tree.nodes for child in (node.left, node.right)]
    assert sorted(c for c in children if c > 0) == list(range(1, len(tree.nodes)))
    assert sorted(-c for c in children if c <= 0) == list(range(len(tree.leaves)))
    model = one_tree(tree, table if kind == "haar" else None)
    margins = WindowJudge(model).windows(windows).margins
    looked_at = WindowJudge(model).windows(windows).stages_passed >= 0
    assert looked_at.any()
    assert margins[looked_at] == pytest.approx(outputs[looked_at] + 100 + 1e-5, abs=1e-4)


def one_tree(tree: Tree, table: HaarTable | None) -> CascadeModel:
    """A cascade of that tree alone, which lets everything through."""
    used = sorted({node.feature for node in tree.nodes})
    nodes = tuple(Node(n.left, n.right, used.index(n.feature), n.threshold, n.subset) for n in tree.nodes)
    everything = enumerate_lbp(24, 24) if table is None else table
    return CascadeModel(
        kind="LBP" if table is None else "HAAR",
        width=24,
        height=24,
        stages=(Stage(-100.0, (Tree(nodes, tree.leaves),)),),
        features=tuple(everything.feature(i) for i in used),
    )


@pytest.mark.parametrize("boosting", ["gentle", "real", "discrete"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_stage_lets_through_what_was_promised(haar: Search, boosting: str, depth: int) -> None:
    options = BoostOptions(min_hit_rate=0.95, max_false_alarm=0.1, boosting=boosting, depth=depth)  # type: ignore[arg-type]
    stage = boost_stage(haar, TOTAL, POSITIVES, options)
    assert stage.hit_rate >= 0.95
    assert stage.false_alarm <= 0.1
    assert 1 <= len(stage.trees) < 100


def test_a_stage_of_lbp_trees_keeps_its_promise_too(lbp: Search) -> None:
    stage = boost_stage(lbp, TOTAL, POSITIVES, BoostOptions(min_hit_rate=0.95, max_false_alarm=0.1, weight_kept=0.95))
    assert stage.hit_rate >= 0.95
    assert stage.false_alarm <= 0.1


def test_a_stage_ends_at_its_largest_size(haar: Search) -> None:
    stage = boost_stage(haar, TOTAL, POSITIVES, BoostOptions(min_hit_rate=1.0, max_false_alarm=0.0001, max_weak=2))
    assert len(stage.trees) <= 2


def test_samples_that_are_all_alike_give_no_tree(table: HaarTable) -> None:
    same = tabulate(np.repeat(face_windows(1), 20, axis=0), tilted=True)
    search = HaarSearch(table, same, 10, np.arange(0, len(table), 5003), None)
    assert search.split(np.arange(20), np.full(20, 0.05)) is None
    assert boost_stage(search, 20, 10, BoostOptions()).trees == ()


def test_the_stage_threshold_loses_no_more_than_allowed() -> None:
    sums = np.arange(1000, dtype=np.float64)
    assert stage_threshold(sums, 0.995) == 5.0
    assert stage_threshold(sums, 1.0) == 0.0
    assert stage_threshold(np.array([3.0, 1.0, 2.0]), 0.995) == 1.0


def test_the_heaviest_samples_hold_the_share_asked_for() -> None:
    weights = np.array([0.5, 0.02, 0.3, 0.02, 0.16])
    assert heaviest(weights, 0.95).tolist() == [True, False, True, False, True]
    assert heaviest(weights, 1.0).all()
    assert heaviest(np.full(5, 0.2), 0.5).all()  # equal ones stay together


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 5}, "--depth must be 1 to 4, got 5"),
        ({"boosting": "logit"}, "--boosting must be one of gentle, real"),
    ],
)
def test_contradictory_options_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BoostOptions(**change)  # type: ignore[arg-type]
