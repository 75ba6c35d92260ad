"""Dataset versions worked out in memory: one character left out, classes renamed, pictures elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError, InputError, UsageError
from pipeline.core.manifest import Dataset
from tests.train.faces import draw_dataset, relabelled
from train.options import TrainOptions
from train.studies.derived import characters_of, derived, held_out
from train.studies.labelmap import label_map, mapped_source, parse_pairs
from train.studies.trials import folds_of


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Every picture a shot of its own, so that characters share none."""
    return draw_dataset(tmp_path_factory.mktemp("apart") / "toy", images_per_shot=1)


def test_a_character_held_out_is_tested_whole_and_never_trained_on(apart: Dataset) -> None:
    fold = held_out(apart, "tom")
    sides = {(e.split, e.character) for e in fold.dataset.examples}
    assert sides == {("train", "jerry"), ("val", "jerry"), ("test", "tom")}
    assert sum(e.split == "test" for e in fold.dataset.examples) == sum(e.character == "tom" for e in apart.examples)
    assert fold.dropped == 0
    assert fold.dataset.manifest.digest != apart.manifest.digest
    assert held_out(apart, "tom").dataset.manifest.digest == fold.dataset.manifest.digest
    assert fold.dataset.manifest.counts["val"]["sad"] == sum(
        e.label == "sad" for e in fold.dataset.examples if e.split == "val"
    )


def test_what_shares_a_shot_or_a_picture_with_the_held_out_character_is_dropped(apart: Dataset) -> None:
    tom = next(e for e in apart.examples if e.character == "tom")
    jerrys = [e for e in apart.examples if e.character == "jerry" and e.split == "train"][:2]
    changed = {jerrys[0].id: replace(jerrys[0], shot=tom.shot), jerrys[1].id: replace(jerrys[1], sha256=tom.sha256)}
    mixed = replace(apart, examples=tuple(changed.get(e.id, e) for e in apart.examples))
    fold = held_out(mixed, "tom")
    assert fold.dropped == 2
    assert not {jerrys[0].id, jerrys[1].id} & {e.id for e in fold.dataset.examples}


def test_characters_that_cannot_be_held_out_are_named(apart: Dataset, toy: Dataset) -> None:
    folds, said = folds_of(apart, TrainOptions(), hold_out_characters=True)
    assert [fold.name for fold in folds] == characters_of(apart)
    assert said == []
    few = tuple(e for e in apart.examples if not (e.character == "jerry" and e.label == "sad" and e.split == "train"))
    with pytest.raises(DatasetError, match=r"1 character\(s\) can be held out.*tom is not held out: .*'sad'"):
        folds_of(replace(apart, examples=few), TrainOptions(), hold_out_characters=True)
    nobody = replace(apart, examples=tuple(replace(e, character="") for e in apart.examples))
    with pytest.raises(DatasetError, match="label the characters"):
        folds_of(nobody, TrainOptions(), hold_out_characters=True)
    with pytest.raises(UsageError, match="cannot be told apart"):
        folds_of(apart, TrainOptions(target="character_emotion"), hold_out_characters=True)


def test_a_picture_elsewhere_is_found_and_no_other_leaves_the_folder(apart: Dataset, tmp_path: Path) -> None:
    first, second = apart.examples[:2]
    moved = derived(apart, apart.examples, {"why": 1}, elsewhere={first.sha256: tmp_path / "x.png"})
    assert moved.image_path(first) == tmp_path / "x.png"
    assert moved.image_path(second) == apart.image_path(second)
    with pytest.raises(InputError, match="leads out of"):
        moved.image_path(replace(second, file="../x.png"))


def test_the_label_map_is_checked_and_what_is_left_out_is_named(apart: Dataset, tmp_path: Path) -> None:
    other = relabelled(apart, tmp_path / "other", {"angry": "anger", "happy": "joy"})
    with pytest.raises(DatasetError, match=r"share 1 class\(es\).*anger, joy, sad.*--map SOURCE=TARGET"):
        label_map(other, apart, {})
    labels = label_map(other, apart, parse_pairs(["joy=happy"]))
    assert dict(labels.pairs) == {"joy": "happy", "sad": "sad"}
    assert (labels.source_left_out, labels.target_left_out) == (("anger",), ("angry",))
    left = label_map(other, apart, parse_pairs(["joy=happy,anger=angry", "sad="]))
    assert (left.classes, left.source_left_out, left.target_left_out) == (("angry", "happy"), ("sad",), ("sad",))
    with pytest.raises(UsageError, match="the source has no class 'rage'; it has anger, joy, sad"):
        label_map(other, apart, {"rage": "angry"})
    with pytest.raises(UsageError, match="the target has no class 'rage'; it has angry, happy, sad"):
        label_map(other, apart, {"anger": "rage"})


@pytest.mark.parametrize("text", ["joy", "=happy", "joy=happy,joy=sad"])
def test_a_map_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--map"):
        parse_pairs([text])


def test_a_mapped_source_speaks_the_targets_words(apart: Dataset, tmp_path: Path) -> None:
    other = relabelled(apart, tmp_path / "other", {"angry": "anger", "happy": "joy"})
    labels = label_map(other, apart, parse_pairs(["joy=happy,anger=happy"]))
    mapped = mapped_source(other, labels)
    assert mapped.manifest.classes == ("happy", "sad")
    assert {e.label for e in mapped.examples} == {"happy", "sad"}
    assert all(
        sum(e.soft_label) == 1 and e.soft_label[mapped.manifest.classes.index(e.label)] == 1 for e in mapped.examples
    )
    assert mapped.manifest.counts["train"]["happy"] == 2 * mapped.manifest.counts["train"]["sad"]
