"""Other people's data sets, good and bad."""

import csv
import io
import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DatasetError, InputError, UsageError
from pipeline.core.images import decode_rgb, encode_png
from pipeline.core.manifest import Dataset, read_dataset
from pipeline.core.workspace import Workspace
from pipeline.datasets.formats import WRITERS, write_format
from pipeline.datasets.verify import faults_of_version
from pipeline.flow.importing import ImportOptions, ImportOutcome, import_dataset
from tests.conftest import Toonsift
from tests.pipeline.datasets.conftest import blocks

HEADER = ["emotion", "pixels", "Usage"]


def bring(workspace: Workspace, kind: str, path: Path, name: str = "theirs", **options: object) -> ImportOutcome:
    return import_dataset(workspace, kind, path, name, ImportOptions(**options))  # type: ignore[arg-type]


def made(workspace: Workspace, name: str = "theirs") -> Dataset:
    return read_dataset(workspace.dataset_folder(name))


def grey(random: np.random.Generator) -> np.ndarray:
    return np.kron(random.integers(0, 256, (6, 6)), np.ones((8, 8), dtype=np.int64))


def fer_rows(count: int = 30) -> list[list[str]]:
    random = np.random.default_rng(1)
    usages = ["Training"] * 4 + ["PublicTest", "PrivateTest"]
    return [
        [str(n % 3), " ".join(map(str, grey(random).ravel())), usages[n % len(usages)]] for n in range(count)
    ]  # fmt: skip


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def folder_of_classes(root: Path, classes: dict[str, int], seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for n in range(count):
            (root / name / f"{n}.png").write_bytes(encode_png(blocks(random)))
    return root


def test_fer2013_keeps_its_splits_its_classes_and_every_pixel(workspace: Workspace, tmp_path: Path) -> None:
    rows = fer_rows()
    outcome = bring(workspace, "fer2013", write_csv(tmp_path / "fer2013.csv", [HEADER, *rows]))
    dataset = made(workspace)
    assert (outcome.rejected, outcome.own_splits, outcome.leaks["leaks"]) == ([], True, 0)
    assert dataset.manifest.classes == ("angry", "disgust", "fear")
    assert Counter(e.split for e in dataset.examples) == {"train": 20, "val": 5, "test": 5}
    by_source = {e.source: e for e in dataset.examples}
    for number, (emotion, pixels, _) in enumerate(rows, 1):
        example = by_source[f"fer2013.csv, row {number}"]
        assert example.label == ("angry", "disgust", "fear")[int(emotion)]
        image = decode_rgb(dataset.image_path(example).read_bytes(), example.file)
        assert (image[..., 0].ravel() == np.array(pixels.split(), dtype=int)).all()
    assert faults_of_version(dataset.folder) == []


def test_bad_rows_of_fer2013_are_named_and_the_rest_is_imported(workspace: Workspace, tmp_path: Path) -> None:
    rows = fer_rows()
    rows[3][1] = rows[3][1].rsplit(" ", 7)[0]
    rows[4][0] = "9"
    rows[5][1] = rows[5][1].rsplit(" ", 1)[0] + " 999"
    rows[6][1] = rows[6][1].rsplit(" ", 1)[0] + " x"
    rows[7][2] = "Private"
    rows[8] = ["0"]
    outcome = bring(workspace, "fer2013", write_csv(tmp_path / "f.csv", [HEADER, *rows]))
    reasons = {one.source.removeprefix("f.csv, row "): one.reason for one in outcome.rejected}
    assert reasons == {
        "4": "it has 2297 pixels, not 2304",
        "5": "its emotion is '9', not a number from 0 to 6",
        "6": "its pixels reach from 0 to 999, not from 0 to 255" if "0" in rows[5][1].split() else reasons["6"],
        "7": "one of its pixels is no whole number",
        "8": "its Usage is 'Private', none of Training, PublicTest, PrivateTest",
        "9": "it has 0 pixels, not 2304",
    }
    assert len(outcome.examples) == 24


def test_the_other_spelling_of_fer2013_in_its_archive_without_usage_gets_splits(
    workspace: Workspace, tmp_path: Path
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["emotion", " pixels"], *[row[:2] for row in fer_rows(60)]])
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("fer2013/fer2013.csv")
        member.size = len(text.getvalue())
        archive.addfile(member, io.BytesIO(text.getvalue().encode()))
    outcome = bring(workspace, "fer2013", tmp_path / "fer2013.tar.gz")
    assert not outcome.own_splits
    assert {e.split for e in outcome.examples} == {"train", "val", "test"}


