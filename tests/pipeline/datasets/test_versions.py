"""Versions: immutable, comparable, checked to the bit, traced back."""

import json
import shlex
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotate.agreement.coefficients import nominal_alpha
from pipeline.core.errors import DatasetError, InputError, NotFoundError
from pipeline.core.files import sha256_of
from pipeline.core.images import read_rgb
from pipeline.core.manifest import read_dataset
from pipeline.core.records import Crop, DatasetVersion, Episode, Label
from pipeline.core.sums import altered_files
from pipeline.core.workspace import Workspace
from pipeline.datasets.versions import write_new
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from pipeline.flow.datasets import diff, verify_dataset, verify_sources
from pipeline.frames import ffmpeg_path
from pipeline.provenance import trace
from pipeline.splits import SplitOptions
from tests.conftest import Toonsift
from tests.pipeline.datasets.footage import export_all, put_footage
from tests.records import label
from tests.videos import encode, scenes


def test_two_workspaces_at_different_places_make_the_same_bytes(filled: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "somewhere" / "else")
    other.catalogue.put(filled.catalogue.all(Episode))
    for one in filled.catalogue.all(Crop)[::-1]:
        other.objects.put(filled.objects.read(one.sha256, ".png"), ".png")
        other.catalogue.put([one])
    other.catalogue.put(filled.catalogue.all(Label)[::-1])
    folders = []
    for workspace in (filled, other):
        export(workspace, "faces", ExportOptions())
        folders.append(workspace.dataset_folder("faces"))
    names = {path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file()}
    assert names == {path.relative_to(folders[1]) for path in folders[1].rglob("*") if path.is_file()}
    for name in sorted(names - {Path("manifest.json"), Path("SHA256SUMS")}):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    one, two = (json.loads((folder / "manifest.json").read_text()) for folder in folders)
    assert one | {"created": ""} == two | {"created": ""}


def test_a_version_does_not_change_when_the_store_does(filled: Workspace, version: Path) -> None:
    before = read_dataset(version)
    for stored in filled.objects.root.rglob("*.png"):
        with stored.open("r+b") as stream:
            stream.seek(30)
            stream.write(b"\0\0\0\0")
    assert verify_dataset(filled, "faces") == []
    assert read_dataset(version).manifest == before.manifest


def test_a_damaged_store_becomes_no_version(filled: Workspace) -> None:
    first = filled.catalogue.all(Crop)[0]
    export(filled, "faces", ExportOptions())
    path = filled.objects.path(first.sha256, ".png")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="has changed since it was stored"):
        export(filled, "other", ExportOptions())
    assert not (filled.datasets / "other" / "0001").exists()
    assert filled.catalogue.all(DatasetVersion, name="other") == []


@pytest.mark.parametrize(
    "file", ["manifest.json", "examples.parquet", "README.md", "leaks.json", "samples.png", "image"]
)
def test_one_flipped_bit_is_found_wherever_it_is(filled: Workspace, version: Path, file: str) -> None:
    assert verify_dataset(filled, "faces") == []
    path = version / (read_dataset(version).examples[7].file if file == "image" else file)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    faults = verify_dataset(filled, "faces")
    assert faults, file
    assert str(version) in faults[0]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("parent", "0" * 64, "parent is '0000"),
        ("counts", {"train": {"happy": 9, "sad": 9}}, "its counts are not those of the rows"),
        ("version", 7, "version is 7, the catalogue recorded 1"),
        ("created", "2020-01-01T00:00:00+00:00", "manifest.json: differs from what was exported"),
        ("name", "other", "its rows give the digest"),
    ],
)
def test_a_manifest_edited_by_hand_is_found(
    filled: Workspace, version: Path, field: str, value: object, words: str
) -> None:
    document = json.loads((version / "manifest.json").read_text())
    (version / "manifest.json").write_text(json.dumps(document | {field: value}, indent=2))
    assert any(words in fault for fault in verify_dataset(filled, "faces"))


