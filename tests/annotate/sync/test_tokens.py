"""Personal access tokens as a real server gives them out: renewed in the middle of a push, expired, revoked."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import StudioTokenError
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace
from tests.annotate.proxy import FaultProxy
from tests.conftest import Toonsift

pytestmark = [
    pytest.mark.labelstudio,
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated:DeprecationWarning"),  # the SDK's exchange
]
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",), batch=2)
Sign = Callable[..., str]


@pytest.fixture
def sign(served: tuple[Workspace, Access]) -> Sign:
    """Signs a token's claims, some of them changed, as the server does: with the secret of its data folder."""
    import jwt

    (secret,) = (served[0].root / "annotate" / "server" / ".env").read_text().split()
    key = secret.partition("=")[2]

    def signed(token: str, *, with_key: str = key, **claims: Any) -> str:
        old = jwt.decode(token, options={"verify_signature": False})
        return jwt.encode(old | claims, with_key, algorithm="HS256")

    return signed


def push(workspace: Workspace, studio: Studio) -> dict[str, Any]:
    return ask(workspace, studio, Order(kind=Kind.emotions), OPTIONS)[0]


def tasks_of(workspace: Workspace, studio: Studio) -> dict[str, int]:
    """Fails where a crop has no task, or two."""
    found = find_project(workspace, studio, "emotions")
    assert found is not None
    listed = [(one.ref, one.id) for one in studio.all_tasks(found.there.id)]
    assert sorted(ref for ref, _ in listed) == workspace.catalogue.ids(Crop)
    return dict(listed)


def test_access_tokens_that_run_out_in_the_middle_are_renewed_and_nothing_is_lost_or_doubled(
    new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access, personal_token: str, sign: Sign
) -> None:
    workspace = new_workspace("renewed", 6)
    renewals: list[int] = []

    def short_lived(path: str, content: bytes) -> bytes:
        if not path.startswith("/api/token/refresh"):
            return content
        renewals.append(1)
        token = json.loads(content)["access"]
        forgotten = {"with_key": "another secret, as after a restart without the old one"} if len(renewals) == 1 else {}
        return json.dumps({"access": sign(token, exp=int(time.time()) + 3, **forgotten)}).encode()

    def takes_its_time(method: str, path: str) -> str:
        time.sleep(0.5)
        return ""

    proxy.rewrite, proxy.plan = short_lived, takes_its_time
    ours = Studio(proxy.url, personal_token, timeout_seconds=60, patience_seconds=20)
    done = push(workspace, ours)
    assert (done["pushed"], done["doubts"]) == (6, 0)
    assert len(renewals) >= 4
    tasks = tasks_of(workspace, studio)
    for ref, id in tasks.items():
        studio.annotate(id, [choice("emotion", "face", "sad" if ref == min(tasks) else "happy")])
    before = len(renewals)
    assert pull_all(workspace, ours, access, [], OPTIONS, full=True)["labels"] == 6
    assert len(renewals) > before
    assert pull_all(workspace, ours, access, [], OPTIONS)["labels"] == 0
    assert {label.crop: label.emotion for label in workspace.catalogue.all(Label)} == {
        ref: "sad" if ref == min(tasks) else "happy" for ref in tasks
    }


def test_a_token_revoked_in_the_middle_of_a_push_names_the_repair_and_another_one_goes_on(
    new_workspace: NewWorkspace, proxy: FaultProxy, studio: Studio, access: Access, personal_token: str
) -> None:
    workspace = new_workspace("revoked", 6)
    imports: list[int] = []

    def revoked_at_the_second_import(method: str, path: str) -> str:
        imports.append("/import" in path)
        if sum(imports) < 2 or "/import" not in path:
            return ""
        studio.wire.ask("POST", "/api/token/blacklist/", body={"refresh": personal_token})
        return "401 before"  # as when the access token has run out, which is the first to notice

    proxy.plan = revoked_at_the_second_import
    with pytest.raises(StudioTokenError, match=r"\(401: Token is blacklisted\): it was revoked, .* Account & Settings"):
        push(workspace, Studio(proxy.url, personal_token, patience_seconds=20))
    proxy.plan = lambda method, path: ""
    done = push(workspace, Studio(proxy.url, access.token, patience_seconds=20))
    assert (done["already"], done["pushed"]) == (2, 4)
    tasks_of(workspace, studio)


def test_a_token_that_expires_is_named_whether_we_or_the_server_notice(
    proxy: FaultProxy, access: Access, personal_token: str, sign: Sign
) -> None:
    expired = sign(personal_token, exp=int(time.time()) - 60)
    with pytest.raises(StudioTokenError, match="API key has expired.* has expired, .* Account & Settings"):
        Studio(access.url, expired).whoami()
    soon = int(time.time()) + 3
    studio = Studio(proxy.url, sign(personal_token, exp=soon), patience_seconds=0)
    assert studio.whoami().email.startswith("user")
    time.sleep(max(0.0, soon + 0.1 - time.time()))
    faults = ["401 before"]  # the access token outlives it by minutes; this is what its end looks like
    proxy.plan = lambda method, path: faults.pop() if faults else ""
    with pytest.raises(StudioTokenError, match=r"\(401: Token is expired\).* TOONSIFT_LABEL_STUDIO_TOKEN"):
        studio.whoami()


def test_an_access_token_in_place_of_a_personal_one_is_refused(
    access: Access, personal_token: str, studio: Studio
) -> None:
    short = studio.wire.object("POST", "/api/token/refresh/", body={"refresh": personal_token})["access"]
    with pytest.raises(StudioTokenError, match="Token has wrong type"):
        Studio(access.url, short).whoami()


def test_the_command_says_it_in_one_line_that_does_not_show_the_token(
    toonsift: Toonsift, access: Access, personal_token: str, sign: Sign, tmp_path: Path
) -> None:
    expired = sign(personal_token, exp=int(time.time()) - 60)
    env = {"TOONSIFT_LABEL_STUDIO_TOKEN": expired}
    done = toonsift("annotate", "status", "--url", access.url, env=env)
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1
    assert "API key has expired" in done.err
    assert expired not in done.err + done.out
