import json
from dataclasses import replace
from pathlib import Path

import pytest

from cascades.fit import FitOptions
from cascades.looked_for import DetectOptions
from cascades.make import make_cascade
from cascades.registry import card_of, load_cascade
from cascades.scoring.assess import assess
from cascades.scoring.calibration import threshold_for
from cascades.scoring.matching import picture_keys
from cascades.studio.rounds import FittedRound, fit_round, shared_pictures, split_held_out
from cascades.truth.labelled import Picture, Truth, TruthBox
from cascades.truth.reading import read_truth
from pipeline.core.errors import CascadeError, TruthError
from pipeline.core.files import sha256_of
from pipeline.core.places import Box, Place
from pipeline.core.records import NOT_A_FACE, Cascade
from tests.cascades.drawing import write_backgrounds, write_scenes
from tests.cascades.studio.workspaces import Studio, make_studio

OPTIONS = FitOptions(size=(24, 24), stages=5, positives=300, negatives_per_stage=400, features_per_stage=1500)


def truth_of(faces_of: dict[str, int]) -> Truth:
    """A truth of scenes with so many faces of ann each, one a picture; none: a picture that people refused a box on."""

    def picture(scene: str, n: int, rejected: bool) -> Picture:
        who = "" if rejected else "ann"
        box = TruthBox(left=0, top=0, right=40, bottom=40, character=who, rejected=rejected)
        return Picture(name=f"{scene} {n}", path=Path("v.mp4"), frame=None, pts=n, group=scene, boxes=(box,))

    rows = [picture(scene, n, count == 0) for scene, count in faces_of.items() for n in range(max(count, 1))]
    return Truth("t", tuple(rows), None, ())


def scenes(truth: Truth) -> set[str]:
    return {p.group for p in truth.pictures}


def test_whole_shots_are_held_out_about_as_many_faces_as_wanted() -> None:
    truth = truth_of({f"s{n}": 1 + n % 4 for n in range(60)})
    fitting, held_out = split_held_out(truth, "ann", 0.25, 0)
    assert not scenes(fitting) & scenes(held_out)
    assert len(fitting.pictures) + len(held_out.pictures) == len(truth.pictures)
    assert 0.25 <= len(held_out.pictures) / len(truth.pictures) < 0.3
    assert scenes(held_out) != scenes(split_held_out(truth, "ann", 0.25, 1)[1])


def test_a_shot_keeps_its_side_when_more_is_labelled() -> None:
    few = truth_of({f"s{n}": 2 for n in range(10)})
    fitting, held_out = split_held_out(few, "ann", 0.25, 0)
    more = truth_of({f"s{n}": 3 for n in range(40)})
    later = split_held_out(more, "ann", 0.25, 0, held=scenes(held_out), fitted=scenes(fitting))
    assert scenes(held_out) < scenes(later[1])
    assert scenes(fitting) <= scenes(later[0])


def test_at_least_half_of_the_faces_are_left_to_fit_to() -> None:
    for seed in range(20):
        fitting, held_out = split_held_out(truth_of({"a": 9, "b": 1, "empty": 0}), "ann", 0.25, seed)
        assert sum(len(p.boxes) for p in fitting.pictures if p.boxes[0].character) >= 5
        assert "a" not in scenes(held_out)
    assert not [p for p in split_held_out(truth_of({"a": 9}), "ann", 0.25, 0)[1].pictures if p.boxes[0].character]
    assert not split_held_out(truth_of({"a": 9, "b": 9, "empty": 0}), "ann", 0.0, 0)[1].pictures


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """32 frames, all but the last eight answered in a first round; shared, tests go on from one another's rounds."""
    made = make_studio(tmp_path_factory.mktemp("studio"), frames=32)
    for crop in made.crops[:24]:
        made.say(crop.id, emotion="happy")
    return made


@pytest.fixture(scope="module")
def negatives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backgrounds(tmp_path_factory.mktemp("negatives"), 40)