def test_missing_swapped_linked_and_strange_files_are_found(filled: Workspace, version: Path) -> None:
    dataset = read_dataset(version)
    one, two, three, four = (dataset.image_path(e) for e in dataset.examples[:4])
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    three.unlink()
    target = filled.root / "elsewhere.png"
    shutil.move(four, target)
    four.symlink_to(target)
    (version / "images" / "note.txt").touch()
    faults = {Path(fault.split(": ")[0]).name: fault.split(": ", 1)[1] for fault in verify_dataset(filled, "faces")}
    assert faults == {
        one.name: "differs from what was exported",
        two.name: "differs from what was exported",
        three.name: "is missing",
        four.name: "is a link, or lies behind one",
        "note.txt": "is no part of the version; move it away",
    }


def test_a_whole_version_swapped_for_another_is_found(filled: Workspace, version: Path) -> None:
    filled.catalogue.put([label("e1.c02.0.0.48.48", "happy", who, id=who) for who in ("x", "y", "z")])
    second = filled.root / export(filled, "faces", ExportOptions()).dataset.path
    assert second != version
    shutil.rmtree(version)
    shutil.copytree(second, version)
    assert any("the folder was edited or swapped" in fault for fault in verify_dataset(filled, "faces@1"))
    assert verify_dataset(filled, "faces@2") == []


def test_rows_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    (tmp_path / "secret").write_text("x")
    expected = [("../secret", "0" * 64), ("/etc/passwd", "0" * 64), ("a/../../secret", "0" * 64), ("", "0" * 64)]
    faults = dict(altered_files(tmp_path / "version", expected))
    assert "leads out of" in faults["../secret"]
    assert faults["/etc/passwd"] == "is missing", "a name is looked up inside the folder alone"
    assert len(faults) == 4


