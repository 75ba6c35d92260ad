import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cascades.commands import studio as studio_commands
from cascades.fit import FitOptions
from cascades.make import make_cascade
from pipeline.console import Session, session_of
from pipeline.core.errors import NotFoundError
from pipeline.core.records import NOT_A_FACE, Label
from pipeline.flow.labelling import import_labels
from tests.cascades.drawing import write_backgrounds, write_scenes
from tests.cascades.studio.workspaces import Studio, make_studio

OPTIONS = FitOptions(size=(24, 24), stages=4, positives=250, negatives_per_stage=300, features_per_stage=1000)
app = typer.Typer()
app.command("evaluate")(studio_commands.evaluate)
app.command("suspects")(studio_commands.suspects)
app.command("rounds")(studio_commands.rounds)
app.command("cross-validate")(studio_commands.cross_validate)


@app.command("fit")
def fit(ctx: typer.Context, negatives: Path) -> None:
    session = session_of(ctx)
    with session.workspace().writing("fit"):
        studio_commands.fit_from_labels(
            session, "ann", character=None, truth=None, images=None, negatives=[negatives], options=OPTIONS, out=None
        )


def call(studio: Studio, *words: str | Path, as_json: bool = True) -> dict[str, object]:
    session = Session(root=studio.workspace.root, json=as_json, quiet=True)
    result = CliRunner().invoke(app, [str(word) for word in words], obj=session, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return json.loads(result.stdout) if as_json and result.stdout else {"text": result.stdout}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("commands")
    made = make_studio(folder, frames=24)
    negatives = write_backgrounds(folder / "negatives", 30)
    truth = write_scenes(folder / "scenes", 30)
    make_cascade(made.workspace, "ann", truth, negatives=[negatives], character="ann", options=OPTIONS)
    return made


def test_the_loop_goes_from_suspects_to_answers_to_a_second_round(studio: Studio) -> None:
    folder = studio.workspace.root.parent
    said = call(studio, "suspects", "--limit", "12", "--out", folder / "suspects.csv")
    assert len(said["suspects"]) == 12  # type: ignore[arg-type]
    assert Path(str(said["page"])).read_text().count("<figure>") == 12
    with (folder / "suspects.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for n, row in enumerate(rows):
        row["answer"] = ("ann", "ann", "not-a-face", "")[n % 4]
    with (folder / "suspects.csv").open("w") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = import_labels(studio.workspace, folder / "suspects.csv")
    assert (done["imported"], done["rejected"]) == (9, [])
    assert sum(label.emotion == NOT_A_FACE for label in studio.workspace.catalogue.all(Label)) == 3
    for crop in studio.crops:
        studio.say(crop.id, character="ann", annotator="cy")
    call(studio, "fit", folder / "negatives")
    rounds = call(studio, "rounds", "ann")["rounds"]
    assert isinstance(rounds, list)
    assert [entry["from"] for entry in rounds] == ["truth.json", "labels"]
    assert rounds[0]["held_out"] == rounds[1]["held_out"]
    text = str(call(studio, "rounds", "ann", as_json=False)["text"])
    assert "Rounds of ann" in text
    assert "held out:" in text


def test_evaluate_keeps_its_contract_and_adds_stages_thresholds_and_probabilities(studio: Studio) -> None:
    truth = write_scenes(studio.workspace.root.parent / "test", 20, seed=40)
    said = call(studio, "evaluate", "ann", "--truth", truth, "--iou", "0.4", "--wanted-precision", "0.8")
    promised = {"precision", "recall", "f1", "false_positives_per_image", "average_precision", "curve"}
    assert promised | {"stages", "calibration", "wanted_precision", "by_face_size", "held_out"} <= set(said)
    assert (said["cascade"], said["character"], said["held_out"]) == ("ann", "ann", True)
    assert said["wanted_precision"]["wanted"] == 0.8  # type: ignore[index]
    assert len(said["stages"]) >= 1  # type: ignore[arg-type]


def test_a_truth_that_was_fitted_to_is_warned_of(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    folder = studio.workspace.root.parent
    make_cascade(
        studio.workspace, "other", folder / "scenes" / "truth.json", negatives=[folder / "negatives"], character="ann",
        options=OPTIONS,
    )  # fmt: skip
    session = Session(root=studio.workspace.root, json=True, quiet=True)
    words = ["evaluate", "other", "--truth", str(folder / "scenes" / "truth.json")]
    result = CliRunner().invoke(app, words, obj=session)
    assert "30 of 30 pictures of truth.json are among those that other was fitted to" in result.stderr
    assert json.loads(result.stdout)["held_out"] is False


def test_cross_validation_uses_the_cascade_s_options_and_keeps_its_scores(studio: Studio) -> None:
    folder = studio.workspace.root.parent
    words = ["--truth", folder / "scenes" / "truth.json", "--negatives", folder / "negatives", "--folds", "2"]
    said = call(studio, "cross-validate", "ann", *words, "--wanted-precision", "0.5")
    assert (said["faces"], said["folds"]) == (30, 2)
    assert said["wanted_precision"]["wanted"] == 0.5  # type: ignore[index]


def test_rounds_of_a_cascade_that_is_not_there_is_an_error(studio: Studio) -> None:
    with pytest.raises(NotFoundError, match="no cascade 'nobody' in the workspace"):
        call(studio, "rounds", "nobody")
