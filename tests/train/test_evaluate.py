from pathlib import Path

import pytest

from pipeline.core.errors import CheckpointError, DatasetError, UsageError
from pipeline.core.manifest import Dataset
from tests.train.conftest import Finished
from tests.train.faces import draw_dataset, relabelled
from train.evaluate import evaluate
from train.predict import Model, load_run
from train.runs import SEEN


@pytest.fixture(scope="module")
def model(finished: Finished) -> Model:
    return load_run(finished.folder, "cpu")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Drawn by another hand: nothing of it was seen in training."""
    return draw_dataset(tmp_path_factory.mktemp("other"), seed=5, name="other")


def test_its_own_test_split_gives_the_same_scores_again(finished: Finished, model: Model) -> None:
    result = evaluate(model, finished.folder, finished.dataset, "test", {})
    assert result.scores == finished.summary.test
    assert (result.seen, result.left_out) == (0, 0)


def test_another_dataset_is_scored(finished: Finished, model: Model, other: Dataset) -> None:
    result = evaluate(model, finished.folder, other, "all", {})
    assert result.scores.examples == len(other.examples)
    assert result.scores.accuracy > 0.9
    assert (result.dataset, result.seen) == ("other@1", 0)


def test_what_training_saw_is_counted(finished: Finished, model: Model) -> None:
    assert evaluate(model, finished.folder, finished.dataset, "train", {}).seen == 144
    assert evaluate(model, finished.folder, finished.dataset, "all", {}).seen == 168


def test_classes_of_other_names_can_be_mapped(finished: Finished, model: Model, other: Dataset, tmp_path: Path) -> None:
    foreign = relabelled(other, tmp_path, {"happy": "joy"})
    message = (
        r"classes that the model does not know: joy \(9\); it knows angry, happy, sad.*--map joy=angry.*--map joy=$"
    )
    with pytest.raises(DatasetError, match=message):
        evaluate(model, finished.folder, foreign, "test", {})
    mapped = evaluate(model, finished.folder, foreign, "test", {"joy": "happy"})
    assert mapped.scores == evaluate(model, finished.folder, other, "test", {}).scores
    without = evaluate(model, finished.folder, foreign, "test", {"joy": ""})
    assert (without.left_out, without.scores.examples) == (9, 18)
    assert without.scores.per_class["happy"].support == 0


def test_a_mapping_of_unknown_names_is_refused(finished: Finished, model: Model, other: Dataset) -> None:
    with pytest.raises(UsageError, match="--map glad=happy: the dataset has no class 'glad'; it has angry, happy, sad"):
        evaluate(model, finished.folder, other, "test", {"glad": "happy"})
    with pytest.raises(UsageError, match="--map sad=glum: the model has no class 'glum'; it has angry, happy, sad"):
        evaluate(model, finished.folder, other, "test", {"sad": "glum"})


def test_a_split_that_is_empty_or_unknown_is_refused(finished: Finished, model: Model, tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, per_class={"train": 2}, seed=6)
    with pytest.raises(
        DatasetError, match="toy@1 has no test examples; choose another with --split, such as --split all"
    ):
        evaluate(model, finished.folder, dataset, "test", {})
    with pytest.raises(UsageError, match="there is no split 'dev'; use train, val, test or all"):
        evaluate(model, finished.folder, dataset, "dev", {})
    with pytest.raises(DatasetError, match="every class of its train split is left out by --map"):
        evaluate(model, finished.folder, dataset, "train", {"angry": "", "happy": "", "sad": ""})


def test_a_lost_record_of_what_was_seen_is_named(
    finished: Finished, model: Model, other: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"seen\.parquet: not readable"):
        evaluate(model, tmp_path, other, "test", {})
    (tmp_path / SEEN).write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match=r"seen\.parquet: not readable"):
        evaluate(model, tmp_path, other, "test", {})
