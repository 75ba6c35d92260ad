import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from pipeline.core.images import RGB
from pipeline.core.places import Box
from pipeline.core.records import Crop
from pipeline.duplicates import DedupeOptions, Found, find_groups, hashes_of, hashing, looks, looks_of
from pipeline.duplicates.looks import LOOK_SIZE
from tests.pipeline.duplicates.pictures import smooth
from tests.records import crop

GREY = "80" * LOOK_SIZE


def grouped(images: dict[str, RGB], crops: list[Crop]) -> Found:
    pictures = list(images.values())
    hashes = dict(zip(images, hashing.as_text(hashes_of(pictures)), strict=True))
    return find_groups(
        crops, hashes, dict(zip(images, looks.as_text(looks_of(pictures)), strict=True)), DedupeOptions()
    )


def test_groups_join_what_is_alike_over_episodes_and_keep_the_best() -> None:
    a, b = smooth(1), smooth(2)
    noisy = np.clip(a.astype(int) + np.random.default_rng(0).integers(-4, 5, a.shape), 0, 255).astype(np.uint8)
    crops = [crop("c1"), crop("c2", episode="e2", box=Box(left=0, top=0, right=90, bottom=90)), crop("c3"), crop("c4")]
    images = {"c1": a, "c2": noisy, "c3": b, "c4": a}
    found = grouped(images, crops)
    [group], [component] = found.groups, found.components
    assert group.members == component.members == ("c1", "c2", "c4")
    assert group.kept == "c2", "the largest face stands for its group"
    assert group.diameter_bits <= 6
    assert grouped(images, crops[::-1]) == found


def test_the_sharpest_of_equally_large_crops_is_kept() -> None:
    crops = [crop("c1", sharpness=5.0), crop("c2", sharpness=50.0), crop("c3", sharpness=7.0)]
    [group] = grouped(dict.fromkeys(["c1", "c2", "c3"], smooth(1)), crops).groups
    assert group.kept == "c2"


def test_the_same_hash_with_another_look_is_no_duplicate() -> None:
    red, blue = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 150, 150
    assert hashes_of([red])[0] == hashes_of([blue])[0]
    assert grouped({"c1": red, "c2": blue}, [crop("c1"), crop("c2")]) == Found(groups=[], components=[])


def test_a_chain_is_one_component_and_several_groups() -> None:
    steps = [sum(1 << bit for bit in range(5 * n)) for n in range(12)]  # each 5 bits from the next, the ends 55 apart
    crops = [crop(f"c{n:02d}", sharpness=float(n)) for n in range(12)]
    hashes = {one.id: f"{step:016x}" for one, step in zip(crops, steps, strict=True)}
    found = find_groups(crops, hashes, dict.fromkeys(hashes, GREY), DedupeOptions(distance=6))
    [component] = found.components
    assert len(component.members) == 12
    assert len(found.groups) == 6
    assert max(group.diameter_bits for group in found.groups) <= 12


hashes_close_together = st.lists(
    st.tuples(st.integers(0, 2**12 - 1), st.sampled_from([0, 4, 30]), st.integers(1, 3)), min_size=1, max_size=40
)


@settings(max_examples=120, deadline=None)
@given(hashes_close_together, st.integers(0, 4))
def test_groups_and_components_are_what_comparing_all_gives(rows: list[tuple[int, int, int]], distance: int) -> None:
    crops = [crop(f"c{n:02d}", sharpness=float(sharp)) for n, (_, _, sharp) in enumerate(rows)]
    hashes = {f"c{n:02d}": f"{value:016x}" for n, (value, _, _) in enumerate(rows)}
    pictures = {f"c{n:02d}": f"{100 + shade:02x}" * LOOK_SIZE for n, (_, shade, _) in enumerate(rows)}
    found = find_groups(crops, hashes, pictures, DedupeOptions(distance=distance, look_difference=5))

    def near(a: str, b: str) -> bool:
        shades = [int(pictures[id][:2], 16) for id in (a, b)]
        return (int(hashes[a], 16) ^ int(hashes[b], 16)).bit_count() <= distance and abs(shades[0] - shades[1]) <= 5

    parts: list[set[str]] = []
    for id in hashes:
        touched = [part for part in parts if any(near(id, other) for other in part)]
        parts = [part for part in parts if part not in touched] + [{id}.union(*touched)]
    assert {c.members for c in found.components} == {tuple(sorted(part)) for part in parts if len(part) > 1}
    marked = [member for group in found.groups for member in group.members]
    assert len(marked) == len(set(marked)), "a crop is in one group at most"
    for group in found.groups:
        assert all(near(group.kept, member) for member in group.members), "each is a near-duplicate of the kept one"
        assert group.diameter_bits <= 2 * distance
        assert any(set(group.members) <= part for part in parts)
    alone = set(hashes) - {m for g in found.groups for m in g.members if m != g.kept}
    assert not any(near(a, b) for a in alone for b in alone if a < b), "no two kept crops are near-duplicates"


def test_a_thousand_equal_crops_are_one_group_and_half_of_them_too() -> None:
    crops = [crop(f"c{n:04d}") for n in range(2000)]
    hashes = {one.id: f"{0 if n % 2 else n << 40:016x}" for n, one in enumerate(crops)}
    found = find_groups(crops, hashes, dict.fromkeys(hashes, GREY), DedupeOptions(distance=0))
    assert [len(group.members) for group in found.groups] == [1001]
    everything = find_groups(crops, dict.fromkeys(hashes, "0" * 16), dict.fromkeys(hashes, GREY), DedupeOptions())
    assert [len(group.members) for group in everything.groups] == [2000]
    assert everything.groups[0].diameter_bits == 0


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="--distance must be 0 to 64 bits, got 65"):
        DedupeOptions(distance=65)
    with pytest.raises(UsageError, match="--hash must be one of phash, dhash, whash, colour; got 'sha'"):
        DedupeOptions(hash_name="sha")
    assert find_groups([], {}, {}, DedupeOptions()) == Found(groups=[], components=[])


def test_a_look_is_the_mean_colour_of_each_cell() -> None:
    image = np.zeros((16, 24, 3), np.uint8)
    image[:2, :3] = (10, 20, 31)
    image[0, 0] = (13, 20, 30)
    [look] = looks_of([image])
    assert look[:6].tolist() == [11, 20, 31, 0, 0, 0], "rounded to nearest"
    assert looks_of([np.full((3, 5), 77, np.uint8)]).tolist() == [[77] * LOOK_SIZE], "smaller than the grid, and luma"
    assert (looks.as_numbers(looks.as_text(looks_of([image]))) == looks_of([image])).all()
