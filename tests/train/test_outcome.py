import hashlib
import json

import pyarrow.parquet as pq

from tests.train.conftest import Finished
from train.runs import MODEL, PREDICTIONS, SEEN, SUMMARY


def test_predictions_hold_every_test_example_and_agree_with_the_confusion(finished: Finished) -> None:
    table = pq.read_table(finished.folder / PREDICTIONS)
    assert table["example"].to_pylist() == [e.id for e in finished.dataset.examples if e.split == "test"]
    assert table["truth"].to_pylist() == [e.label for e in finished.dataset.examples if e.split == "test"]
    classes = json.loads(table.schema.metadata[b"classes"])
    assert tuple(classes) == finished.run.classes
    for row in table.to_pylist():
        assert abs(sum(row["probabilities"]) - 1) < 1e-5
        assert row["predicted"] == classes[max(range(3), key=row["probabilities"].__getitem__)]
    pairs = list(zip(table["truth"].to_pylist(), table["predicted"].to_pylist(), strict=True))
    assert finished.summary.test.confusion == [[pairs.count((t, p)) for p in classes] for t in classes]


def test_what_was_seen_is_train_and_validation(finished: Finished) -> None:
    seen = set(pq.read_table(finished.folder / SEEN)["sha256"].to_pylist())
    assert seen == {e.sha256 for e in finished.dataset.examples if e.split != "test"}


def test_the_summary_says_how_it_was_made(finished: Finished) -> None:
    document = json.loads((finished.folder / SUMMARY).read_text())
    assert document["dataset"] == "toy@1"
    assert document["dataset_digest"] == finished.dataset.manifest.digest
    assert document["weights"] == "random"
    assert document["parameters"] > 10_000
    assert document["split_sizes"] == {"train": 144, "val": 24, "test": 72}
    assert document["images_per_second"] > 0
    assert document["seconds"] > 0
    assert document["model_sha256"] == hashlib.sha256((finished.folder / MODEL).read_bytes()).hexdigest()


def test_nothing_in_the_folder_names_a_place_on_this_machine(finished: Finished) -> None:
    for path in finished.folder.glob("*.json*"):
        assert str(finished.runs) not in path.read_text()