def test_look_alikes_stay_together_where_splits_are_made(workspace: Workspace, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for n in range(30):
        face = blocks(random)
        for k in range(3):
            near = face.copy()
            near[:2, : 2 + k] = 255 - near[:2, : 2 + k]
            folder = tmp_path / "in" / ("happy" if n % 2 else "sad")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{n}.{k}.png").write_bytes(encode_png(near))
    outcome = bring(workspace, "folder", tmp_path / "in")
    assert len(outcome.examples) == 90
    sides: dict[str, set[str]] = {}
    for example in outcome.examples:
        sides.setdefault(example.source.split("/")[1].split(".")[0], set()).add(example.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert {split for splits in sides.values() for split in splits} == {"train", "val", "test"}
    assert outcome.leaks["leaks"] == 0


def test_splits_that_leak_are_taken_over_and_said_so_and_can_be_made_anew(workspace: Workspace, tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "in" / "train", {"happy": 8, "sad": 8}).parent
    folder_of_classes(root / "test", {"happy": 4, "sad": 4}, seed=1)
    for n in range(2):
        (root / "test" / "happy" / f"copy{n}.png").write_bytes((root / "train" / "happy" / f"{n}.png").read_bytes())
    outcome = bring(workspace, "folder", root)
    assert outcome.own_splits
    assert outcome.leaks["shared_components"] == 2
    assert outcome.leaks["leaks"] >= 2
    assert any("its own splits leak: 2 groups" in note for note in outcome.notes)
    assert (
        "The splits were taken over as they came; 4 leaks were counted"
        in (made(workspace).folder / "README.md").read_text()
    )
    again = bring(workspace, "folder", root, resplit=True)
    assert again.leaks["leaks"] == 0
    assert again.dataset.id == "theirs@2"
    assert again.dataset.parent == outcome.dataset.digest


def test_ferg_knows_characters_and_holds_one_out(workspace: Workspace, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    with zipfile.ZipFile(tmp_path / "FERG_DB_256.zip", "w") as archive:
        archive.writestr("FERG_DB_256/README.txt", "hello")
        archive.writestr("__MACOSX/FERG_DB_256/._x.png", "litter")
        for character in ("aia", "mery"):
            for emotion in ("anger", "joy"):
                for n in range(6):
                    name = f"FERG_DB_256/{character}/{character}_{emotion}/{character}_{emotion}_{n}.png"
                    archive.writestr(name, encode_png(blocks(random)))
    outcome = bring(workspace, "ferg", tmp_path / "FERG_DB_256.zip", test_characters=("mery",))
    assert outcome.rejected == []
    assert {(e.character, e.label) for e in outcome.examples} == {
        (c, m) for c in ("aia", "mery") for m in ("anger", "joy")
    }
    assert {e.character for e in outcome.examples if e.split == "test"} == {"mery"}
    assert {e.character for e in outcome.examples if e.split != "test"} == {"aia"}
    with pytest.raises(UsageError, match="no such character; there are aia, mery"):
        bring(workspace, "ferg", tmp_path / "FERG_DB_256.zip", test_characters=("ray",))


@pytest.mark.parametrize("form", sorted(WRITERS.keys() - {"croissant"}))
def test_what_export_wrote_is_read_back_to_the_same_digest(
    exported: Dataset, workspace: Workspace, tmp_path: Path, form: str
) -> None:
    write_format(exported, form, tmp_path / form, lambda _: None)
    outcome = bring(workspace, form, tmp_path / form, name="faces")
    assert outcome.rejected == []
    assert outcome.dataset.digest == exported.manifest.digest
    assert made(workspace, "faces").examples == exported.examples
    assert bring(workspace, form, tmp_path / form, name="faces").already


def test_another_picture_under_an_old_name_is_rejected(exported: Dataset, workspace: Workspace, tmp_path: Path) -> None:
    write_format(exported, "coco", tmp_path / "coco", lambda _: None)
    [victim, *_] = sorted((tmp_path / "coco" / "images" / "test").iterdir())
    victim.write_bytes(encode_png(blocks(np.random.default_rng(9))))
    outcome = bring(workspace, "coco", tmp_path / "coco", name="faces")
    assert [one.reason for one in outcome.rejected] == ["differs from what was exported"]
    assert len(outcome.examples) == 39


def test_rows_of_others_that_make_no_sense_are_not_trusted(workspace: Workspace, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-0.tar", "w") as archive:
        random = np.random.default_rng(3)
        for n, row in enumerate([{"id": "../../evil", "label": "happy"}, {"id": ["x"], "pts": "a", "label": "sad"}]):
            for suffix, content in ((".png", encode_png(blocks(random))), (".json", json.dumps(row).encode())):
                member = tarfile.TarInfo(f"{n}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    outcome = bring(workspace, "webdataset", tmp_path / "train-0.tar")
    assert all(e.id.startswith("x") and e.file.startswith("images/train/") for e in outcome.examples)
    assert len(outcome.examples) == 2


def test_hostile_archives_give_what_is_sound_and_name_the_rest(workspace: Workspace, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    good = [encode_png(blocks(random)) for _ in range(4)]
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("happy/1.png", good[0])
        archive.writestr("../happy/2.png", good[1])
        archive.writestr("/etc/happy/3.png", good[1])
        archive.writestr("happy/bomb.png", b"\0" * (40 << 20))
        archive.writestr("sad/1.png", good[2])
        archive.writestr("sad/1.PNG", good[3])
        archive.writestr("sad/2.png", b"\x89PNG no image")
        archive.writestr("Sad/3.png", good[3])
    outcome = bring(workspace, "folder", tmp_path / "a.zip")
    reasons = {one.source: one.reason for one in outcome.rejected}
    assert reasons["../happy/2.png"] == "leads out of the archive by `..`"
    assert reasons["/etc/happy/3.png"] == "has an absolute path in the archive"
    assert "unpacks to 40 MiB from" in reasons["happy/bomb.png"]
    assert reasons["sad/1.PNG"] == "its name differs only by case from sad/1.png; rename one of them"
    assert "not a readable image" in reasons["sad/2.png"]
    assert reasons["Sad/3.png"] == "its class 'Sad' differs only by case from 'sad'; rename one of them"
    assert sorted(e.source for e in outcome.examples) == ["happy/1.png", "sad/1.png"]
    assert not (tmp_path / "happy").exists()


def test_links_and_cut_off_tars_are_named(workspace: Workspace, tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        link = tarfile.TarInfo("happy/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for n in range(6):
            content = encode_png(blocks(random))
            member = tarfile.TarInfo(f"{'happy' if n % 2 else 'sad'}/{n}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    whole = (tmp_path / "t.tar").read_bytes()
    (tmp_path / "t.tar").write_bytes(whole[: whole.index(b"sad/4.png") + 700])
    outcome = bring(workspace, "folder", tmp_path / "t.tar")
    assert {one.source for one in outcome.rejected} == {"happy/link.png", "t.tar"}
    assert "is damaged after 5 files" in next(one.reason for one in outcome.rejected if one.source == "t.tar")
    assert len(outcome.examples) == 4


def test_contradictions_and_lonely_classes_are_named(workspace: Workspace, tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "in", {"happy": 6, "sad": 6, "lonely": 1})
    (root / "sad" / "same.png").write_bytes((root / "happy" / "0.png").read_bytes())
    outcome = bring(workspace, "folder", root)
    assert {one.source for one in outcome.rejected} == {"happy/0.png", "sad/same.png"}
    assert "called sad, but the same picture is called happy by happy/0.png" in {one.reason for one in outcome.rejected}
    assert "class 'lonely' has one example: it cannot be both learned and scored" in outcome.notes
    assert "One example alone: lonely" in (made(workspace).folder / "README.md").read_text()


def test_every_picture_the_same_is_said(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "in" / "happy").mkdir(parents=True)
    for n in range(5):
        (tmp_path / "in" / "happy" / f"{n}.png").write_bytes(encode_png(np.full((40, 40, 3), 9, dtype=np.uint8)))
    outcome = bring(workspace, "folder", tmp_path / "in")
    assert len(outcome.examples) == 5
    assert "5 of 5 pictures look alike and stay together in one split" in outcome.notes
    assert any("there is no test split; there are too few pictures that do not look alike" in n for n in outcome.notes)


def test_what_is_no_data_set_is_told_and_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "in" / "happy").mkdir(parents=True)
    (tmp_path / "in" / "happy" / "1.png").write_bytes(b"nothing")
    for kind, path, words in (
        ("fer2013", tmp_path / "text.csv", "no CSV with the columns emotion and pixels"),
        ("fer2013", tmp_path / "absent.csv", "no such file or folder"),
        ("folder", tmp_path / "empty", "no picture in a folder named after its class"),
        ("folder", tmp_path / "in", "none of it can be imported .1 rejected; happy/1.png"),
        ("parquet", tmp_path / "empty", "no Parquet file"),
        ("parquet", tmp_path / "text.csv", "cannot be read as Parquet"),
        ("coco", tmp_path / "text.csv", "not readable as JSON"),
        ("webdataset", tmp_path / "empty", "no shard"),
        ("ferg", tmp_path / "empty", "no picture in folders named as FERG-DB's are"),
    ):
        with pytest.raises(DatasetError, match=words):
            bring(workspace, kind, path)
    for name in ("../out", "a/b", "", ".hidden", "/abs"):
        with pytest.raises(InputError, match="cannot name a dataset"):
            bring(workspace, "folder", tmp_path / "in", name=name)
    assert list(workspace.datasets.iterdir()) == []


def test_hugging_face_data_sets_of_others_are_read(workspace: Workspace, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(8)
    stream = io.BytesIO()
    Image.fromarray(blocks(random)).save(stream, format="JPEG")
    rows = [{"image": {"bytes": encode_png(blocks(random)), "path": None}, "label": n % 2} for n in range(8)]
    rows += [{"image": {"bytes": stream.getvalue(), "path": "x.png"}, "label": 0}, {"image": None, "label": 0}]
    rows += [{"image": {"bytes": encode_png(blocks(random)), "path": "y.png"}, "label": 7}]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["joy", "anger"]}}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    (tmp_path / "hf").mkdir()
    pq.write_table(table, tmp_path / "hf" / "train-00000-of-00001.parquet")
    outcome = bring(workspace, "parquet", tmp_path / "hf")
    assert [one.reason for one in outcome.rejected] == ["has no picture in it", "its class is 7, none of joy, anger"]
    assert Counter(e.label for e in outcome.examples) == {"joy": 5, "anger": 4}
    assert sum(e.file.endswith(".jpg") for e in outcome.examples) == 1


@pytest.mark.slow
def test_the_command_imports_names_what_it_rejects_and_training_takes_the_version(
    toonsift: Toonsift, tmp_path: Path
) -> None:
    rows = fer_rows(48)
    rows[0][1] = "1 2 3"
    done = toonsift(
        "import", "dataset", "fer2013", write_csv(tmp_path / "fer.csv", [HEADER, *rows]), "--name", "fer", "--json"
    )
    assert done.code == 1, done.err
    assert (done.json["imported"], done.json["version"]) == (47, "fer@1")
    assert done.json["rejected"] == [{"row": "fer.csv, row 1", "reason": "it has 3 pixels, not 2304"}]
    assert toonsift("verify", "fer").code == 0
    trained = toonsift("train", "fer", "--epochs", "1", "--device", "cpu", "--set", "image_size=20", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["dataset"] == "fer@1"
