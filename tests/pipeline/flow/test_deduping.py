from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.images import encode_png
from pipeline.core.records import Crop, DuplicateComponent, DuplicateGroup, Run
from pipeline.core.workspace import Workspace
from pipeline.duplicates import DedupeOptions, Likeness
from pipeline.flow.deduping import dedupe
from tests.pipeline.duplicates.pictures import smooth
from tests.records import crop, episode, label


def add(workspace: Workspace, first: int, end: int) -> None:
    """Crops of which every few show the same picture, a little changed."""
    workspace.catalogue.put([episode("e1"), episode("e2")])
    for n in range(first, end):
        image = smooth(n % 23)
        noise = np.random.default_rng(n).integers(-3 * (n % 4), 3 * (n % 4) + 1, image.shape)
        content = encode_png(np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8))
        made = crop(
            f"c{(n * 37) % 101:03d}", sharpness=float(n * 7 % 13), sha256=workspace.objects.put(content, ".png")
        )
        workspace.catalogue.put([made])


def outcome(workspace: Workspace) -> tuple[list[DuplicateGroup], list[DuplicateComponent]]:
    return workspace.catalogue.all(DuplicateGroup), workspace.catalogue.all(DuplicateComponent)


def cache(workspace: Workspace) -> Path:
    return workspace.root / "cache" / "likeness.npz"


@pytest.fixture
def other(tmp_path: Path) -> Workspace:
    """A workspace where everything is deduped at once."""
    whole = Workspace(tmp_path / "other")
    add(whole, 0, 100)
    dedupe(whole, DedupeOptions())
    return whole


def test_new_crops_are_compared_with_all_and_nothing_else_is(workspace: Workspace, other: Workspace) -> None:
    for first, end in ((0, 30), (30, 31), (31, 80), (80, 100)):
        add(workspace, first, end)
        assert dedupe(workspace, DedupeOptions())["compared"] == end - first
    assert dedupe(workspace, DedupeOptions())["compared"] == 0
    assert outcome(workspace) == outcome(other)
    assert len(outcome(workspace)[0]) > 5


def test_another_distance_can_be_tried_and_undone(workspace: Workspace, other: Workspace) -> None:
    add(workspace, 0, 100)
    wide = dedupe(workspace, DedupeOptions(distance=24))
    narrow = dedupe(workspace, DedupeOptions(distance=0))
    assert wide["marked"] > narrow["marked"]
    assert narrow["widest_bits"] == 0
    dedupe(workspace, DedupeOptions(hash_name="dhash"))
    back = dedupe(workspace, DedupeOptions())
    assert outcome(workspace) == outcome(other)
    assert back["kept"] + back["marked"] == back["crops"] == workspace.catalogue.count(Crop) == 100


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "flipped", "of another state"])
def test_a_cache_that_cannot_be_trusted_is_made_anew(workspace: Workspace, other: Workspace, damage: str) -> None:
    add(workspace, 0, 60)
    dedupe(workspace, DedupeOptions())
    content = bytearray(cache(workspace).read_bytes())
    add(workspace, 60, 100)
    if damage == "absent":
        cache(workspace).unlink()
    elif damage == "empty":
        cache(workspace).write_bytes(b"")
    elif damage == "cut":
        cache(workspace).write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        cache(workspace).write_bytes(content)
    else:
        dedupe(workspace, DedupeOptions())
        cache(workspace).write_bytes(content)
        workspace.catalogue.put([replace(crop("c200"), sha256=workspace.catalogue.all(Crop)[0].sha256)])
        other.catalogue.put([replace(crop("c200"), sha256=workspace.catalogue.all(Crop)[0].sha256)])
        dedupe(other, DedupeOptions())
    dedupe(workspace, DedupeOptions())
    assert outcome(workspace) == outcome(other)


def test_a_cache_that_was_made_up_is_not_believed(workspace: Workspace) -> None:
    add(workspace, 0, 30)
    dedupe(workspace, DedupeOptions())
    run = workspace.catalogue.get(Run, "dedupe:all")
    assert run is not None
    likeness = Likeness.load(cache(workspace), run.digest)
    assert likeness is not None
    for roots in ([1_000_000, 1], [-5, 1], [1, 0]):  # outside, and a ring without end
        likeness.roots[:2] = roots
        likeness.save(cache(workspace), run.digest)
        assert Likeness.load(cache(workspace), run.digest) is None


def test_crops_that_went_take_their_groups_along(workspace: Workspace) -> None:
    add(workspace, 0, 46)
    dedupe(workspace, DedupeOptions())
    for one in workspace.catalogue.all(Crop)[:40]:
        workspace.catalogue.delete(Crop, id=one.id)
    dedupe(workspace, DedupeOptions())
    left = {one.id for one in workspace.catalogue.all(Crop)}
    groups, components = outcome(workspace)
    assert all(left.issuperset(found.members) for found in (*groups, *components))


def test_labels_that_contradict_each_other_are_shown(workspace: Workspace) -> None:
    add(workspace, 0, 46)
    dedupe(workspace, DedupeOptions())
    group = workspace.catalogue.all(DuplicateGroup)[0]
    one, two = group.members[:2]
    workspace.catalogue.put([label(one, "happy"), label(two, "sad")])
    [conflict] = dedupe(workspace, DedupeOptions())["conflicts"]
    assert conflict == {"group": group.id, "kept": group.kept, "labels": {"happy": [one], "sad": [two]}}
