"""What each net of an ensemble is trained on, and that none predicts what it has seen."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import Dataset, Example
from tests.train.faces import draw_dataset
from train.ensemble.members import BASE, FOLDS, folds_of, members_of, unseen_classes
from train.options import TrainOptions
from train.recipes import find_recipe
from train.runs import TrainingRun, plan

OPTIONS = TrainOptions(image_size=32)


def pupils(dataset: Dataset) -> list[Example]:
    return [example for example in dataset.examples if example.split == "train"]


def planned(dataset: Dataset, options: TrainOptions = OPTIONS) -> TrainingRun:
    return plan(dataset, replace(find_recipe("hill"), name="e", net="ensemble-hill"), options)


def test_folds_part_no_shot_and_share_out_every_class(toy: Dataset) -> None:
    fold_of = folds_of(pupils(toy), 0, "shot")
    assert set(fold_of) == {example.id for example in pupils(toy)}
    for shot in {example.shot for example in pupils(toy)}:
        assert len({fold_of[example.id] for example in pupils(toy) if example.shot == shot}) == 1
    for emotion in toy.manifest.classes:
        counts = [sum(e.label == emotion and fold_of[e.id] == fold for e in pupils(toy)) for fold in range(FOLDS)]
        assert min(counts) >= 6
        assert sum(counts) == 24


def test_the_same_bytes_or_look_in_two_shots_stay_together(toy: Dataset) -> None:
    first, second, third, *rest = pupils(toy)[::3]
    twins = [first, replace(second, sha256=first.sha256, phash="1" * 16), replace(third, phash="1" * 16), *rest]
    fold_of = folds_of(twins, 0, "shot")
    assert len({fold_of[example.id] for example in twins[:3]}) == 1
    assert len(set(fold_of.values())) == FOLDS


def test_folds_are_of_whole_episodes_where_the_splits_are(toy: Dataset) -> None:
    episodes = [replace(example, episode=f"e{number % 4}") for number, example in enumerate(pupils(toy)[::3])]
    fold_of = folds_of(episodes, 0, "episode")
    for name in ("e0", "e1", "e2", "e3"):
        assert len({fold_of[example.id] for example in episodes if example.episode == name}) == 1
    assert len(set(folds_of(pupils(toy), 0, "episode").values())) == FOLDS  # one episode: by shot then


def test_what_hangs_together_as_a_whole_cannot_be_folded(toy: Dataset) -> None:
    with pytest.raises(DatasetError, match="are all of one shot or look the same"):
        folds_of([replace(example, shot="s") for example in pupils(toy)], 0, "shot")


def test_a_class_of_one_shot_is_named(toy: Dataset) -> None:
    examples = [replace(e, shot="s", phash="") if e.label == "sad" else e for e in pupils(toy)]
    assert unseen_classes(examples, folds_of(examples, 0, "shot"), OPTIONS) == ["sad"]


def test_no_member_sees_what_it_predicts_and_none_but_the_whole_meets_the_test_split(toy: Dataset) -> None:
    members = members_of(toy, planned(toy), folds_of(pupils(toy), 0, "shot"))
    assert len(members) == (1 + FOLDS) * (1 + 3)
    tests = {example.id for example in toy.examples if example.split == "test"}
    predicted: dict[int, list[str]] = {}
    for member in members:
        shots = {e.shot for e in member.dataset.examples if e.split in ("train", "val")}
        tested = [e for e in member.dataset.examples if e.split == "test"]
        assert not shots & {e.shot for e in tested}
        if member.fold is None:
            assert {e.id for e in tested} == tests
        else:
            assert not tests & {e.id for e in member.dataset.examples}
            predicted.setdefault(member.place, []).extend(e.id for e in tested)
    assert all(sorted(ids) == sorted(e.id for e in pupils(toy)) for ids in predicted.values())


def test_every_member_is_a_run_of_its_own_and_experts_know_one_class_alone(toy: Dataset) -> None:
    members = members_of(toy, planned(toy), folds_of(pupils(toy), 0, "shot"))
    assert len({member.run.id for member in members}) == len(members)
    assert {member.run.net for member in members} == {"hill"}
    expert = next(member for member in members if member.place == 2)
    assert expert.run.classes == ("happy", "not happy")
    truth = {example.id: example.label for example in toy.examples}
    assert all((e.label == "happy") == (truth[e.id] == "happy") for e in expert.dataset.examples)
    assert next(member for member in members if member.place == BASE).run.classes == toy.manifest.classes


def test_characters_with_emotions_are_told_apart_too(toy: Dataset) -> None:
    options = replace(OPTIONS, target="character_emotion")
    run = planned(toy, options)
    base = members_of(toy, run, folds_of(pupils(toy), 0, "shot"))[0]
    assert base.run.classes == run.classes
    assert {example.label for example in base.dataset.examples} == set(run.classes)


def test_annotators_shares_reach_the_experts(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path / "toy", per_class={"train": 6, "test": 3})
    shared = tuple(replace(example, soft_label=(0.5, 0.3, 0.2)) for example in dataset.examples)
    dataset = replace(dataset, examples=shared)
    members = members_of(
        dataset, planned(dataset, replace(OPTIONS, soft_labels=True)), folds_of(pupils(dataset), 0, "shot")
    )
    assert members[2].dataset.examples[0].soft_label == pytest.approx((0.3, 0.7))
