"""What `annotate queue` chooses, over a real server: asked in its order, its answers back in the catalogue."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from annotate.agreement.summary import document, read_agreement
from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.queueing.order import verification_of, write_queue
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace
from tests.conftest import Toonsift

pytestmark = pytest.mark.labelstudio
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",))


def refs_of(workspace: Workspace, studio: Studio, name: str) -> tuple[int, dict[str, int]]:
    """(the server's number of the project, our key -> that of the task)."""
    found = find_project(workspace, studio, name)
    assert found is not None
    return found.there.id, {one.ref: one.id for one in studio.all_tasks(found.there.id)}


def next_of(studio: Studio, project: int) -> dict[str, Any]:
    """The task that the page would show now."""
    return studio.wire.object("GET", f"/api/projects/{project}/next")


def test_checked_members_tell_how_often_the_answer_to_their_sheet_is_wrong(
    new_workspace: NewWorkspace, studio: Studio, access: Access, tmp_path: Path
) -> None:
    workspace = new_workspace("verified", 16)
    ask(workspace, studio, Order(kind=Kind.sheets), OPTIONS)
    _, sheets = refs_of(workspace, studio, "sheets")
    assert len(sheets) == 8
    for id in sheets.values():
        studio.annotate(id, [choice("emotion", "sheet", "happy")])
    assert pull_all(workspace, studio, access, [], OPTIONS)["labels"] == 16
    queue = verification_of(workspace, 6)
    assert len({row.reason for row in queue.rows}) == 6, "one member of each sheet first"
    write_queue(tmp_path / "verify.csv", queue)
    pushed = ask(workspace, studio, Order(kind=Kind.emotions, items=tmp_path / "verify.csv"), OPTIONS)[0]
    assert pushed["pushed"] == 6
    number, tasks = refs_of(workspace, studio, "emotions")
    assert set(tasks) == {row.crop for row in queue.rows}
    for row in queue.rows:
        shown = next_of(studio, number)
        assert shown["data"]["ref"] == row.crop
        emotion = "sad" if row in queue.rows[:2] else "happy"
        studio.annotate(shown["id"], [choice("emotion", "face", emotion)])
    pull_all(workspace, studio, access, [], OPTIONS)
    measured = document(read_agreement(workspace, None))["propagation"]
    assert (measured["sheets"], measured["members"], measured["checked"], measured["wrong"]) == (8, 16, 6, 2)
    assert measured["error"] == pytest.approx(1 / 3, abs=1e-3)
    assert sorted(measured["differing"]) == sorted(row.crop for row in queue.rows[:2])


@pytest.mark.slow
def test_what_a_trained_model_doubts_is_asked_first_and_with_its_guess(
    demo: Path, served: tuple[Workspace, Access], studio: Studio, toonsift: Toonsift, tmp_path: Path
) -> None:
    access = served[1]
    root = Path(shutil.copytree(demo, served[0].root / "others" / "queued"))
    workspace = Workspace(root)
    labels = sorted(workspace.catalogue.all(Label), key=lambda one: one.crop)
    for label in labels[20:]:
        workspace.catalogue.delete(Label, id=label.id)
    answered = {label.crop for label in labels[:20]}
    (run,) = [path.name for path in (root / "runs").iterdir()]
    env = {"TOONSIFT_LABEL_STUDIO_TOKEN": access.token}
    words = ["--json", "annotate", "queue", "--run", run, "--count", "8", "--out", tmp_path / "next.csv"]
    queued = toonsift(*words, workspace=root)
    assert queued.code == 0, queued.err
    rows = queued.json["items"]
    assert (len(rows), queued.json["model"]) == (8, run)
    assert not {row["crop"] for row in rows} & answered
    assert all("the model says" in row["reason"] for row in rows)
    words = ["--json", "annotate", "push", "--items", tmp_path / "next.csv", "--run", run, "--url", access.url]
    pushed = toonsift(*words, workspace=root, env=env)
    assert pushed.code == 0, pushed.err
    assert pushed.json["pushed"] == 8
    number = pushed.json["projects"][0]["number"]
    for row in rows:
        shown = next_of(studio, number)
        assert shown["data"]["ref"] == row["crop"], "the server asks in the queue's order"
        task = studio.task(shown["id"])
        (guess,) = task["predictions"]
        (emotion,) = [part["value"]["choices"][0] for part in guess["result"] if part["from_name"] == "emotion"]
        assert f"the model says {emotion} {guess['score']:.2f}" in row["reason"]
        assert f"run {run}" in task["data"]["suggested_by"]
        studio.annotate(shown["id"], [choice("emotion", "face", emotion)])
    pulled = toonsift("--json", "annotate", "pull", "--url", access.url, workspace=root, env=env)
    assert pulled.code == 0, pulled.err
    assert pulled.json["pulled"] == 8
    new = [one for one in workspace.catalogue.all(Label) if one.prediction]
    assert {one.crop for one in new} == {row["crop"] for row in rows}
    assert all(f"run {run}" in one.prediction for one in new)
    again = toonsift("--json", "annotate", "queue", "--run", run, "--count", "500", workspace=root)
    assert not {row["crop"] for row in again.json["items"]} & {row["crop"] for row in rows}
    workspace.close()
