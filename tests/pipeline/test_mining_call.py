"""`toonsift mine` on many machines, as a user meets it."""

from pathlib import Path

import numpy as np
import pytest

from cascades.xml import write_xml
from tests.cascades.drawing import random_model
from tests.conftest import Toonsift
from tests.videos import encode, scenes


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    path = tmp_path / "anyone.xml"
    path.write_bytes(write_xml(random_model(np.random.default_rng(1))))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "series"
    made.mkdir()
    for n in range(3):
        encode(made / f"{n}.mp4", scenes(2, 12, seed=n))
    return made


def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(toonsift: Toonsift, folder: Path, xml: Path) -> None:
    (folder / "broken.mp4").write_text("no video")
    dry = toonsift("--json", "mine", folder, "--cascade", xml, "--dry-run", "--jobs", "2")
    assert dry.code == 1
    assert [e["status"] for e in dry.json["episodes"]] == ["pending"] * 3 + ["failed"]
    assert dry.json["dry_run"] is True
    assert dry.json["seconds"] > 0
    assert toonsift("--json", "status").json["episodes"] == 0
    assert toonsift("--json", "list", "cascades").json["rows"] == []


def test_shards_never_wait_for_one_another_and_merge_joins_them(
    toonsift: Toonsift, folder: Path, xml: Path, tmp_path: Path
) -> None:
    done = [toonsift("--json", "mine", folder, "--cascade", xml, "--shard", f"{n}/2", "--jobs", "1") for n in (1, 2)]
    assert [d.code for d in done] == [0, 0]
    assert sorted(Path(e["path"]).name for d in done for e in d.json["episodes"]) == ["0.mp4", "1.mp4", "2.mp4"]
    assert sum(d.json["elsewhere"] for d in done) == 3
    assert toonsift("--json", "status").json["episodes"] == 0
    merged = toonsift("--json", "merge").json
    assert (merged["episodes"], merged["cascades"]) == (3, 1)
    again = toonsift("--json", "mine", folder, "--cascade", xml)
    assert {e["status"] for e in again.json["episodes"]} == {"already"}
    assert toonsift("verify").code == 0
    other = tmp_path / "other"
    assert toonsift("merge", tmp_path / "workspace", workspace=other).code == 0
    assert toonsift("--json", "status", workspace=other).json["episodes"] == 3


def test_what_goes_with_ray_is_refused_without_it(toonsift: Toonsift, folder: Path, xml: Path) -> None:
    for words in (("--ray-address", "127.0.0.1:1"), ("--storage", "s3://a/b")):
        done = toonsift("mine", folder, "--cascade", xml, *words)
        assert done.code == 2
        assert "go with --engine ray" in done.err
    assert toonsift("mine", folder, "--cascade", xml, "--shard", "3/2").code == 2
    done = toonsift("merge")
    assert done.code == 2
    assert "has no shards" in done.err
