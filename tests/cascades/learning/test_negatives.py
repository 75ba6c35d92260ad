from dataclasses import replace

import numpy as np
import pytest

from cascades.apply import WindowJudge
from cascades.learning.negatives import Miner, MiningOptions, Scene
from cascades.learning.sheets import SHEET_PIXELS, sheets_of, shrink
from cascades.model import CascadeModel
from cascades.scan.machine import Machine
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


def test_the_same_windows_in_the_same_order_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, mined = WindowJudge(random_model(np.random.default_rng(1))), []
    for threads in ("1", "3"):
        monkeypatch.setenv("TOONSIFT_THREADS", threads)
        mined.append(Miner(scenes(30), NO_WINDOWS, 24, 24, 0).collect(judge, 300))
    assert (mined[0].windows == mined[1].windows).all()
    assert (mined[0].seen, mined[0].passed) == (mined[1].seen, mined[1].passed)


def test_a_picture_larger_than_a_sheet_is_cut_and_no_window_lost_or_met_twice() -> None:
    scene = Scene(np.random.default_rng(0).integers(0, 256, (600, 1400), dtype=np.uint8), NOBODY)
    sheets = sheets_of(scene, (24, 24), 1.6, 0, np.random.default_rng(0))
    assert len(sheets) > 2
    assert all(sum(b.width * b.pixel_rows(24) for b in s.bands) <= SHEET_PIXELS for s in sheets)
    (level,) = {(b.width, b.height) for s in sheets for b in s.bands if b.step == 2 and b.width < 1400}
    expected = 0
    for width, height in sorted({(b.width, b.height) for s in sheets for b in s.bands}):
        step = 2 if width in (1400, level[0]) else 1
        expected += ((width - 24) // step + 1) * ((height - 24) // step + 1)
    assert sum(s.total for s in sheets) == expected
    looks = [sheet.look(everything(), 0, sheet.total, 0.0) for sheet in sheets[:1]]
    assert len({tuple(box) for look in looks for box in look.boxes}) == sheets[0].total
    # each window is what the detector sees there
    look = looks[0]
    for number in (0, 1000, len(look.boxes) - 1):
        left, top, right, _ = look.boxes[number]
        width = round(1400 * 24 / (right - left))
        shrunk = shrink(scene.image, width, round(600 * width / 1400))
        x, y = round(left * width / 1400), round(top * width / 1400)
        assert (look.windows[number] == shrunk[y : y + 24, x : x + 24]).all()


def test_it_ends_after_the_windows_that_are_allowed() -> None:
    miner = Miner(scenes(30), NO_WINDOWS, 24, 24, 0, MiningOptions(max_windows=2000))
    mined = miner.collect(everything(), 10**6)
    assert mined.exhausted
    assert miner.limited
    assert 2000 <= miner.seen < 2000 + 16 * 2048
    assert miner.collect(everything(), 10**6).seen == 0


def test_it_goes_on_from_a_kept_state_as_if_never_stopped() -> None:
    judge = WindowJudge(random_model(np.random.default_rng(1)))
    whole, stopped = (Miner(scenes(20), face_windows(5), 24, 24, 0) for _ in range(2))
    for miner in (whole, stopped):
        miner.collect(everything(), 150)
    taken_up = Miner(scenes(20), face_windows(5), 24, 24, 0)
    taken_up.restore(stopped.state())
    for wanted in (200, 400):
        first, second = whole.collect(judge, wanted), taken_up.collect(judge, wanted)
        assert (first.windows == second.windows).all()
        assert (first.seen, first.passed) == (second.seen, second.passed)
    with pytest.raises(ValueError, match="the state is of other scenes"):
        Miner(scenes(3), NO_WINDOWS, 24, 24, 0).restore(stopped.state())


def test_windows_that_overlap_a_face_a_little_are_negatives_when_asked() -> None:
    image = clutter(np.random.default_rng(2), 80, 60)
    face = np.array([[20.0, 10.0, 60.0, 50.0]])
    counts = []
    for overlap in (0.0, 0.3):
        options = MiningOptions(face_overlap=overlap)
        miner = Miner([Scene(image, NOBODY, face)], NO_WINDOWS, 24, 24, 0, options)
        counts.append(len(miner.collect(everything(), 10**5).windows))
    assert counts[0] < counts[1]
    sheet = sheets_of(Scene(image, NOBODY, face), (24, 24), 1.2, 0, np.random.default_rng(0))[0]
    for left, top, right, bottom in sheet.look(everything(), 0, sheet.total, 0.3).boxes:
        shared = max(min(right, 60) - max(left, 20), 0) * max(min(bottom, 50) - max(top, 10), 0)
        assert shared <= 0.3 * ((right - left) * (bottom - top) + 1600 - shared) + 1e-6


def test_suspects_are_spared_on_unlabelled_pictures_and_named() -> None:
    judge = WindowJudge(random_model(np.random.default_rng(1)))
    labelled = scenes(6)
    unlabelled = [replace(scene, name=f"frame {i}", labelled=False) for i, scene in enumerate(labelled)]
    plain = Miner(labelled, NO_WINDOWS, 24, 24, 0).collect(judge, 10**5)
    surely = float(np.median(judge.windows(plain.windows).totals))
    assert len(Miner(labelled, NO_WINDOWS, 24, 24, 0).collect(judge, 10**5, None, surely).windows) == len(plain.windows)
    miner = Miner(unlabelled, NO_WINDOWS, 24, 24, 0)
    spared = miner.collect(judge, 10**5, None, surely)
    assert len(spared.windows) + miner.spared == len(plain.windows)
    assert 0.3 < miner.spared / len(plain.windows) < 0.7
    assert miner.suspects[0].scene.startswith("frame ")
    assert [s.total for s in miner.suspects] == sorted((s.total for s in miner.suspects), reverse=True)
    assert judge.windows(spared.windows).totals.max() < surely


def test_mining_says_how_far_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 2))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    said: list[str] = []
    Miner(scenes(20), NO_WINDOWS, 24, 24, 0).collect(everything(), 900, said.append)
    assert said
    assert "of 900 negatives" in said[0]
    assert "windows/s, about" in said[0]


@pytest.mark.parametrize("first_share", [0.0, 0.5])
def test_windows_judged_side_by_side_are_those_judged_one_by_one(first_share: float) -> None:
    model = random_model(np.random.default_rng(1))
    scene = Scene(clutter(np.random.default_rng(5), 300, 200), NOBODY)
    (sheet,) = sheets_of(scene, (24, 24), 1.3, 0, np.random.default_rng(0))
    first = int(first_share * sheet.total)
    alone = sheet.look(WindowJudge(model), first, sheet.total, 0.0)
    together = sheet.look(WindowJudge(model), first, sheet.total, 0.0, Machine(model))
    assert 10 < len(alone.windows) < sheet.total - first
    assert alone.seen == together.seen
    assert (alone.windows == together.windows).all()
    assert (alone.boxes == together.boxes).all()
    assert np.allclose(alone.totals, together.totals, atol=1e-4)
