"""The server's environment, made from nothing: it takes a minute and half a gigabyte, so only the slow tests do."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from annotate.server.environment import VERSION, ensure_environment


@pytest.mark.slow
@pytest.mark.labelstudio
def test_the_server_gets_an_environment_of_its_own_and_ours_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOONSIFT_CACHE", str(tmp_path))
    made = ensure_environment()
    said = subprocess.run(
        [str(made.python), "-c", "import importlib.metadata as m; print(m.version('label-studio'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == VERSION
    assert (made.template / "label_studio.sqlite3").is_file()
    assert importlib.util.find_spec("label_studio") is None, "it went into our own environment"
    assert ensure_environment() == made
