"""Accounts for annotators on a real server: made once, their passwords work and are kept nowhere, labels bear their names."""

import pytest

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.inviting import invite, sign_up_link
from annotate.options import AnnotateOptions, Kind
from annotate.pages import logged_in, sign_up
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import StudioRefusedError, UsageError
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace
from tests.annotate.proxy import FaultProxy

pytestmark = pytest.mark.labelstudio
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",))


def test_each_annotator_logs_in_answers_and_is_named_in_the_labels(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("invited", 2)
    ask(workspace, studio, Order(kind=Kind.emotions, replicas=("Mia", "noa")), OPTIONS)
    made = invite(workspace, studio, access, ["Mia", "noa"])
    assert [(one.user, one.status) for one in made] == [("mia@localhost", "made"), ("noa@localhost", "made")]
    for one, emotion in zip(made, ("happy", "sad"), strict=True):
        found = find_project(workspace, studio, f"emotions.{one.name}")
        assert found is not None
        assert one.projects == (f"{access.url}/projects/{found.there.id}/data?labeling=1",)
        task = next(studio.all_tasks(found.there.id)).id
        with logged_in(access.url, one.user, one.password) as browser:
            answer = {"result": [choice("emotion", "face", emotion)], "was_cancelled": False}
            assert browser.post(f"/api/tasks/{task}/annotations/", json=answer).status_code == 201
    pull_all(workspace, studio, access, [], OPTIONS)
    labels = workspace.catalogue.all(Label)
    assert {(one.annotator, one.emotion) for one in labels} == {("Mia", "happy"), ("noa", "sad")}
    again = invite(workspace, studio, access, ["Mia"])
    assert [(one.status, one.password) for one in again] == [("already", "")]
    kept = [path for path in (workspace.root / "annotate").rglob("*") if path.is_file()]
    assert kept
    assert not any(one.password.encode() in path.read_bytes() for one in made for path in kept)


@pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated:DeprecationWarning")  # the SDK's exchange
def test_an_answer_outside_of_a_replica_bears_the_same_name(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("invited too", 1)
    number = ask(workspace, studio, Order(kind=Kind.emotions), OPTIONS)[0]["number"]
    (one,) = invite(workspace, studio, access, ["lea"])
    with logged_in(access.url, one.user, one.password) as browser:
        token = browser.post("/api/token/").json()["token"]
    Studio(access.url, token).annotate(next(studio.all_tasks(number)).id, [choice("emotion", "face", "sad")])
    pull_all(workspace, studio, access, [], OPTIONS)
    assert [label.annotator for label in workspace.catalogue.all(Label)] == ["lea"]


@pytest.mark.parametrize("fault", ["502 after", "dropped after", "500 before", "dropped before"])
def test_an_account_in_doubt_is_made_once_with_the_password_that_is_shown(
    fault: str, new_workspace: NewWorkspace, access: Access, proxy: FaultProxy
) -> None:
    workspace = new_workspace(f"invited {fault}", 0)
    left = [fault]
    proxy.plan = lambda method, path: left.pop() if left and method == "POST" and "signup" in path else ""
    name = f"doubt-{fault.replace(' ', '-')}"
    (one,) = invite(workspace, Studio(proxy.url, access.token, patience_seconds=20), access, [name])
    assert not left
    assert one.status == "made"
    with logged_in(access.url, one.user, one.password) as browser:
        assert browser.get("/api/current-user/whoami").json()["email"] == one.user


def test_a_forgotten_password_is_replaced_on_a_server_of_our_own(
    served: tuple[Workspace, Access], studio: Studio
) -> None:
    workspace, access = served
    (first,) = invite(workspace, studio, access, ["gil"])
    (second,) = invite(workspace, studio, access, ["gil"], new_password=True)
    assert (second.status, second.password != first.password) == ("new password", True)
    with logged_in(access.url, second.user, second.password) as browser:
        assert browser.get("/api/current-user/whoami").json()["email"] == "gil@localhost"
    with (
        pytest.raises(StudioRefusedError, match="does not let gil@localhost in"),
        logged_in(access.url, first.user, first.password),
    ):
        pass


def test_one_that_fails_does_not_cost_the_others_their_passwords(
    new_workspace: NewWorkspace, access: Access, proxy: FaultProxy
) -> None:
    workspace = new_workspace("invited in part", 0)
    sign_ups: list[int] = []

    def all_but_the_first(method: str, path: str) -> str:
        sign_ups.append(method == "POST" and "signup" in path)
        return "html before" if sign_ups[-1] and sum(sign_ups) > 1 else ""

    proxy.plan = all_but_the_first
    studio = Studio(proxy.url, access.token, patience_seconds=20)
    first, second = invite(workspace, studio, access, ["uma", "vic"])
    assert (first.status, second.status) == ("made", "failed")
    assert first.password
    assert "made no account vic@localhost" in second.reason


def test_the_link_lets_people_choose_their_own_password(studio: Studio, access: Access) -> None:
    link = sign_up_link(studio)
    assert link.startswith(f"{access.url}/user/signup/?token=")
    with pytest.raises(StudioRefusedError, match="made no account .* invitation link"):
        sign_up(access.url, "not-" + link.rpartition("=")[2], "eve@example.org", "of her own choice")
    sign_up(access.url, link.rpartition("=")[2], "eve@example.org", "of her own choice")
    assert "eve@example.org" in studio.accounts().values()


def test_names_that_are_none_and_our_own_account_are_refused(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("invited none", 0)
    for name in ("", "a b", "-ann", "@x", "ann@", "a,b@c"):
        with pytest.raises(UsageError, match="cannot be an annotator"):
            invite(workspace, studio, access, [name])
    with pytest.raises(UsageError, match="annotate serve"):
        invite(workspace, studio, access, ["annotator"])
    with pytest.raises(UsageError, match="only the administrator"):
        invite(workspace, studio, Access(url=access.url, token=access.token), ["ann"], new_password=True)
