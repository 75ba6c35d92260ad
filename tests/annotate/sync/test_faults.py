"""Every fault that a network can make between us and a real server: at the end each task once, and no answer lost."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.server.process import start, stop
from annotate.studio import Studio
from annotate.sync import push as pushing
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import StudioDoubtError, StudioRefusedError, StudioTokenError
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace, crops_of
from tests.annotate.proxy import FAULTS, FaultProxy

pytestmark = pytest.mark.labelstudio
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",), batch=3)
CROPS = 7


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "SETTLE_SECONDS", 0.05)


def through(proxy: FaultProxy, access: Access) -> Studio:
    """The server behind the proxy; slow answers are slower than this waits."""
    return Studio(proxy.url, access.token, timeout_seconds=2, patience_seconds=4)


def push_through_faults(workspace: Workspace, studio: Studio, proxy: FaultProxy) -> None:
    """At most six pushes through faults; a network that bad may win them all, so the caller ends with one without faults."""
    for _ in range(6):
        try:
            ask(workspace, studio, Order(kind=Kind.emotions), OPTIONS)
            return
        except (StudioDoubtError, StudioTokenError):
            proxy.settle()


def check_each_once(workspace: Workspace, studio: Studio) -> dict[str, int]:
    found = find_project(workspace, studio, "emotions")
    assert found is not None
    listed = list(studio.all_tasks(found.there.id))
    assert sorted(one.ref for one in listed) == workspace.catalogue.ids(Crop)
    return {one.ref: one.id for one in listed}


def a_random_sequence(seed: int, workspace: Workspace, proxy: FaultProxy, direct: Studio, access: Access) -> None:
    """Pushes and pulls through faults, a person answering in between; nothing may be lost or doubled."""
    rng = random.Random(seed)
    rate = rng.choice((0.1, 0.25, 0.4))
    proxy.plan = lambda method, path: rng.choice(FAULTS) if rng.random() < rate else ""
    studio = through(proxy, access)
    push_through_faults(workspace, studio, proxy)
    proxy.settle()
    proxy.plan = lambda method, path: ""
    ask(workspace, direct, Order(kind=Kind.emotions), OPTIONS)
    tasks = check_each_once(workspace, studio)
    wanted = {}
    for ref in rng.sample(sorted(tasks), 2):
        wanted[ref] = rng.choice(("happy", "sad"))
        direct.annotate(tasks[ref], [choice("emotion", "face", wanted[ref])])
    proxy.plan = lambda method, path: rng.choice(FAULTS) if rng.random() < rate else ""
    for _ in range(6):
        try:
            pull_all(workspace, studio, access, [], OPTIONS)
            break
        except (StudioDoubtError, StudioTokenError):
            continue
    proxy.plan = lambda method, path: ""
    pull_all(workspace, direct, access, [], OPTIONS)
    labels = workspace.catalogue.all(Label)
    assert sorted((one.crop, one.emotion, one.withdrawn) for one in labels) == sorted(
        (c, e, "") for c, e in wanted.items()
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_faults_double_and_lose_nothing(
    seed: int, new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access
) -> None:
    a_random_sequence(seed, new_workspace(f"random {seed}", CROPS), proxy, studio, access)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_more_sequences_double_and_lose_nothing(
    seed: int, new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access
) -> None:
    a_random_sequence(seed, new_workspace(f"random {seed}", CROPS), proxy, studio, access)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_at_an_import_is_seen_to_in_the_same_push(
    fault: str, new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access
) -> None:
    workspace = new_workspace(f"import {fault}", CROPS)
    left = [fault]
    proxy.plan = lambda method, path: left.pop() if left and method == "POST" and "/import" in path else ""
    done = ask(workspace, through(proxy, access), Order(kind=Kind.emotions), OPTIONS)[0]
    proxy.settle()
    if fault != "401 before":  # asked again with a fresh access token: not acted upon, so no doubt
        assert done["doubts"] >= 1, "a busy server may answer the next batch late as well"
    if fault == "slow before":
        ask(workspace, studio, Order(kind=Kind.emotions), OPTIONS)
    check_each_once(workspace, studio)


def test_a_server_that_does_not_come_back_is_named_and_the_rest_is_sent_later(
    new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("later", CROPS)
    imports = []

    def after_one_import(method: str, path: str) -> str:
        imports.append("/import" in path)
        return "dropped before" if sum(imports) > 1 else ""

    proxy.plan = after_one_import
    away = Studio(proxy.url, access.token, timeout_seconds=1, patience_seconds=0.5)
    with pytest.raises(StudioDoubtError, match="run the same command again, what was done is kept"):
        ask(workspace, away, Order(kind=Kind.emotions), OPTIONS)
    proxy.plan = lambda method, path: ""
    done = ask(workspace, through(proxy, access), Order(kind=Kind.emotions), OPTIONS)[0]
    assert (done["pushed"], done["already"]) == (CROPS - 3, 3)
    check_each_once(workspace, studio)


def test_wrong_addresses_and_tokens_are_told_apart(access: Access, proxy: FaultProxy) -> None:
    with pytest.raises(StudioTokenError, match="refuses our token .* Account & Settings"):
        Studio(access.url, "0" * 40).whoami()
    with pytest.raises(StudioDoubtError, match="no usable answer from http://127.0.0.1:9 "):
        Studio("http://127.0.0.1:9", "0" * 40, patience_seconds=0).whoami()
    proxy.plan = lambda method, path: "html before"
    with pytest.raises(StudioDoubtError, match="answers with text/html, not JSON"):
        Studio(proxy.url, access.token, patience_seconds=0).whoami()
    with pytest.raises(StudioRefusedError):
        Studio(access.url, access.token, patience_seconds=0).project(999_999)


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path / "workspace")
    yield workspace
    stop(workspace)
    workspace.close()


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_an_import_has_each_task_once_after_it_is_back(killable: Workspace) -> None:
    from threading import Timer

    from tests import records

    killable.catalogue.put([records.episode(path="/nowhere/e1.mp4")])
    killable.catalogue.put(crops_of(killable, 40))
    options = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",), batch=20)
    server = start(killable)
    assert server.process is not None
    Timer(0.9, lambda: os.kill(server.access.pid, signal.SIGKILL)).start()
    studio = Studio(server.access.url, server.access.token, patience_seconds=1)
    try:
        for _ in range(20):
            ask(killable, studio, Order(kind=Kind.emotions, anew=True), options)
    except (StudioDoubtError, StudioRefusedError):
        pass
    server.process.wait(timeout=30)
    again = start(killable)
    ask(killable, Studio(again.access.url, again.access.token), Order(kind=Kind.emotions), options)
    check_each_once(killable, Studio(again.access.url, again.access.token))
    stop(killable)
    assert again.process is not None
    again.process.wait(timeout=30)
