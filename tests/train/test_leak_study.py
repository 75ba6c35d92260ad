"""What of a score is leakage."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.console import Session
from pipeline.core.errors import DatasetError
from pipeline.core.manifest import Dataset
from tests.train.conftest import QUICK
from tests.train.faces import EMOTIONS, draw_dataset, rewrite
from train import cli
from train.leak_study import resplit

app = typer.Typer()
app.command("train")(cli.train)
app.command("leak-study")(cli.leak_study)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six episodes of eight shots; in each shot one picture six times over, its class drawn by lot: it can be learned by
    heart, which pays where a split parts shots, and nowhere else."""
    folder = tmp_path_factory.mktemp("shots") / "toy"
    drawn = draw_dataset(folder, per_class={"train": 16, "val": 0, "test": 0}, images_per_shot=0)
    examples = []
    for n, example in enumerate(drawn.examples):
        content = (folder / example.file).read_bytes()
        for k in range(6):
            file = example.file.replace(".png", f".{k}.png")
            (folder / file).write_bytes(content)
            examples.append(
                replace(
                    example,
                    id=f"{example.id}.{k}",
                    file=file,
                    shot=f"s{n}",
                    track=f"t{n}",
                    episode=f"e{n % 6}",
                    label=EMOTIONS[(n * n + n // 5) % 3],
                    soft_label=(1.0, 0.0, 0.0),
                )
            )
    return rewrite(folder, examples, drawn.manifest.classes)


SHARES = (0.7, 0.1, 0.2)


def test_only_the_random_split_parts_shots_and_only_the_last_keeps_episodes(shots: Dataset) -> None:
    def parted(dataset: Dataset, unit: str) -> int:
        sides = defaultdict(set)
        for example in dataset.examples:
            sides[getattr(example, unit)].add(example.split)
        return sum(len(splits) > 1 for splits in sides.values())

    random, by_shot, by_episode = (resplit(shots, unit, 0, SHARES) for unit in ("random", "shot", "episode"))
    assert parted(random, "shot") > 30
    assert parted(by_shot, "shot") == 0 < parted(by_shot, "episode")
    assert parted(by_episode, "episode") == 0
    assert len({d.manifest.digest for d in (random, by_shot, by_episode, shots)}) == 4
    assert resplit(shots, "random", 0, SHARES).manifest.digest == random.manifest.digest
    assert resplit(shots, "random", 1, SHARES).manifest.digest != random.manifest.digest


def test_what_cannot_be_split_is_said(shots: Dataset) -> None:
    one = replace(shots, examples=tuple(replace(e, episode="e0") for e in shots.examples))
    with pytest.raises(DatasetError, match="all examples are of one episode"):
        resplit(one, "episode", 0, SHARES)
    none = replace(shots, examples=tuple(replace(e, shot="") for e in shots.examples))
    with pytest.raises(DatasetError, match="288 examples say no shot"):
        resplit(none, "shot", 0, SHARES)


def test_the_command_prints_the_three_figures_and_the_random_one_is_the_highest(shots: Dataset, tmp_path: Path) -> None:
    session = Session(root=tmp_path, json=True, quiet=True)
    settings = [word for setting in [*QUICK, "epochs=14"] for word in ("--set", setting)]
    words = ["leak-study", str(shots.folder), "--seeds", "1", "--device", "cpu", *settings]
    result = CliRunner().invoke(app, words, obj=session)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [line["unit"] for line in document["summary"]] == ["random", "shot", "episode"]
    accuracy = {line["unit"]: line["accuracy"] for line in document["summary"]}
    assert accuracy["random"] > max(accuracy["shot"], accuracy["episode"]) + 0.15
    assert [line["shared_shots"] > 0 for line in document["summary"]] == [True, False, False]
    assert all((tmp_path / "runs" / row["run"] / "summary.json").is_file() for row in document["rows"])
