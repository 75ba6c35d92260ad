from dataclasses import replace
from pathlib import Path

import pytest

from cascades.fit import FitOptions
from cascades.scoring.evaluate import scores_of
from cascades.scoring.folds import deal, out_of_fold
from cascades.truth.reading import read_truth
from pipeline.core.errors import TruthError, UsageError
from tests.cascades.drawing import write_backgrounds, write_scenes

OPTIONS = FitOptions(size=(24, 24), stages=4, positives=200, negatives_per_stage=300, features_per_stage=1000)


def test_folds_share_the_faces_and_never_part_a_scene(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 23))
    grouped = replace(truth, pictures=tuple(replace(p, group=f"shot {n // 3}") for n, p in enumerate(truth.pictures)))
    fold_of = deal(grouped, "ann", 4, 0)
    assert set(fold_of) == {f"shot {n}" for n in range(8)}
    counts = [sum(fold_of[p.group] == fold for p in grouped.pictures) for fold in range(4)]
    assert max(counts) - min(counts) <= 3
    with pytest.raises(TruthError, match="1 scenes with a face; cross-validation needs two or more"):
        deal(replace(truth, pictures=truth.pictures[:1]), "ann", 4, 0)


def test_every_picture_is_searched_once_by_a_cascade_that_never_saw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cascades.scoring.folds as folds

    truth = read_truth(write_scenes(tmp_path, 24))
    fitted: list[set[str]] = []

    def spy(truth, *rest):  # type: ignore[no-untyped-def]
        fitted.append({p.name for p in truth.pictures})
        return gather(truth, *rest)

    gather = folds.gather_samples
    monkeypatch.setattr(folds, "gather_samples", spy)
    found = out_of_fold(truth, "ann", [write_backgrounds(tmp_path / "neg", 20)], OPTIONS, folds=2)
    assert sorted(one.picture.name for one in found.pictures) == sorted(p.name for p in truth.pictures)
    assert fitted[0] | fitted[1] == {p.name for p in truth.pictures}
    assert not fitted[0] & fitted[1]
    assert scores_of(found, 0.4).recall > 0.3


def test_one_fold_is_no_cross_validation(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs 2 folds or more, got 1"):
        out_of_fold(read_truth(write_scenes(tmp_path, 3)), "ann", folds=1)
