"""The queue of a workspace, and the command that prints it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from annotate.queueing.order import Classifier, queue_of, verification_of
from annotate.queueing.pool import read_pool
from pipeline.core.images import encode_png
from pipeline.core.records import Crop, DuplicateGroup, Repeat
from pipeline.core.workspace import Workspace
from pipeline.duplicates import LOOK_KIND, look
from tests.conftest import Toonsift
from tests.records import crop, episode, label


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Thirty crops of two episodes, each a picture of its own; c00 to c04 are labelled."""
    random = np.random.default_rng(0)
    workspace.catalogue.put([episode("e1"), episode("e2")])
    for n in range(30):
        image = np.kron(random.integers(0, 255, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
        sha256 = workspace.objects.put(encode_png(image), ".png")
        workspace.catalogue.put([crop(f"c{n:02d}", episode=f"e{n % 2 + 1}", shot=f"s{n}", pts=n, sha256=sha256)])
        if n % 3:  # the others' looks are worked out
            workspace.catalogue.put_hashes(LOOK_KIND, {f"c{n:02d}": look(image)})
    workspace.catalogue.put([label(f"c{n:02d}", "happy") for n in range(5)])
    return workspace


def brightness(names: tuple[str, ...] = ("dark", "light")) -> Classifier:
    def classify(images: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        light = np.array([image.mean() / 255 for image in images])  # type: ignore[attr-defined]
        return np.stack([1 - light, light], axis=1).astype(np.float32)

    return Classifier("run-1", names, classify)


def test_it_hands_out_what_nobody_answered_each_once(filled: Workspace) -> None:
    found = queue_of(filled, 100)
    assert {row.crop for row in found.rows} == {f"c{n:02d}" for n in range(5, 30)}
    assert len(found.rows) == found.candidates == 25
    assert found.left_out == {"answered or skipped already": 5}
    priorities = [row.priority for row in found.rows]
    assert priorities[0] == 1.0
    assert priorities == sorted(set(priorities), reverse=True)
    assert priorities[-1] > 0
    assert all(row.reason for row in found.rows)


def test_withdrawn_answers_are_asked_for_again(filled: Workspace) -> None:
    filled.catalogue.put([label("c20", "sad", withdrawn="2026-02-01T00:00:00+00:00")])
    assert "c20" in {row.crop for row in queue_of(filled, 100).rows}


def test_near_duplicates_of_answered_or_chosen_crops_are_left_out(filled: Workspace) -> None:
    groups = [("c01", "c10"), ("c11", "c12"), ("c13", "c14", "c15")]
    filled.catalogue.put(
        [DuplicateGroup(id=f"g{n}", kept=ids[0], members=ids, diameter_bits=2) for n, ids in enumerate(groups)]
    )
    filled.catalogue.put([Repeat(id="s13", episode="e2", group="s2", kind="opening")])
    found = queue_of(filled, 100)
    ids = {row.crop for row in found.rows}
    assert not {"c10", "c12", "c13"} & ids
    assert "c11" in ids
    assert len({"c14", "c15"} & ids) == 1
    assert found.left_out == {
        "answered or skipped already": 5, "in a shot that another episode shows too": 1,
        "near-duplicate of an answered crop": 1, "near-duplicate of another crop that may be asked about": 2,
    }  # fmt: skip


def test_a_models_doubts_come_first_and_are_told(filled: Workspace) -> None:
    grey = filled.objects.put(encode_png(np.full((40, 40, 3), 127, dtype=np.uint8)), ".png")
    white = filled.objects.put(encode_png(np.full((40, 40, 3), 255, dtype=np.uint8)), ".png")
    filled.catalogue.put([crop(f"c{n:02d}", shot=f"s{n}", sha256=white) for n in range(5, 30)])
    filled.catalogue.put([crop("d1", shot="sd", sha256=grey)])
    found = queue_of(filled, 3, brightness())
    assert found.rows[0].crop == "d1"
    assert found.rows[0].reason.startswith("the model says dark 0.50 or light 0.50")
    assert found.model == "run-1"


def test_a_crop_without_its_picture_is_counted_and_passed_over(filled: Workspace) -> None:
    for id in ("c06", "c07"):  # one whose look was stored, one without
        found = filled.catalogue.get(Crop, id)
        assert found is not None
        filled.objects.path(found.sha256, ".png").unlink()
    reason = "its picture is missing or damaged"
    assert queue_of(filled, 100).left_out[reason] == 1
    queue = queue_of(filled, 100, brightness())
    assert queue.left_out[reason] == 2
    assert queue.candidates == 23


def test_a_model_of_other_classes_is_used_for_its_doubts_alone(filled: Workspace) -> None:
    assert len(queue_of(filled, 7, brightness(("tom.happy", "tom.sad"))).rows) == 7


def test_more_crops_than_can_be_weighed_are_cut_to_the_most_doubtful(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotate.queueing.order.MOST_WEIGHED", 10)
    doubtful = queue_of(filled, 100, brightness())
    assert len(doubtful.rows) == 10
    assert doubtful.candidates == 25
    assert len(queue_of(filled, 100).rows) == 10


def test_an_empty_workspace_has_an_empty_queue(workspace: Workspace) -> None:
    assert queue_of(workspace, 10).rows == ()
    assert verification_of(workspace, 10).rows == ()
    assert queue_of(workspace, 10, brightness()).rows == ()


def test_everything_answered_leaves_nothing(filled: Workspace) -> None:
    filled.catalogue.put([label(one.id, "sad") for one in filled.catalogue.all(Crop)])
    assert queue_of(filled, 10).rows == ()


def test_the_pool_knows_classes_and_its_order_is_by_id(filled: Workspace) -> None:
    pool = read_pool(filled)
    assert [one.id for one in pool.crops] == sorted(one.id for one in pool.crops)
    assert pool.classes == {f"c{n:02d}": "happy" for n in range(5)}


def test_members_of_sheets_are_handed_out_for_checking(filled: Workspace) -> None:
    filled.catalogue.put([label(f"c{n}", "sad", via="t1", id=f"via{n}") for n in range(10, 20)])
    found = verification_of(filled, 3)
    assert len(found.rows) == 3
    assert found.candidates == 10
    assert {row.reason for row in found.rows} == {"verifies the answer to sheet t1"}


def test_the_command_writes_what_push_reads(filled: Workspace, toonsift: Toonsift, tmp_path: Path) -> None:
    filled.close()
    done = toonsift("--json", "annotate", "queue", "--count", "4", "--out", tmp_path / "next.csv")
    assert done.code == 0, done.err
    assert done.json["queued"] == 4
    assert done.json["candidates"] == 25
    rows = list(csv.DictReader((tmp_path / "next.csv").read_text().splitlines()))
    assert list(rows[0]) == ["crop", "priority", "reason"]
    assert [row["crop"] for row in rows] == [item["crop"] for item in done.json["items"]]
    again = toonsift("annotate", "queue", "--count", "4", "--out", tmp_path / "next.json")
    assert "4 of 25 crops queued" in again.out
    assert json.loads((tmp_path / "next.json").read_text()) == done.json["items"]


def test_the_command_says_what_it_does_not_understand(filled: Workspace, toonsift: Toonsift) -> None:
    filled.close()
    done = toonsift("annotate", "queue", "--out", "next.xlsx")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--out must end in .csv or .json" in done.err
    done = toonsift("annotate", "queue", "--run", "nothing")
    assert done.code == 1
    assert "nothing" in done.err


def test_the_command_prints_the_agreement(filled: Workspace, toonsift: Toonsift) -> None:
    filled.catalogue.put([label(f"c{n:02d}", ("happy", "sad")[n % 2], "cy") for n in range(5)])
    filled.close()
    done = toonsift("--json", "annotate", "agreement")
    assert done.code == 0, done.err
    assert done.json["answered_twice_or_more"] == 5
    assert done.json["kappas"][0]["confusion"] == [[3, 2], [0, 0]]
    assert [one["name"] for one in done.json["annotators"]] == ["bo", "cy"]
    text = toonsift("annotate", "agreement")
    assert "5 of 5 items have two answers or more, 3 of them unanimous; 2 ties" in text.out
