from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from pipeline.core.records import Crop, DuplicateGroup
from pipeline.splits import SplitOptions, assign, components, hold_out
from tests.records import crop

faces = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 30), st.sampled_from(["happy", "sad", "angry"])),
    min_size=1, max_size=80,
)  # fmt: skip


def built(rows: list[tuple[int, int, int, str]]) -> tuple[list[Crop], dict[str, str]]:
    crops = [
        crop(f"c{n}", episode=f"e{e}", shot=f"e{e} s{s}", track=f"e{e} s{s} t{t}")
        for n, (e, s, t, _) in enumerate(rows)
    ]
    return crops, {f"c{n}": row[3] for n, row in enumerate(rows)}


def group(*members: str) -> DuplicateGroup:
    return DuplicateGroup(id="g" + "-".join(members), kept=members[0], members=tuple(sorted(members)), diameter_bits=0)


@settings(max_examples=60, deadline=None)
@given(faces, st.data(), st.sampled_from(["shot", "episode"]))
def test_nothing_that_belongs_together_is_ever_parted(
    rows: list[tuple[int, int, int, str]], data: st.DataObject, unit: str
) -> None:
    crops, label_of = built(rows)
    ids = [c.id for c in crops]
    groups = [
        group(*pair) for pair in data.draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), max_size=5))
    ]
    parts = components(crops, groups, unit)
    assert sorted(id for part in parts for id in part) == sorted(ids)
    split_of = assign(parts, label_of, SplitOptions(unit=unit))
    for attribute in ("shot", "track", *(["episode"] if unit == "episode" else [])):
        sides: dict[str, set[str]] = {}
        for c in crops:
            sides.setdefault(getattr(c, attribute), set()).add(split_of[c.id])
        assert all(len(s) == 1 for s in sides.values())
    assert all(len({split_of[m] for m in g.members}) == 1 for g in groups)


def test_many_small_shots_come_close_to_the_wanted_shares_in_every_class() -> None:
    rows = [(n % 4, n // 4, n, ["happy", "happy", "happy", "sad"][n % 4]) for n in range(400)]
    crops, label_of = built(rows)
    split_of = assign(components(crops, [], "shot"), label_of, SplitOptions(shares=(0.7, 0.1, 0.2)))
    counts = Counter((split_of[id], label_of[id]) for id in split_of)
    assert abs(counts["test", "happy"] - 60) <= 4
    assert abs(counts["test", "sad"] - 20) <= 2
    assert abs(counts["val", "sad"] - 10) <= 2


def test_the_order_of_crops_does_not_matter_and_the_seed_does() -> None:
    crops, label_of = built([(n % 3, n % 20, n, "happy") for n in range(100)])
    once = assign(components(crops, [], "shot"), label_of, SplitOptions())
    assert once == assign(components(crops[::-1], [], "shot"), label_of, SplitOptions())
    assert once != assign(components(crops, [], "shot"), label_of, SplitOptions(seed=1))


def test_a_held_out_episode_takes_nothing_alike_into_training() -> None:
    crops, _ = built([(0, 0, 0, "happy"), (0, 1, 1, "sad"), (1, 0, 2, "happy"), (2, 0, 3, "sad")])
    parts = components(crops, [group("c0", "c3")], "shot")
    test, tied, left = hold_out(parts, {c.id: c.episode for c in crops}, ["e2"])
    assert test == {"c3"}
    assert tied == {"c0"}
    assert left == [["c1"], ["c2"]]


def test_shares_that_make_no_sense_are_refused() -> None:
    for shares in [(0.5, 0.1, 0.1), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)]:
        with pytest.raises(UsageError, match="--split needs three shares that sum to 1"):
            SplitOptions(shares=shares)
