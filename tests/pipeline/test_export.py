import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotate.agreement.consensus import consensus
from pipeline.core.errors import DatasetError
from pipeline.core.images import encode_png
from pipeline.core.manifest import damaged_files, read_dataset
from pipeline.core.records import Crop, DuplicateComponent, DuplicateGroup, Episode, Label
from pipeline.core.workspace import Workspace
from pipeline.duplicates import DedupeOptions
from pipeline.export import ExportOptions
from pipeline.flow.curation import export, export_summary
from pipeline.flow.datasets import verify_dataset
from pipeline.flow.deduping import dedupe, hash_crops
from pipeline.splits import Candidate, Shared, SplitOptions
from tests.records import crop, episode, label


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """40 crops of 20 shots in two episodes, each a picture of its own, labelled happy or sad."""
    catalogue = workspace.catalogue
    random = np.random.default_rng(0)
    catalogue.put([episode("e1"), episode("e2")])
    for n in range(40):
        image = np.kron(random.integers(0, 255, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
        sha256 = workspace.objects.put(encode_png(image), ".png")
        name = f"c{n:02d}"
        catalogue.put([crop(name, episode=f"e{n % 2 + 1}", shot=f"s{n // 2}", pts=n, sha256=sha256)])
        catalogue.put([label(name, "happy" if n % 4 < 2 else "sad")])
    return workspace


def test_a_version_holds_what_its_manifest_says(filled: Workspace) -> None:
    outcome = export(filled, "faces", ExportOptions())
    dataset = read_dataset(filled.dataset_folder("faces"))
    assert outcome.dataset.id == "faces@1"
    assert dataset.manifest.classes == ("happy", "sad")
    assert len(dataset.examples) == 40
    assert sum(n for by in dataset.manifest.counts.values() for n in by.values()) == 40
    assert damaged_files(dataset) == []
    assert outcome.made.leaks["leaks"] == 0
    assert (dataset.folder / "README.md").read_text().startswith("# faces, version 1")


def test_the_same_labels_make_the_same_version_and_new_ones_the_next(filled: Workspace) -> None:
    first = export(filled, "faces", ExportOptions())
    again = export(filled, "faces", ExportOptions())
    assert again.already
    assert again.dataset == first.dataset
    filled.catalogue.put([label("c00", "sad", "bo", id="later", created="2026-02-01T00:00:00+00:00")])
    second = export(filled, "faces", ExportOptions())
    assert second.dataset.id == "faces@2"
    assert second.dataset.parent == first.dataset.digest
    old = read_dataset(filled.dataset_folder("faces@1"))
    assert {e.id: e.label for e in old.examples}["c00"] == "happy", "labels changed later never change an old version"


def test_the_digest_is_the_same_in_another_workspace(filled: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    other.catalogue.put(filled.catalogue.all(Episode))
    crops = filled.catalogue.all(Crop)
    for one in crops:
        other.objects.put(filled.objects.read(one.sha256, ".png"), ".png")
    other.catalogue.put(crops[::-1])
    other.catalogue.put(filled.catalogue.all(Label)[::-1])
    assert (
        export(other, "faces", ExportOptions()).dataset.digest
        == export(filled, "faces", ExportOptions()).dataset.digest
    )


def test_a_flipped_bit_a_missing_and_a_moved_file_are_found(filled: Workspace) -> None:
    export(filled, "faces", ExportOptions())
    dataset = read_dataset(filled.dataset_folder("faces"))
    one, two = (dataset.image_path(e) for e in dataset.examples[:2])
    content = bytearray(one.read_bytes())
    content[-20] ^= 1
    one.write_bytes(bytes(content))
    two.unlink()
    faults = verify_dataset(filled, "faces")
    assert len(faults) == 2
    assert "differs from what was exported" in faults[0]
    assert "is missing" in faults[1]
    manifest = dataset.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"happy"', '"merry"', 1))
    assert "was changed after the export" in verify_dataset(filled, "faces")[0]


def test_crops_that_came_after_dedupe_are_grouped_before_an_export(filled: Workspace) -> None:
    dedupe(filled, DedupeOptions(distance=4))
    assert filled.catalogue.count(DuplicateGroup) == 0
    first = filled.catalogue.get(Crop, "c00")
    assert first is not None
    filled.catalogue.put([replace(first, id="c99", shot="another", track="another", episode="e2")])
    filled.catalogue.put([label("c99", "happy")])
    made = export(filled, "faces", ExportOptions()).made
    [group] = filled.catalogue.all(DuplicateGroup)
    assert group.members == ("c00", "c99")
    assert made.left_out == {"near-duplicate": 1}


def test_duplicates_are_exported_once_and_those_labelled_differently_not_at_all(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.catalogue.put(
        [
            DuplicateGroup(id="g1", kept="c01", members=("c00", "c01"), diameter_bits=0),
            DuplicateGroup(id="g2", kept="c02", members=("c02", "c05"), diameter_bits=0),
        ]
    )
    monkeypatch.setattr("pipeline.flow.curation.dedupe_if_stale", lambda place, _: hash_crops(place))  # groups made up
    outcome = export(filled, "faces", ExportOptions())
    ids = {e.id for e in outcome.made.examples}
    assert "c01" in ids
    assert "c00" not in ids
    assert not {"c02", "c05"} & ids
    assert outcome.made.left_out == {"near-duplicate": 1, "near-duplicates labelled differently": 2}


def test_a_version_that_would_leak_is_not_written_unless_asked_for(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_random(candidates: list[Candidate], *_: object) -> Shared:
        split_of = {c.id: ["train", "val", "test"][n % 3] for n, c in enumerate(candidates)}
        return Shared(split_of=split_of, left_out={}, balance={})

    monkeypatch.setattr("pipeline.export.share_out", at_random)
    with pytest.raises(DatasetError, match=r'\'faces\' would leak.*"shared_shots": 20.*--allow-leaks'):
        export(filled, "faces", ExportOptions())
    assert not (filled.datasets / "faces").exists()
    outcome = export(filled, "faces", ExportOptions(allow_leaks=True))
    assert outcome.made.leaks["leaks"] == 20
    assert json.loads((filled.dataset_folder("faces") / "leaks.json").read_text()) == outcome.made.leaks


def test_a_chain_of_near_duplicates_is_never_parted(filled: Workspace) -> None:
    """c00 and c39 are in different groups of one component: neither may see the other's split."""
    ends = ("c00", "c39")
    dedupe(filled, DedupeOptions())
    for seed in range(6):
        filled.catalogue.put([DuplicateComponent(id="k1", members=ends)])
        made = export(filled, f"faces{seed}", ExportOptions(split=SplitOptions(seed=seed))).made
        assert len({e.split for e in made.examples if e.id in ends}) == 1
        assert made.leaks["leaks"] == 0


def test_every_crop_the_same_leaves_one_example_and_says_what_is_absent(filled: Workspace) -> None:
    first = filled.catalogue.all(Crop)[0]
    filled.catalogue.put([replace(one, sha256=first.sha256) for one in filled.catalogue.all(Crop)])
    filled.catalogue.put(
        [label(one.id, "happy", created="2026-02-01T00:00:00+00:00") for one in filled.catalogue.all(Crop)]
    )
    summary = export_summary(filled, export(filled, "faces", ExportOptions()))
    assert summary["splits"] == {"train": 1, "val": 0, "test": 0}
    assert summary["balance"]["absent"] == [{"split": "val", "class": "happy"}, {"split": "test", "class": "happy"}]
    assert summary["left_out"] == {"near-duplicate": 39}


def test_an_export_that_was_killed_is_made_anew(filled: Workspace) -> None:
    stray = filled.datasets / "faces" / "0001"
    stray.mkdir(parents=True)
    (stray / "half").touch()
    export(filled, "faces", ExportOptions())
    assert not (stray / "half").exists()
    assert verify_dataset(filled, "faces") == []


def test_nothing_labelled_is_told_with_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(DatasetError, match="'faces' would be empty: 0 labels.*toonsift import labels FILE"):
        export(workspace, "faces", ExportOptions())


def test_annotators_vote_and_their_shares_are_kept() -> None:
    votes = [label("c1", "happy", a) for a in "abc"] + [
        label("c1", "sad", "d"),
        label("c2", "happy", "a"),
        label("c2", "sad", "b"),
    ]
    votes += [label("c3", "", "a"), label("c4", "not_a_face", "a"), label("c5", "", "a"), label("c5", "sad", "b")]
    agreed, left_out = consensus(votes, ("not_a_face",))
    assert agreed["c1"].label == "happy"
    assert agreed["c1"].shares == {"happy": 0.75, "sad": 0.25}
    assert agreed["c1"].annotators == 4
    assert agreed["c5"].label == "sad"
    assert set(agreed) == {"c1", "c5"}
    assert left_out == {"conflict": 1, "no emotion said": 1, "not_a_face": 1}


def test_an_annotator_who_changes_their_mind_counts_once() -> None:
    first, later = label("c1", "sad", "a"), label("c1", "happy", "a", created="2026-03-01T00:00:00+00:00")
    agreed, _ = consensus([later, first], ())
    assert agreed["c1"].shares == {"happy": 1.0}
