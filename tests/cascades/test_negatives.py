import numpy as np

from cascades.apply import WindowJudge
from cascades.model import CascadeModel
from cascades.negatives import Miner, MiningOptions, Scene
from tests.cascades.drawing import clutter, face_windows, random_model

NOBODY = np.zeros((0, 4))
NO_WINDOWS = np.zeros((0, 24, 24), dtype=np.uint8)


def everything() -> WindowJudge:
    return WindowJudge(CascadeModel(kind="HAAR", width=24, height=24, stages=(), features=()))


def scenes(count: int, width: int = 60, height: int = 50) -> list[Scene]:
    random = np.random.default_rng(0)
    return [Scene(clutter(random, width, height), NOBODY) for _ in range(count)]


def windows_of(scene: Scene, step: int) -> set[bytes]:
    image = scene.image
    return {
        np.ascontiguousarray(image[y : y + 24, x : x + 24]).tobytes()
        for y in range(0, image.shape[0] - 23, step)
        for x in range(0, image.shape[1] - 23, step)
    }


def test_every_window_is_looked_at_once_and_then_it_ends() -> None:
    (scene,) = scenes(1)
    one_size = MiningOptions(scale_factor=9.0)
    miner = Miner([scene], NO_WINDOWS, 24, 24, 0, one_size)
    mined = miner.collect(everything(), 10_000)
    assert mined.exhausted
    assert (mined.seen, miner.seen, miner.total) == (19 * 14, 19 * 14, 19 * 14)
    assert {w.tobytes() for w in mined.windows} == windows_of(scene, 2)
    again = miner.collect(everything(), 10_000)
    assert (again.seen, len(again.windows)) == (0, len(mined.windows))


def test_the_same_window_twice_counts_once() -> None:
    (scene,) = scenes(1)
    miner = Miner([scene, Scene(scene.image.copy(), NOBODY)], NO_WINDOWS, 24, 24, 0, MiningOptions(scale_factor=9.0))
    mined = miner.collect(everything(), 10_000)
    assert mined.seen == 2 * 19 * 14
    assert len(mined.windows) == len({w.tobytes() for w in mined.windows}) == len(windows_of(scene, 2))


def test_a_later_stage_keeps_what_still_passes_and_goes_on_where_the_first_stopped() -> None:
    judge = WindowJudge(random_model(np.random.default_rng(1)))
    miner = Miner(scenes(5), NO_WINDOWS, 24, 24, 0)
    first = miner.collect(everything(), 100)
    second = miner.collect(judge, 100)
    assert len(first.windows) == len(second.windows) == 100
    assert (judge.windows(second.windows).stages_passed == judge.complete).all()
    kept = first.windows[judge.windows(first.windows).stages_passed == judge.complete]
    assert (second.windows[: len(kept)] == kept).all()
    assert 0 < second.passed <= second.seen
    assert miner.seen == first.seen + second.seen


def test_windows_that_touch_a_box_are_never_negatives() -> None:
    image = np.minimum(clutter(np.random.default_rng(2), 80, 60), 230)
    image[20:40, 30:50] = 250  # nothing else is as light
    box = np.array([[30.0, 20.0, 50.0, 40.0]])
    mined = Miner([Scene(image, box)], NO_WINDOWS, 24, 24, 0).collect(everything(), 100_000)
    assert mined.exhausted
    assert len(mined.windows) > 10
    assert mined.windows.max() <= 230


def test_other_characters_come_before_all_else() -> None:
    faces = face_windows(10)
    mined = Miner(scenes(2), faces, 24, 24, 0).collect(everything(), 20)
    assert (mined.windows[:10] == faces).all()
    assert len(mined.windows) == 20


def test_early_windows_come_from_many_scenes() -> None:
    many = scenes(20)
    for i, scene in enumerate(many):
        scene.image[:, ::2] = i  # every window tells where it is from
    mined = Miner(many, NO_WINDOWS, 24, 24, 0, MiningOptions(scale_factor=9.0)).collect(everything(), 200)
    origins = {int(value) for w in mined.windows for value in np.unique(w[:, 0]) if value < 20}
    assert len(origins) >= 10


def test_the_order_depends_on_the_seed_alone() -> None:
    first, again, other = (Miner(scenes(3), NO_WINDOWS, 24, 24, seed).collect(everything(), 50) for seed in (0, 0, 1))
    assert (first.windows == again.windows).all()
    assert (first.windows != other.windows).any()


def test_measuring_uses_fresh_windows() -> None:
    miner = Miner(scenes(3), NO_WINDOWS, 24, 24, 0)
    miner.collect(everything(), 50)
    before = miner.seen
    seen, passed = miner.measure(WindowJudge(random_model(np.random.default_rng(3))), 200)
    assert seen >= 200
    assert miner.seen - before == seen
    assert 0 < passed < seen
    assert miner.measure(everything(), 10**9)[0] == miner.total - before - seen
