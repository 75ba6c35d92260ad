"""A real Label Studio for all tests of a process, and workspaces whose pictures it may show."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotate.pages import logged_in, sign_up
from annotate.server.access import Access
from annotate.server.process import start, stop
from annotate.studio import Studio
from pipeline.core.errors import MissingToolError
from pipeline.core.images import encode_png
from pipeline.core.records import Crop
from pipeline.core.workspace import Workspace
from tests import records
from tests.annotate.proxy import FaultProxy

NewWorkspace = Callable[[str, int], Workspace]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Access]]:
    """A workspace with its own server, which runs as long as the tests do."""
    pytest.importorskip("label_studio_sdk")
    workspace = Workspace(tmp_path_factory.mktemp("served") / "workspace")
    try:
        server = start(workspace)
    except MissingToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield workspace, server.access
    stop(workspace)
    assert server.process is not None
    server.process.wait(timeout=60)
    workspace.close()


@pytest.fixture
def access(served: tuple[Workspace, Access]) -> Access:
    return served[1]


@pytest.fixture
def studio(access: Access) -> Studio:
    return Studio(access.url, access.token, timeout_seconds=60, patience_seconds=20)


@pytest.fixture
def proxy(access: Access) -> Iterator[FaultProxy]:
    with FaultProxy(access.url) as running:
        yield running


@pytest.fixture
def personal_token(access: Access, studio: Studio) -> str:
    """A personal access token of a new account."""
    user, password = f"user{secrets.token_hex(4)}@localhost", secrets.token_urlsafe(9)
    sign_up(access.url, studio.invitation(), user, password)
    with logged_in(access.url, user, password) as browser:
        return str(browser.post("/api/token/").json()["token"])


@pytest.fixture
def new_workspace(served: tuple[Workspace, Access]) -> Iterator[NewWorkspace]:
    """Makes a workspace with some crops below the folder that the server may show."""
    made: list[Workspace] = []

    def make(name: str, crops: int = 0) -> Workspace:
        workspace = Workspace(served[0].root / "others" / name)
        workspace.catalogue.put([records.episode(path=str(Path("/nowhere/e1.mp4")))])
        workspace.catalogue.put(crops_of(workspace, crops))
        made.append(workspace)
        return workspace

    yield make
    for workspace in made:
        workspace.close()


def crops_of(workspace: Workspace, number: int) -> list[Crop]:
    """Crops with small pictures, two to a track, at moments of their own."""
    import numpy as np

    from pipeline.core.places import Box

    crops = []
    for i in range(number):
        picture = np.full((60, 60, 3), i * 37 % 251, dtype=np.uint8)
        picture[10:50, 10 : 12 + i % 40] = 255
        digest = workspace.objects.put(encode_png(picture), ".png")
        box = Box(left=i % 7, top=0, right=60 + i % 7, bottom=60)
        crops.append(
            records.crop(
                f"e1.c{i}.{box.left}.0.{box.right}.60",
                pts=i,
                box=box,
                sha256=digest,
                track=f"e1.t{i // 2}",
                sharpness=float(i),
            )
        )
    return crops
