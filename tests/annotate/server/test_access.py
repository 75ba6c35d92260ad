import stat
from pathlib import Path

import pytest

from annotate.server.access import Access, access_to_use, keep_access, read_access
from annotate.server.environment import clean_variables
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.workspace import Workspace

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def test_the_token_is_readable_by_its_owner_alone_and_shown_by_nothing(workspace: Workspace) -> None:
    access = Access(url="http://127.0.0.1:8080", token=TOKEN, user="a@b", password="secret")
    keep_access(workspace, access)
    path = workspace.root / "annotate" / "server.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_access(workspace) == access
    assert TOKEN not in repr(access)
    assert "secret" not in repr(access)


def test_an_address_needs_a_token_unless_it_is_the_kept_one(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="annotate serve"):
        access_to_use(workspace, "", "")
    with pytest.raises(UsageError, match="TOONSIFT_LABEL_STUDIO_TOKEN"):
        access_to_use(workspace, "http://127.0.0.1:8080", "")
    keep_access(workspace, Access(url="http://127.0.0.1:8080", token=TOKEN))
    assert access_to_use(workspace, "http://127.0.0.1:8080/", "").token == TOKEN


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://user:word@host", "http://x/?a=b"])
def test_an_address_that_is_none_is_refused(workspace: Workspace, url: str) -> None:
    with pytest.raises(UsageError, match="is no address of a server"):
        access_to_use(workspace, url, TOKEN)


def test_a_token_that_is_none_is_refused_without_repeating_it(workspace: Workspace) -> None:
    with pytest.raises(UsageError) as refused:
        access_to_use(workspace, "http://x", "no token\nat all")
    assert "at all" not in str(refused.value)


def test_the_server_sees_no_variable_that_it_could_take_for_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOST", "DEBUG", "PASSWORD", "PYTHONPATH", "LABEL_STUDIO_USER_TOKEN", "CI"):
        monkeypatch.setenv(name, "1")
    variables = clean_variables({"LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path)})
    assert not {"HOST", "DEBUG", "PASSWORD", "PYTHONPATH", "LABEL_STUDIO_USER_TOKEN", "CI"} & variables.keys()
    assert variables["LABEL_STUDIO_COLLECT_ANALYTICS"] == "false"