@pytest.fixture(scope="module")
def both(studio: Studio, negatives: Path) -> tuple[FittedRound, FittedRound]:
    """Two rounds: the second after more faces, and some boxes called no face."""
    workspace = studio.workspace
    first = fit_round(workspace, "ann", negatives=[negatives], options=OPTIONS)
    for crop, face in zip(studio.crops[24:], studio.faces[24:], strict=True):
        studio.say(crop.id, character="ann")
        beside = (
            Box(left=150, top=90, right=190, bottom=130)
            if face.left < 90
            else Box(left=5, top=95, right=40, bottom=130)
        )
        studio.say(Place(episode=studio.episode.id, pts=crop.pts, box=beside).id, emotion=NOT_A_FACE)
    return first, fit_round(workspace, "ann", negatives=[negatives], options=OPTIONS)


def test_a_round_learns_from_labels_and_scores_itself_on_shots_kept_apart(
    both: tuple[FittedRound, FittedRound], studio: Studio
) -> None:
    first = both[0]
    assert (first.character, first.untold) == ("ann", "")
    (entry,) = first.rounds
    assert entry["faces"] + entry["held_out"]["faces"] == 24
    assert entry["held_out"]["faces"] in (8, 12)
    assert entry["scores"]["average_precision"] > 0.5
    assert entry["sha256"] == first.made.record.sha256
    assert first.made.card["scenes"]["held_out"]
    assert not set(first.made.card["scenes"]["held_out"]) & set(first.made.card["scenes"]["fitted"])
    assert "truth" in first.made.card["data"], "what the fit itself tells stays in the card"
    json.dumps(first.made.card, allow_nan=False)


def test_the_next_round_is_shown_beside_the_first_on_the_same_scenes(
    both: tuple[FittedRound, FittedRound], studio: Studio
) -> None:
    first, second = both
    assert [entry["round"] for entry in second.rounds] == [1, 2]
    assert len({entry["held_out"]["digest"] for entry in second.rounds}) == 1, "the first was scored again"
    assert second.rounds[0]["sha256"] == first.made.record.sha256
    assert second.rounds[1]["not_a_face"] > 0
    assert set(first.made.card["scenes"]["held_out"]) <= set(second.made.card["scenes"]["held_out"])
    assert not set(first.made.card["scenes"]["fitted"]) & set(second.made.card["scenes"]["held_out"])
    record = studio.workspace.catalogue.get(Cascade, "ann")
    assert record is not None
    assert card_of(record)["rounds"] == list(second.rounds)


def test_the_same_labels_give_the_same_cascade_and_scores(
    both: tuple[FittedRound, FittedRound], studio: Studio, negatives: Path
) -> None:
    again = fit_round(studio.workspace, "ann", negatives=[negatives], options=OPTIONS)
    assert again.made.record.sha256 == both[1].made.record.sha256
    assert again.rounds[-1]["scores"] == both[1].rounds[-1]["scores"]


def test_a_cascade_from_a_truth_file_is_the_first_round_it_is_compared_with(tmp_path: Path, negatives: Path) -> None:
    studio = make_studio(tmp_path, frames=24)
    truth = write_scenes(tmp_path / "scenes", 30)
    made = make_cascade(studio.workspace, "ann", truth, negatives=[negatives], character="ann", options=OPTIONS)
    for crop in studio.crops:
        studio.say(crop.id, character="ann")
    fitted = fit_round(studio.workspace, "ann", truth=read_truth(truth), options=OPTIONS, negatives=[negatives])
    assert [(e["from"], e["sha256"]) for e in fitted.rounds] == [
        ("truth.json", made.record.sha256), ("labels", fitted.made.record.sha256),
    ]  # fmt: skip
    assert fitted.rounds[0]["scores"]["average_precision"] >= 0
    assert fitted.rounds[1]["faces"] > 30, "the file's faces are learned from as well"


