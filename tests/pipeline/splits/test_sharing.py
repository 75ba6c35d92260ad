from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from pipeline.splits import Candidate, Shared, SplitOptions, balance_of, components, share_out

EMOTIONS = ["happy", "sad", "angry"]


def face(id: str, episode: int = 0, shot: int = 0, track: int = 0, label: str = "happy", who: str = "ann") -> Candidate:
    return Candidate(
        id=id, label=label, character=who, episode=f"e{episode}", shot=f"e{episode} s{shot}",
        track=f"e{episode} s{shot} t{track}", seconds=Fraction(shot * 10 + track),
    )  # fmt: skip


@st.composite
def faces(draw: st.DrawFn) -> list[Candidate]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 4), st.integers(0, 9), st.integers(0, 5), st.sampled_from(EMOTIONS), st.sampled_from("ab")
            ),
            min_size=1, max_size=70,
        )
    )  # fmt: skip
    return [face(f"c{n}", *row) for n, row in enumerate(rows)]


def sides(found: Shared, keys: dict[str, str]) -> dict[str, set[str]]:
    """Key -> the splits it lies in."""
    seen: dict[str, set[str]] = defaultdict(set)
    for id, split in found.split_of.items():
        if id in keys:
            seen[keys[id]].add(split)
    return seen


def parted(found: Shared, keys: dict[str, str]) -> list[str]:
    return [key for key, splits in sides(found, keys).items() if len(splits) > 1]


@settings(max_examples=200, deadline=None)
@given(faces(), st.data())
def test_nothing_that_belongs_together_is_ever_parted(candidates: list[Candidate], data: st.DataObject) -> None:
    ids = [c.id for c in candidates]
    some = st.lists(st.sampled_from([*ids, "elsewhere"]), min_size=2, max_size=4)
    ties = data.draw(st.lists(some, max_size=6))
    shots = sorted({c.shot for c in candidates})
    repeats = data.draw(st.dictionaries(st.sampled_from(shots), st.sampled_from(["opening", "chase"]), max_size=4))
    unit = data.draw(st.sampled_from(["shot", "episode", "character"]))
    held = data.draw(st.sets(st.sampled_from(["e0", "e1"]))) if unit != "character" else set()
    shares = data.draw(st.sampled_from([(0.7, 0.1, 0.2), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.02, 0.49, 0.49)]))
    embargo = data.draw(st.sampled_from([0.0, 1.0, 15.0]))
    options = SplitOptions(
        shares=shares, unit=unit, test_episodes=tuple(sorted(held)), embargo_seconds=embargo, seed=data.draw(st.integers(0, 9))
    )  # fmt: skip
    found = share_out(candidates, ties, options, repeats)

    assert sorted([*found.split_of, *found.left_out]) == sorted(ids)
    assert set(found.split_of.values()) <= {s for s, n in zip(("train", "val", "test"), shares, strict=True) if n} | (
        {"test"} if held else set()
    )
    assert not parted(found, {c.id: c.track for c in candidates})
    for members in ties:
        assert not parted(found, dict.fromkeys(members, "tie"))
    if unit != "character":
        assert not parted(found, {c.id: c.shot for c in candidates})
        assert not parted(found, {c.id: repeats[c.shot] for c in candidates if c.shot in repeats})
    if unit in ("episode", "character"):
        assert not parted(found, {c.id: getattr(c, unit) for c in candidates})
    by_id = {c.id: c for c in candidates}
    assert all((by_id[id].episode in held) <= (split == "test") for id, split in found.split_of.items())
    # what is joined through others is not parted either
    for part in components(candidates, ties, repeats, by_shot=unit != "character"):
        assert len({found.split_of[id] for id in part if id in found.split_of}) <= 1
    for a, split in found.split_of.items():
        for b, other in found.split_of.items():
            if split != other and by_id[a].episode == by_id[b].episode:
                assert abs(by_id[a].seconds - by_id[b].seconds) >= embargo


@settings(max_examples=40, deadline=None)
@given(faces(), st.randoms(use_true_random=False))
def test_the_order_of_what_comes_in_does_not_matter(candidates: list[Candidate], random: object) -> None:
    mixed = list(candidates)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert share_out(candidates, [], SplitOptions()) == share_out(mixed, [], SplitOptions())


def test_the_seed_matters() -> None:
    candidates = [face(f"c{n}", n % 3, n % 20, n) for n in range(100)]
    once = share_out(candidates, [], SplitOptions())
    assert once.split_of != share_out(candidates, [], SplitOptions(seed=1)).split_of