def test_a_sum_list_is_checked_by_the_usual_program(version: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=version, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_diff_names_what_was_added_removed_relabelled_and_moved(filled: Workspace, version: Path) -> None:
    gone, told, more = "e1.c00.0.0.48.48", "e1.c04.0.0.48.48", "e1.c08.0.0.48.48"
    later = "2026-02-01T00:00:00+00:00"
    filled.catalogue.put(
        [label(gone, "not_a_face", who, id=f"g{who}", created=later) for who in ("ann", "bo", "cy", "di")]
    )
    filled.catalogue.put([label(told, "sad", who, id=f"t{who}", created=later) for who in ("ann", "bo")])
    filled.catalogue.put([label(more, "sad", "ed", id="more", created=later)])
    export(filled, "faces", ExportOptions(split=SplitOptions(seed=3)))
    found = diff(filled, "faces@1", "faces@2")
    assert found.removed == [gone]
    assert found.added == []
    assert [(c.id, c.before, c.after) for c in found.relabelled] == [(told, "happy", "sad")]
    assert [c.id for c in found.reweighed] == [more]
    assert found.reweighed[0].after == "happy 0.67, sad 0.33"
    old, new = (
        {e.id: e.split for e in read_dataset(filled.dataset_folder(n)).examples} for n in ("faces@1", "faces@2")
    )
    assert {c.id for c in found.moved} == {id for id in new if old[id] != new[id]} != set()
    back = diff(filled, "faces@2", "faces@1")
    assert (back.added, back.removed) == ([gone], [])
    assert diff(filled, "faces@1", "faces@1").same


def test_the_same_name_on_a_case_blind_disk_is_no_silent_loss(tmp_path: Path) -> None:
    write_new(str(tmp_path / "a.png"), b"1")
    with pytest.raises(DatasetError, match="would be written twice"):
        write_new(str(tmp_path / "a.png"), b"2")
    assert (tmp_path / "a.png").read_bytes() == b"1"


def test_alpha_is_what_krippendorff_prints() -> None:
    """Example A of Computing Krippendorff's Alpha-Reliability: ten units, two observers, two values."""
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    votes = [Counter([str(a), str(b)]) for a, b in zip(first, second, strict=True)]
    assert nominal_alpha(votes) == pytest.approx(0.095, abs=0.001)
    assert nominal_alpha([Counter("aa"), Counter("bb")]) == 1.0
    assert nominal_alpha([Counter("aa"), Counter("a")]) is None


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a version of crops from a real video with odd box edges."""
    folder = tmp_path_factory.mktemp("filmed")
    workspace = Workspace(folder / "workspace")
    put_footage(workspace, encode(folder / "s01e01.mp4", scenes(4, 24, 322, 182)), 8)
    export_all(workspace)
    return workspace


def test_source_frames_are_decoded_again_and_compared(filmed: Workspace, tmp_path: Path) -> None:
    checked = verify_sources(filmed, "faces", 5)
    assert (checked.checked, checked.faults) == (5, [])
    other = Workspace(shutil.copytree(filmed.root, tmp_path / "copy"))
    [episode] = other.catalogue.all(Episode)
    moved = encode(tmp_path / "s01e01.mp4", scenes(4, 24, 322, 182, seed=9))
    other.catalogue.put([replace(episode, path=str(moved))])
    assert "is another file than the one that was mined" in verify_sources(other, "faces", 5).faults[0]
    other.catalogue.put([replace(episode, path=str(moved), sha256=sha256_of(moved))])
    faults = verify_sources(other, "faces", 5).faults
    assert len(faults) == 5
    assert "the picture differs from its source by" in faults[0]
    other.catalogue.put([replace(episode, path=str(tmp_path / "gone.mp4"))])
    assert "no such file" in verify_sources(other, "faces", 5).faults[0]


def test_an_item_is_traced_to_its_pixels_and_to_its_versions(filmed: Workspace, tmp_path: Path) -> None:
    example = read_dataset(filmed.dataset_folder("faces")).examples[5]
    found = trace(filmed, example.id)
    assert found["annotators"] == ["bo"]
    assert found["shot"]["id"] == example.shot
    assert found["datasets"] == [
        {"dataset": "faces@1", "split": example.split, "label": example.label, "file": example.file}
    ]
    assert trace(filmed, str(filmed.dataset_folder("faces") / example.file))["item"] == example.id
    assert trace(filmed, example.sha256)["item"] == example.id
    words = shlex.split(found["command"])
    words = [ffmpeg_path(), "-v", "error", *words[1:-1], str(tmp_path / "again.png")]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    stored = read_rgb(filmed.dataset_folder("faces") / example.file)
    assert np.array_equal(read_rgb(tmp_path / "again.png"), stored), "the command writes the very pixels"
    with pytest.raises(NotFoundError, match="nothing in .* is called 'no such thing'"):
        trace(filmed, "no such thing")


@pytest.mark.slow
def test_the_commands_speak_of_versions(filmed: Workspace, toonsift: Toonsift, tmp_path: Path) -> None:
    root = shutil.copytree(filmed.root, tmp_path / "workspace")
    done = toonsift("export", "faces@1", "--format", "coco", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert (done.json["format"], done.json["path"], done.json["version"]) == ("coco", str(tmp_path / "out"), "faces@1")
    assert toonsift("verify", tmp_path / "out").code == 0
    sampled = toonsift("verify", "faces", "--sample", "3", "--json")
    assert (sampled.code, sampled.json["decoded_again"], sampled.json["faults"]) == (0, 3, [])
    assert toonsift("diff", "faces", "faces@1", "--json").json["same"]
    assert toonsift("export", "faces@1", "--seed", "3").code == 2
    for bad in ("../faces", "faces@../1", "/etc", "faces@9"):
        assert toonsift("verify", bad).code in (1, 2)
    assert toonsift("export", "../out").code == 1
    assert sorted(path.name for path in (root / "datasets").iterdir()) == ["faces"]


def test_a_name_is_the_workspaces_version_whatever_lies_in_the_current_folder(
    filled: Workspace, version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert filled.dataset_folder("faces") == version
    with pytest.raises(NotFoundError, match="no manifest.json in it"):
        filled.dataset_folder("./faces")
    shutil.copytree(version, tmp_path / "here" / "others")
    assert filled.dataset_folder("others") == Path("others"), "no name of the workspace: a folder"