def test_with_too_few_shots_it_is_fitted_and_says_why_there_is_no_curve(tmp_path: Path, negatives: Path) -> None:
    studio = make_studio(tmp_path, frames=4)
    for crop in studio.crops:
        studio.say(crop.id, character="ann")
    fitted = fit_round(studio.workspace, "ann", negatives=[negatives], options=OPTIONS)
    assert "0 faces in the held-out shots" in fitted.untold
    assert "scores" not in fitted.rounds[0]
    with pytest.raises(TruthError, match="is a face of 'ben'"):
        fit_round(studio.workspace, "ben", character="ben", options=OPTIONS)


@pytest.fixture(scope="module")
def assessed_card(
    both: tuple[FittedRound, FittedRound], studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """The card after `cascade evaluate` on pictures it never saw."""
    truth = read_truth(write_scenes(tmp_path_factory.mktemp("test"), 25, seed=90))
    loaded = load_cascade(studio.workspace, "ann")
    found = assess(
        loaded, truth, both[1].made.card, wanted_precision=0.5, options=DetectOptions(min_score=0.5, min_neighbors=1)
    )
    found.keep(studio.workspace, "ann", "truth.json")
    record = studio.workspace.catalogue.get(Cascade, "ann")
    assert record is not None
    return card_of(record)


def test_an_assessment_is_kept_in_the_card_beside_the_rounds(assessed_card: dict[str, object], studio: Studio) -> None:
    card = json.loads(json.dumps(assessed_card, allow_nan=False))
    assert card["scores"]["faces"] == 25
    assert card["scores"]["held_out"] is True
    assert {"precision", "recall", "f1", "false_positives_per_image", "average_precision", "curve"} <= set(
        card["scores"]
    )
    assert len(card["held_out_stages"]["stages"]) == len(card["stages"])
    assert len(card["rounds"]) >= 2
    kinds = {row["kind"] for row in card["examples"]}
    assert "find" in kinds
    for row in card["examples"]:
        assert studio.workspace.objects.path(row["sha256"], ".png").is_file()
        assert all(0 <= share <= 1 for share in row["inner"])


def test_the_threshold_for_a_wanted_precision_is_found_in_the_card(assessed_card: dict[str, object]) -> None:
    points = assessed_card["operating_points"]
    assert isinstance(points, dict)
    point = points["0.5"]
    wanted = point["threshold"] if point["threshold"] is not None else point["likely_threshold"]
    assert threshold_for(assessed_card, 0.5, "ann") == wanted
    with pytest.raises(CascadeError, match=r"no score threshold of ann was chosen for precision 0\.9; run `toonsift"):
        threshold_for(assessed_card, 0.9, "ann")
    with pytest.raises(CascadeError, match="ann: the best is bad"):
        threshold_for({"operating_points": {"0.9": {"threshold": None, "reason": "the best is bad"}}}, 0.9, "ann")


def test_a_truth_that_was_fitted_to_is_noticed_and_gives_no_probabilities(tmp_path: Path, negatives: Path) -> None:
    studio = make_studio(tmp_path, frames=4)
    path = write_scenes(tmp_path / "scenes", 20)
    truth = read_truth(path)
    made = make_cascade(studio.workspace, "ann", path, negatives=[negatives], character="ann", options=OPTIONS)
    assert shared_pictures(made.card, truth, sha256_of(path)) == 20
    assert shared_pictures(made.card, truth, "another") == 20
    assert shared_pictures({"data": {"pictures": []}}, truth, "another") == 0
    half = replace(truth, pictures=truth.pictures[:10])
    assert shared_pictures({"data": {"pictures": picture_keys(half)}}, truth) == 10
    found = assess(
        load_cascade(studio.workspace, "ann"), truth, made.card, wanted_precision=0.9, truth_sha256=sha256_of(path)
    )
    found.keep(studio.workspace, "ann", "truth.json")
    record = studio.workspace.catalogue.get(Cascade, "ann")
    assert record is not None
    card = card_of(record)
    assert (card["scores"]["shared_pictures"], card["scores"]["held_out"]) == (20, False)
    assert "operating_points" not in card
    assert "calibration" not in card
