"""Every format, read by the library that it is for."""

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Dataset, Example, read_dataset
from pipeline.core.workspace import Workspace
from pipeline.datasets.formats import WRITERS, write_format
from pipeline.datasets.verify import faults_of_format, faults_of_version
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from pipeline.flow.datasets import write_as


@pytest.fixture(scope="module")
def written(exported: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    for form in WRITERS:
        write_format(exported, form, folder / form, lambda _: None)
    return folder


@pytest.fixture
def lenient() -> Iterator[None]:
    """The readers of others warn about their own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pixels(dataset: Dataset, example: Example) -> bytes:
    return np.asarray(Image.open(dataset.image_path(example)).convert("RGB")).tobytes()


def test_hugging_face_reads_the_parquet_with_its_types(
    written: Path, exported: Dataset, lenient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    found = datasets.load_dataset(str(written / "parquet"), cache_dir=str(tmp_path))
    assert set(found) == {"train", "validation", "test"}
    features = found["train"].features
    assert isinstance(features["image"], datasets.Image)
    assert features["label"].names == ["happy", "sad"]
    rows = {row["id"]: row for split in found.values() for row in split}
    assert len(rows) == len(exported.examples) == 40
    for example in exported.examples:
        row = rows[example.id]
        assert row["image"].convert("RGB").tobytes() == pixels(exported, example)
        assert features["label"].int2str(row["label"]) == example.label
        assert tuple(row["soft_label"]) == example.soft_label
        assert (row["annotators"], row["shot"], row["pts"]) == (example.annotators, example.shot, example.pts)


def test_webdataset_reads_the_shards(written: Path, exported: Dataset, lenient: None) -> None:
    import webdataset

    classes = (written / "webdataset" / "classes.txt").read_text().split()
    by_id = {example.id: example for example in exported.examples}
    seen = []
    for split in ("train", "val", "test"):
        shard = str(written / "webdataset" / f"{split}-000000.tar")
        for sample in webdataset.WebDataset(shard, shardshuffle=False).decode("pil"):
            example = by_id[sample["json"]["id"]]
            assert sample["png"].convert("RGB").tobytes() == pixels(exported, example)
            assert (classes[sample["cls"]], split) == (example.label, example.split)
            seen.append(example.id)
    assert sorted(seen) == sorted(by_id)


def test_pycocotools_reads_the_coco_files(written: Path, exported: Dataset, lenient: None) -> None:
    from pycocotools.coco import COCO

    by_id = {example.id: example for example in exported.examples}
    count = 0
    for split in ("train", "val", "test"):
        coco = COCO(written / "coco" / "annotations" / f"{split}.json")
        for annotation in coco.loadAnns(coco.getAnnIds()):
            [image] = coco.loadImgs(annotation["image_id"])
            example = by_id[annotation["attributes"]["id"]]
            picture = Image.open(written / "coco" / "images" / split / image["file_name"]).convert("RGB")
            assert picture.tobytes() == pixels(exported, example)
            assert annotation["bbox"] == [0, 0, image["width"], image["height"]]
            [category] = coco.loadCats(annotation["category_id"])
            assert category["name"] == example.label
            count += 1
    assert count == 40


def test_mlcroissant_finds_the_metadata_valid_and_reads_the_records(
    written: Path, exported: Dataset, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    found = mlcroissant.Dataset(written / "croissant" / "metadata.json")
    assert not found.metadata.issues.errors
    assert "not standard" not in caplog.text
    records = {record["examples/id"].decode(): record for record in found.records("examples")}
    assert len(records) == 40
    names = {r["classes/label"]: r["classes/name"] for r in found.records("classes")}
    for example in exported.examples:
        record = records[example.id]
        assert record["examples/image"].convert("RGB").tobytes() == pixels(exported, example)
        assert names[record["examples/label"]] == example.label


def test_a_copied_folder_is_the_version(written: Path, exported: Dataset) -> None:
    assert read_dataset(written / "folder").manifest == exported.manifest
    assert faults_of_version(written / "folder") == []


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "folder"])
def test_every_format_says_which_version_it_is_and_a_flipped_bit_is_found(
    written: Path, exported: Dataset, form: str, tmp_path: Path
) -> None:
    folder = tmp_path / form
    write_format(exported, form, folder, lambda _: None)
    said = json.loads((folder / "toonsift.json").read_text())
    assert (said["digest"], said["written_as"]) == (exported.manifest.digest, form)
    for path in sorted((written / form).rglob("*")):
        if path.is_file():
            again = folder / path.relative_to(written / form)
            assert again.read_bytes() == path.read_bytes(), "the same version gives the same bytes"
    assert faults_of_format(folder) == []
    data = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 4
    data.write_bytes(bytes(content))
    assert faults_of_format(folder) == [f"{data}: differs from what was exported"]


def test_a_damaged_version_becomes_no_other_format(version: Path, tmp_path: Path) -> None:
    dataset = read_dataset(version)
    dataset.image_path(dataset.examples[3]).write_bytes(b"other")
    with pytest.raises(DatasetError, match="differs from what was exported; export the dataset again"):
        write_format(dataset, "parquet", tmp_path / "parquet", lambda _: None)
    assert list(tmp_path.glob("*parquet*")) == [], "whole or not at all"


def test_a_version_is_written_in_a_format_once_and_never_over_something_else(filled: Workspace, tmp_path: Path) -> None:
    record = export(filled, "faces", ExportOptions()).dataset
    first = write_as(filled, record, "coco")
    assert not first.already
    assert write_as(filled, record, "coco").already
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is there already and is something else; give another --out"):
        write_as(filled, record, "coco", tmp_path / "mine")
    elsewhere = write_as(filled, record, "folder", tmp_path / "copy")
    assert read_dataset(elsewhere.path).manifest.digest == record.digest


def test_the_card_counts_what_is_there(exported: Dataset) -> None:
    card = (exported.folder / "README.md").read_text()
    assert card.startswith("# faces, version 1")
    assert "82 answers of 4 annotators; 40 pictures answered twice or more, 39 of them unanimously; alpha 0." in card
    assert "| all | " in card
    assert "| shared shots | 0 |" in card
    sheet = Image.open(io.BytesIO((exported.folder / "samples.png").read_bytes()))
    assert np.asarray(sheet).std() > 10, "there are pictures on it"
