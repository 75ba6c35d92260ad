"""What others do behind our back, or at the same time, with a real server between."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync import push as pushing
from annotate.sync import state
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import StudioDoubtError, StudioRefusedError, WorkspaceBusyError
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace
from tests.annotate.proxy import FaultProxy
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.labelstudio
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",), batch=4)


def push(workspace: Workspace, studio: Studio, **more: Any) -> dict[str, Any]:
    return ask(workspace, studio, Order(kind=Kind.emotions, **more), OPTIONS)[0]


def tasks_of(workspace: Workspace, studio: Studio) -> dict[str, int]:
    found = find_project(workspace, studio, "emotions")
    assert found is not None
    listed = [(one.ref, one.id) for one in studio.all_tasks(found.there.id) if one.ref]
    assert sorted(ref for ref, _ in listed) == workspace.catalogue.ids(Crop)
    return dict(listed)


def said(emotion: str) -> list[dict[str, Any]]:
    return [choice("emotion", "face", emotion)]


def test_a_storage_deleted_on_the_server_is_there_again_after_a_push(
    new_workspace: NewWorkspace, studio: Studio
) -> None:
    workspace = new_workspace("storage", 2)
    number = push(workspace, studio)["number"]
    folders = sorted(folder for _, folder in studio.storages(number))
    for id, _ in studio.storages(number):
        studio.wire.ask("DELETE", f"/api/storages/localfiles/{id}")
    assert studio.storages(number) == []
    assert push(workspace, studio)["pushed"] == 0
    assert sorted(folder for _, folder in studio.storages(number)) == folders


def test_an_answer_whose_choice_went_stands_where_it_was_taken_and_is_named_where_it_was_not(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("choice", 3)
    more = AnnotateOptions(emotions=("happy", "sad", "calm"), characters=("ann",))
    ask(workspace, studio, Order(kind=Kind.emotions), more)
    taken, late, changed = sorted(tasks_of(workspace, studio).items())
    studio.annotate(taken[1], said("calm"))
    number = studio.annotate(changed[1], said("calm"))
    pull_all(workspace, studio, access, [], more)
    studio.annotate(late[1], said("calm"))
    push(workspace, studio, change_interface=True)
    for full in (False, True):
        got = pull_all(workspace, studio, access, [], OPTIONS, full=full)
        assert [(one["ref"], one["reason"]) for one in got["quarantined"]] == [
            (late[0], "emotion 'calm' is no choice (there are happy, not_a_face, sad, unsure)")
        ]
        standing = [label for label in workspace.catalogue.all(Label) if not label.withdrawn]
        assert sorted((label.crop, label.emotion) for label in standing) == [(taken[0], "calm"), (changed[0], "calm")]
    studio.change_annotation(number, said("furious"))
    got = pull_all(workspace, studio, access, [], OPTIONS)
    assert (got["withdrawn"], len(got["quarantined"])) == (1, 2), (
        "it was changed, so what it said before does not stand"
    )


def test_a_server_whose_counters_stayed_behind_is_read_whole_every_time(
    new_workspace: NewWorkspace, studio: Studio, access: Access, proxy: FaultProxy
) -> None:
    """As after two projects were deleted at once: that Label Studio counts no answers any more, and lists none by them."""
    workspace = new_workspace("counters", 2)
    push(workspace, studio)
    (ref, id), _ = sorted(tasks_of(workspace, studio).items())
    number = studio.annotate(id, said("happy"))

    def uncounted(path: str, content: bytes) -> bytes:
        if path.startswith("/api/tasks?"):
            return json.dumps({"tasks": [], "total": 0}).encode()
        if "/export" in path:
            return json.dumps([row | {"total_annotations": 0} for row in json.loads(content)]).encode()
        return content

    proxy.rewrite = uncounted
    behind = Studio(proxy.url, access.token, patience_seconds=20)
    assert pull_all(workspace, behind, access, [], OPTIONS)["labels"] == 1
    studio.change_annotation(number, said("sad"))
    assert pull_all(workspace, behind, access, [], OPTIONS)["labels"] == 1
    proxy.rewrite = lambda path, content: content
    assert pull_all(workspace, behind, access, [], OPTIONS)["projects"][0]["full"]
    assert not pull_all(workspace, behind, access, [], OPTIONS)["projects"][0]["full"]
    labels = sorted(workspace.catalogue.all(Label), key=lambda label: label.created)
    assert [(label.crop, label.emotion) for label in labels] == [(ref, "happy"), (ref, "sad")]


def test_two_pulls_at_once_take_every_answer_once(new_workspace: NewWorkspace, studio: Studio, access: Access) -> None:
    workspace = new_workspace("at once", 12)
    push(workspace, studio)
    for id in tasks_of(workspace, studio).values():
        studio.annotate(id, said("happy"))

    def pulled(_: int) -> dict[str, Any]:
        own = Workspace(workspace.root)
        try:
            return pull_all(own, Studio(access.url, access.token), access, [], OPTIONS)
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(pulled, range(3)))
    assert sorted(one["labels"] for one in got) == [0, 0, 12]
    assert workspace.catalogue.count(Label) == 12


@pytest.mark.slow
def test_two_people_pulling_and_one_pushing_at_once_lose_and_double_nothing(
    new_workspace: NewWorkspace, studio: Studio, access: Access, tmp_path: Path
) -> None:
    workspace = new_workspace("processes", 40)
    push(workspace, studio, limit=20)
    found = find_project(workspace, studio, "emotions")
    assert found is not None
    for one in list(studio.all_tasks(found.there.id)):
        studio.annotate(one.id, said("happy"))
    (tmp_path / "toonsift.toml").write_text('[annotate]\nemotions = ["happy", "sad"]\ncharacters = ["ann"]\n')
    words = [sys.executable, "-m", "pipeline.cli", "--workspace", str(workspace.root), "--quiet", "--json", "annotate"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "TOONSIFT_LABEL_STUDIO_TOKEN": access.token}
    running = [
        subprocess.Popen([*words, verb, "--url", access.url], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL)
        for verb in ("pull", "pull", "push")
    ]
    assert [one.wait(timeout=120) for one in running] == [0, 0, 0]
    assert workspace.catalogue.count(Label) == 20
    tasks_of(workspace, studio)


def test_a_command_that_waits_too_long_for_another_one_says_so(
    new_workspace: NewWorkspace, studio: Studio, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = new_workspace("busy", 1)
    push(workspace, studio)
    monkeypatch.setattr(state, "WAIT_SECONDS", 0.2)
    with (
        state.alone(workspace, "emotions"),
        pytest.raises(WorkspaceBusyError, match=r"another toonsift is at the project emotions for more than 0\.2 s"),
    ):
        pull_all(workspace, studio, access, [], OPTIONS)


def test_a_push_does_not_wait_for_ever_while_somebody_else_adds_tasks(
    new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = new_workspace("moving", 9)
    number = push(workspace, studio, limit=1)["number"]
    monkeypatch.setattr(pushing, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(pushing, "MOST_SETTLE_SECONDS", 0.2)
    theirs = Studio(access.url, access.token)

    def somebody_adds_one_before_each_count(method: str, path: str) -> str:
        if path == f"/api/projects/{number}/":
            theirs.import_tasks(number, [{"data": {"image": "/theirs.png", "context": "", "where": "theirs"}}])
        return "502 after" if "/import" in path else ""

    proxy.plan = somebody_adds_one_before_each_count
    with pytest.raises(StudioDoubtError, match=r"emotions went from \d+ to \d+ tasks in 0\.2 s .* somebody else adds"):
        push(workspace, Studio(proxy.url, access.token, patience_seconds=20))
    done = push(workspace, studio)
    assert (done["pushed"] + done["already"], done["swept"]) == (9, 0)
    tasks_of(workspace, studio)


def test_an_address_with_something_else_behind_it_is_named(access: Access, proxy: FaultProxy) -> None:
    with pytest.raises(StudioRefusedError, match=r"refused GET /api/current-user/whoami: 404"):
        Studio(f"{access.url}/somewhere", access.token, patience_seconds=0).whoami()
    proxy.plan = lambda method, path: "302 before"
    with pytest.raises(StudioRefusedError, match="sends us on to http://portal.invalid/; give the address it means"):
        Studio(proxy.url, access.token, patience_seconds=0).whoami()
