"""The command, a real server, its end."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annotate.server.process import start, stop
from annotate.studio import Studio
from annotate.sync.projects import find_project
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace
from tests import records
from tests.annotate.conftest import crops_of
from tests.conftest import Toonsift

pytestmark = [pytest.mark.labelstudio, pytest.mark.usefixtures("served")]


@pytest.mark.slow
def test_serve_push_pull_and_a_moved_workspace(tmp_path: Path, toonsift: Toonsift) -> None:
    call = functools.partial(toonsift, env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)})
    old = Workspace(tmp_path / "workspace")
    old.catalogue.put([records.episode(path="/nowhere/e1.mp4")])
    old.catalogue.put(crops_of(old, 5))
    old.close()
    command = [sys.executable, "-m", "pipeline.cli", "--workspace", str(old.root), "--json", "annotate", "serve"]
    serving = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert serving.stdout is not None
    said = json.loads(serving.stdout.readline())
    try:
        assert call("--json", "annotate", "push").json["pushed"] == 5
        status = call("--json", "annotate", "status").json
        assert [(one["project"], one["tasks"], one["trouble"]) for one in status["projects"]] == [("emotions", 5, "")]
        (invited,) = call("--json", "annotate", "invite", "ann").json["accounts"]
        assert (invited["user"], invited["status"], len(invited["password"])) == ("ann@localhost", "made", 12)
        shown = call("annotate", "invite", "ann", "-b")
        assert (shown.code, invited["password"] in shown.out + shown.err) == (2, False)
        assert "has the account ann@localhost already" in call("annotate", "invite", "ann").out
        again = call("--json", "annotate", "serve").json
        assert (again["started"], again["pid"]) == (False, said["pid"])
    finally:
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=60) == 0
        serving.stdout.close()
    assert call("annotate", "push").code == 1
    with pytest.raises(ProcessLookupError):
        os.kill(said["pid"], 0)
    shutil.move(old.root, tmp_path / "moved")
    moved = tmp_path / "moved"
    served = call("--json", "annotate", "serve", "--detach", workspace=moved).json
    try:
        pushed = call("--json", "annotate", "push", workspace=moved).json
        assert (pushed["pushed"], pushed["already"]) == (0, 5)
        workspace = Workspace(moved)
        from annotate.server.access import read_access

        access = read_access(workspace)
        assert access is not None
        studio = Studio(access.url, access.token)
        found = find_project(workspace, studio, "emotions")
        assert found is not None
        folders = [folder for _, folder in studio.storages(found.there.id)]
        assert folders
        assert all(folder.startswith(str(moved)) for folder in folders)
        studio.annotate(next(studio.all_tasks(found.there.id)).id, [], skip=True)
        assert call("--json", "annotate", "pull", workspace=moved).json["skipped"] == 1
        assert workspace.catalogue.count(Label) == 1
        workspace.close()
        log = (moved / "annotate" / "server.log").read_text()
        assert access.token not in log
        assert access.password not in log
        assert invited["password"] not in log
    finally:
        assert call("--json", "annotate", "stop", workspace=moved).json["stopped"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and Path(f"/proc/{served['pid']}").exists():
        time.sleep(0.1)
    assert not call("--json", "annotate", "stop", workspace=moved).json["stopped"]


@pytest.mark.slow
def test_two_workspaces_have_servers_of_their_own(tmp_path: Path) -> None:
    workspaces = [Workspace(tmp_path / name) for name in ("one", "two")]
    servers = [start(workspace) for workspace in workspaces]
    try:
        assert len({server.access.url for server in servers}) == 2
    finally:
        for workspace, server in zip(workspaces, servers, strict=True):
            stop(workspace)
            assert server.process is not None
            server.process.wait(timeout=60)
            workspace.close()