def test_every_class_of_every_character_comes_close_to_the_wanted_shares() -> None:
    candidates = [
        face(f"c{n}", n % 5, n // 4 % 40, n, EMOTIONS[(n % 7) % 3], "abc"[n // 4 % 3]) for n in range(1000)
    ]  # shots of a few crops each, of one character, with several emotions
    found = share_out(candidates, [], SplitOptions())
    assert found.balance["misplaced"] < 0.01
    assert found.balance["absent"] == []
    for split, wanted in found.balance["wanted"].items():
        assert abs(found.balance["got"][split] - wanted) < 0.01


def test_an_opening_of_every_episode_stays_in_one_split_and_does_not_tie_the_episodes() -> None:
    candidates = [face(f"o{e}", e, 0) for e in range(10)]
    candidates += [face(f"c{e}.{n}", e, 1 + n) for e in range(10) for n in range(5)]
    repeats = {f"e{e} s0": "opening" for e in range(10)}
    found = share_out(candidates, [], SplitOptions(unit="episode"), repeats)
    assert set(found.split_of.values()) == {"train", "val", "test"}
    assert set(found.left_out.values()) == {"tied to another split"}
    assert {id[0] for id in found.left_out} == {"o"}
    shots = share_out(candidates, [], SplitOptions(), repeats)
    assert shots.left_out == {}
    assert not parted(shots, {f"o{e}": "opening" for e in range(10)})


def test_a_held_out_episode_takes_nothing_alike_into_training() -> None:
    candidates = [face("c0", 0, 0), face("c1", 0, 1), face("c2", 1, 0), face("c3", 2, 0)]
    found = share_out(candidates, [("c0", "c3")], SplitOptions(test_episodes=("e2",), shares=(0.5, 0.5, 0.0)))
    assert found.split_of["c3"] == "test"
    assert found.left_out == {"c0": "tied to a held-out episode"}
    assert {found.split_of["c1"], found.split_of["c2"]} == {"train", "val"}


def test_training_gives_way_where_an_embargo_is_asked_for() -> None:
    candidates = [face(f"c{n}", 0, n, 0, EMOTIONS[n % 3]) for n in range(60)]  # a shot every ten seconds
    free = share_out(candidates, [], SplitOptions())
    kept = share_out(candidates, [], SplitOptions(embargo_seconds=10.5))
    lost = {free.split_of[id] for id in kept.left_out}
    assert set(kept.left_out.values()) == {"within the embargo"}
    assert "train" in lost
    assert "test" not in lost


def test_what_cannot_be_shared_out_is_told() -> None:
    one_shot = [face(f"c{n}", label=EMOTIONS[n % 2]) for n in range(30)]
    found = share_out(one_shot, [], SplitOptions())
    assert set(found.split_of.values()) == {"train"}
    assert found.balance["got"] == {"train": 1.0, "val": 0.0, "test": 0.0}
    assert found.balance["components"] == 1
    assert found.balance["largest_component"] == 30
    assert {(a["split"], a["class"]) for a in found.balance["absent"]} == {
        (split, label) for split in ("val", "test") for label in ("happy", "sad")
    }


def test_no_split_is_empty_where_there_are_parts_enough() -> None:
    candidates = [face(f"c{e}.{n}", e, n) for e in range(3) for n in range(100 - e)]
    found = share_out(candidates, [], SplitOptions(shares=(0.9, 0.05, 0.05), unit="episode"))
    assert set(found.split_of.values()) == {"train", "val", "test"}


def test_a_class_with_one_example_goes_to_training() -> None:
    candidates = [face(f"c{n}", 0, n) for n in range(50)] + [face("rare", 0, 99, label="sad")]
    assert share_out(candidates, [], SplitOptions()).split_of["rare"] == "train"


def test_pictures_of_which_nothing_is_known_are_tied_to_nothing() -> None:
    bare = [Candidate(id=f"c{n}", label="happy") for n in range(20)]
    found = share_out(bare, [], SplitOptions(embargo_seconds=5))
    assert found.left_out == {}
    assert found.balance["components"] == 20
    assert share_out([], [], SplitOptions()).split_of == {}


def test_the_misplaced_share_is_what_would_have_to_move() -> None:
    placed = [(face(f"c{n}"), "train") for n in range(9)] + [(face("c9"), "test")]
    balance = balance_of(placed, SplitOptions(shares=(0.5, 0.0, 0.5)))
    assert balance["misplaced"] == pytest.approx(0.4)
    assert balance["got"] == {"train": 0.9, "test": 0.1}


@pytest.mark.parametrize("shares", [(0.5, 0.1, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="--split needs three shares that sum to 1"):
        SplitOptions(shares=shares)


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="--unit character holds out characters"):
        SplitOptions(unit="character", test_episodes=("e1",))
    with pytest.raises(UsageError, match="--embargo must be 0 seconds or more; got -1"):
        SplitOptions(embargo_seconds=-1)
    with pytest.raises(UsageError, match="--unit must be one of shot, episode, character; got 'scene'"):
        SplitOptions(unit="scene")
