from collections.abc import Iterator

import pytest

from tests.cascades.opencv_matrix.harness import OpenCv, require_fourth


@pytest.fixture(scope="session")
def fifth() -> Iterator[OpenCv]:
    """OpenCV as installed for the project."""
    opencv = OpenCv()
    yield opencv
    opencv.close()


@pytest.fixture(scope="session")
def fourth() -> Iterator[OpenCv]:
    """OpenCV 4, which most people have."""
    opencv = OpenCv(require_fourth())
    assert opencv.version.startswith("4.")
    yield opencv
    opencv.close()


@pytest.fixture(params=["fifth", "fourth"])
def opencv(request: pytest.FixtureRequest) -> OpenCv:
    """Each OpenCV in turn."""
    found: OpenCv = request.getfixturevalue(request.param)
    return found
