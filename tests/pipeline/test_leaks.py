from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.manifest import Example
from pipeline.core.places import Box
from pipeline.duplicates import DedupeOptions
from pipeline.duplicates.looks import LOOK_SIZE
from pipeline.leaks import DISTANCES, Kinship, leak_certificate
from pipeline.splits import SplitOptions

NONE = ("shared_tracks", "shared_components", "near_duplicate_pairs", "shared_shots", "shared_openings")


def row(id: str, split: str, **more: object) -> Example:
    number = int(id[1:])
    fields: dict[str, object] = {
        "id": id, "file": f"{id}.png", "sha256": "0" * 64, "label": "happy", "soft_label": (1.0,), "split": split,
        "character": "ann", "episode": "e1", "pts": 24 * number, "time_base": Fraction(1, 24), "shot": f"s{number}",
        "track": f"t{number}", "box": Box(left=0, top=0, right=9, bottom=9), "cascade": "c", "annotators": 1,
        "phash": f"{(number * 0x9E3779B97F4A7C15) % 2**64:016x}",
    }  # fmt: skip
    return Example(**(fields | more))  # type: ignore[arg-type]


def test_rows_that_share_nothing_leak_nothing() -> None:
    rows = [row(f"c{n}", ["train", "val", "test"][n % 3]) for n in range(30)]
    found = leak_certificate(rows, SplitOptions(), Kinship())
    assert found["leaks"] == 0
    assert [found[name] for name in NONE] == [0] * len(NONE)
    assert found["shared_episodes"] == found["shared_characters"] == 1, "told, though no leak when shots are the unit"
    assert found["smallest_gap_seconds"] == 1.0


def test_each_kind_of_leak_is_counted() -> None:
    rows = [row("c1", "train", shot="s"), row("c2", "test", shot="s"), row("c3", "train", track="t")]
    rows += [row("c4", "val", track="t"), row("c5", "train"), row("c6", "test"), row("c7", "train"), row("c8", "val")]
    kinship = Kinship(ties=[("c5", "gone", "c6")], repeats={"s7": "opening", "s8": "opening"})
    found = leak_certificate(rows, SplitOptions(), kinship)
    assert {name: found[name] for name in NONE} == {
        "shared_tracks": 1, "shared_components": 1, "near_duplicate_pairs": 0, "shared_shots": 1, "shared_openings": 1,
    }  # fmt: skip
    assert found["leaks"] == 4
    assert leak_certificate(rows, SplitOptions(unit="episode"), kinship)["leaks"] == 5
    assert leak_certificate(rows, SplitOptions(unit="character"), kinship)["leaks"] == 3
    assert leak_certificate(rows, SplitOptions(embargo_seconds=1.5), kinship)["leaks"] == 5


def test_near_duplicates_that_no_component_knows_of_are_found_again() -> None:
    one, two = "00000000000000ff", "000000000000003f"
    rows = [row("c1", "train", phash=one), row("c2", "test", phash=two), row("c3", "test", phash=two)]
    alike = dict.fromkeys(["c1", "c2"], "80" * LOOK_SIZE) | {"c3": "f0" * LOOK_SIZE}
    found = leak_certificate(rows, SplitOptions(), Kinship(looks=alike))
    assert found["near_duplicate_pairs"] == found["leaks"] == 1
    assert found["cross_split_pairs"] == {str(d): 2 * (d >= 2) for d in range(9)}
    near = DedupeOptions(distance=1)
    assert leak_certificate(rows, SplitOptions(), Kinship(looks=alike, near=near))["leaks"] == 0


hashes_and_splits = st.lists(
    st.tuples(st.integers(0, 2**10 - 1), st.sampled_from(["train", "val", "test"])), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(hashes_and_splits)
def test_pairs_are_counted_as_by_comparing_all(drawn: list[tuple[int, str]]) -> None:
    rows = [row(f"c{n}", split, phash=f"{value:016x}") for n, (value, split) in enumerate(drawn)]
    found = leak_certificate(rows, SplitOptions(), Kinship())["cross_split_pairs"]
    bits = [(a ^ b).bit_count() for (a, s), (b, t) in combinations(drawn, 2) if s != t]
    assert found == {str(d): sum(n <= d for n in bits) for d in DISTANCES}


def test_a_hundred_thousand_equal_rows_are_counted_without_listing_their_pairs() -> None:
    count = 100_000
    rows = [row(f"c{n}", "train" if n % 2 else "test", phash="0" * 16) for n in range(count)]
    looks = dict.fromkeys((f"c{n}" for n in range(count)), "80" * LOOK_SIZE)
    found = leak_certificate(rows, SplitOptions(), Kinship(looks=looks))
    assert found["cross_split_pairs"]["0"] == found["near_duplicate_pairs"] == (count // 2) ** 2
    assert np.isfinite(found["smallest_gap_seconds"])
