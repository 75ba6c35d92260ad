import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.errors import InputError, NotFoundError, WorkspaceBusyError, WorkspaceError
from pipeline.core.workspace import Workspace, checked_name


def test_a_second_writer_is_told_who_writes(workspace: Workspace) -> None:
    script = (
        "import sys; from pathlib import Path; from pipeline.core.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).writing('mine'):\n    print('in', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(
            WorkspaceBusyError, match=rf"in use by another toonsift \(process {other.pid}: mine\); wait"
        ):
            with workspace.writing("export"):
                pass
        other.kill()
    with workspace.writing("export"):
        pass


def test_a_workspace_can_be_moved(workspace: Workspace, tmp_path: Path) -> None:
    digest = workspace.objects.put(b"x", ".png")
    workspace.close()
    shutil.move(workspace.root, tmp_path / "elsewhere")
    assert Workspace(tmp_path / "elsewhere").objects.read(digest, ".png") == b"x"


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="is a file, not a folder; give another --workspace"):
        Workspace(tmp_path / "file")


def test_an_unknown_dataset_is_told_with_those_there_are(workspace: Workspace) -> None:
    with pytest.raises(
        NotFoundError, match=r"no dataset 'faces' \(there are: none yet\); make one with `toonsift export faces`"
    ):
        workspace.dataset_folder("faces")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 81, "a\nb"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a dataset: use 1 to 80 letters"):
        checked_name(name, "dataset")
