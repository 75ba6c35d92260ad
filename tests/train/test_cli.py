import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.console import Session
from pipeline.core.manifest import Dataset
from tests.train.conftest import QUICK, Finished
from tests.train.faces import draw_dataset
from train import cli
from train.runs import OPTIONS

app = typer.Typer()
app.command("train")(cli.train)
app.command("evaluate")(cli.evaluate)


def call(root: Path, *words: str, as_json: bool = False) -> Result:
    return CliRunner().invoke(app, list(words), obj=Session(root=root, json=as_json, quiet=True))


def test_importing_the_commands_loads_nothing_heavy() -> None:
    code = "import sys, train.cli; print(sorted({'torch', 'numpy', 'pyarrow', 'PIL'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_training_says_one_json_object_with_the_promised_fields(toy: Dataset, tmp_path: Path) -> None:
    words = ["train", str(toy.folder), "--epochs", "1", "--seed", "3", "--device", "cpu", "--set", "image_size=20"]
    result = call(tmp_path, *words, as_json=True)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) >= {
        "run", "path", "accuracy", "macro_f1", "per_class", "confusion", "epochs", "images_per_second", "dataset",
        "dataset_digest", "seed", "recipe", "baselines", "intervals", "classes", "notes",
    }  # fmt: skip
    assert set(document["per_class"]) == {"angry", "happy", "sad"}
    assert document["seed"] == 3
    assert set(document["baselines"]) == {"majority", "mean_colour"}
    assert Path(document["path"]) == tmp_path / "runs" / document["run"]
    assert json.loads(call(tmp_path, *words, "--resume", as_json=True).stdout) == document


def test_people_get_tables_and_a_line(finished: Finished, tmp_path: Path) -> None:
    result = call(finished.runs.parent, "train", str(finished.dataset.folder), *settings([*QUICK, "epochs=16"]))
    assert result.exit_code == 0, result.output
    assert "beside what is trivial" in result.stdout
    assert "mean_colour" in result.stdout
    assert f"accuracy {finished.summary.test.accuracy:.3f} (" in result.stdout
    assert str(finished.folder) in result.stdout


def test_flags_win_over_settings(toy: Dataset, tmp_path: Path) -> None:
    words = [
        "train",
        str(toy.folder),
        "--epochs",
        "1",
        *settings(["epochs=9", "image_size=20"]),
        "--recipe",
        "hill-sgd",
    ]
    document = json.loads(call(tmp_path, *words, as_json=True).stdout)
    assert (document["epochs"], document["recipe"], document["options"]["optimizer"]) == (1, "hill-sgd", "sgd")


def test_resuming_what_was_never_begun_is_said_and_begins(toy: Dataset, tmp_path: Path) -> None:
    result = call(tmp_path, "train", str(toy.folder), "--resume", "--epochs", "1", "--set", "image_size=20")
    assert result.exit_code == 0
    assert "there is nothing to resume for toy-hill-s0-" in result.stderr
    assert len(list((tmp_path / "runs").glob(f"*/{OPTIONS}"))) == 1


def test_the_recipes_are_listed(tmp_path: Path) -> None:
    assert "Hill 2017" in call(tmp_path, "train", "--list").stdout
    listed = json.loads(call(tmp_path, "train", "--list", as_json=True).stdout)["recipes"]
    assert [recipe["name"] for recipe in listed][:2] == ["hill", "hill-adadelta"]


def test_a_model_is_evaluated_on_another_dataset(finished: Finished, tmp_path: Path) -> None:
    other = draw_dataset(tmp_path, seed=8, name="other")
    words = ["evaluate", finished.run.id, str(other.folder)]
    document = json.loads(call(finished.runs.parent, *words, "--split", "all", as_json=True).stdout)
    assert document["accuracy"] > 0.9
    assert document["dataset"] == "other@1"
    assert document["examples"] == 117
    assert set(document) >= {"run", "macro_f1", "per_class", "confusion", "intervals", "seen", "left_out", "split"}
    shown = call(finished.runs.parent, *words, "--map", "sad=").stdout
    assert "9 examples were left out by --map" in shown
    own = call(finished.runs.parent, "evaluate", str(finished.folder), str(finished.dataset.folder), "--split", "train")
    assert "144 of the scored examples come from shots that the model was trained on" in own.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "UsageError: say which dataset to train on"),
        (["train", "nowhere"], "NotFoundError: no dataset 'nowhere'"),
        (["train", "/no/such/folder"], "NotFoundError: /no/such/folder is no dataset version"),
        (["train", "x", "--recipe", "hil"], r"UsageError: there is no recipe 'hil'; did you mean hill\?"),
        (["train", "x", "--set", "speed=9"], "UsageError: --set speed=9: there is no option 'speed'"),
        (["train", "x", "--epochs", "0"], "UsageError: epochs must be from 1 to 100000, got 0"),
        (["evaluate", "nothing", "x"], r"NotFoundError: no training run 'nothing' \(there are none yet\)"),
        (["evaluate", "a", "b", "--map", "joy"], "UsageError: --map joy: write it as DATASET_CLASS=MODEL_CLASS"),
    ],
)
def test_wrong_calls_say_what_is_wrong(tmp_path: Path, words: list[str], message: str) -> None:
    error = call(tmp_path, *words).exception
    with pytest.raises(AssertionError if error is None else type(error), match=message.partition(": ")[2]):
        raise error or AssertionError("no error")
    assert type(error).__name__ == message.partition(": ")[0]


def test_torch_that_is_not_there_says_how_to_get_it(
    toy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    error = call(tmp_path, "train", str(toy.folder)).exception
    assert str(error) == "training needs torch and safetensors; install with: pip install 'toonsift[train]'"


FINISHED_WITHOUT_TORCH = """
import sys, typer
from pathlib import Path
from typer.testing import CliRunner
from pipeline.console import Session
from train import cli
app = typer.Typer()
app.command("train")(cli.train)
app.command("evaluate")(cli.evaluate)
found = CliRunner().invoke(app, sys.argv[2:], obj=Session(root=Path(sys.argv[1]), json=True))
print(found.exit_code, "torch" in sys.modules)
"""


def test_a_finished_run_is_shown_without_loading_torch(finished: Finished) -> None:
    words = ["train", str(finished.dataset.folder), *settings([*QUICK, "epochs=16"])]
    command = [sys.executable, "-c", FINISHED_WITHOUT_TORCH, str(finished.runs.parent), *words]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "False"]


def settings(pairs: list[str]) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]
