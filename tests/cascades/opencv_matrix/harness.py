"""OpenCV 5 and OpenCV 4 side by side, each in a process of its own, asked the same."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascades.model import CascadeModel
from cascades.xml import write_old_xml, write_xml
from tests.cascades.opencv_matrix import worker

REPOSITORY = Path(__file__).parents[3]
FOURTH = Path(os.environ.get("TOONSIFT_OPENCV4", REPOSITORY / ".venv" / "opencv4"))
"""where `make setup` puts OpenCV 4"""


class OpenCv:
    """One OpenCV in a process that stays until closed. A crash of it raises RuntimeError here and harms nothing else."""

    def __init__(self, folder: Path | None = None) -> None:
        extra = {} if folder is None else {"PYTHONPATH": str(folder)}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(worker.__file__))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | {"OPENCV_LOG_LEVEL": "OFF"} | extra,
        )  # fmt: skip
        self.version = self.ask({"what": "version"})["version"].tobytes().decode()

    def ask(self, job: dict[str, Any], **arrays: np.ndarray) -> worker.Arrays:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = {"job": np.frombuffer(json.dumps(job).encode(), dtype=np.uint8), **arrays}
        try:
            worker.send(self._process.stdin, message)
            reply = worker.receive(self._process.stdout)
        except BrokenPipeError:
            reply = None
        if reply is None:
            raise RuntimeError(f"OpenCV died with code {self._process.wait(10)}")
        return reply

    def loads(self, xml: bytes) -> bool:
        """Whether it takes the file."""
        nothing = np.zeros((0, 1, 1), dtype=np.uint8)
        return bool(self.ask({"what": "windows"}, xml=_bytes(xml), images=nothing)["loaded"])

    def passed(self, xml: bytes, windows_NHW: np.ndarray) -> np.ndarray:
        """(N,): which windows of the cascade's own size it finds."""
        reply = self.ask({"what": "windows"}, xml=_bytes(xml), images=windows_NHW)
        assert reply["loaded"], f"OpenCV {self.version} does not take the cascade"
        assert tuple(reply["size"]) == (windows_NHW.shape[2], windows_NHW.shape[1])
        return reply["passed"]

    def boxes(
        self,
        xml: bytes,
        image_HW: np.ndarray,
        scale_factor: float = 1.1,
        min_size: tuple[int, int] = (0, 0),
        max_size: tuple[int, int] = (0, 0),
    ) -> np.ndarray:
        """(N, 4): x, y, width, height of all windows that pass on an image, ungrouped, in ascending order."""
        job = {"what": "boxes", "scale_factor": scale_factor, "min_size": min_size, "max_size": max_size}
        reply = self.ask(job, xml=_bytes(xml), image=image_HW)
        assert reply["loaded"], f"OpenCV {self.version} does not take the cascade"
        return reply["boxes"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def _bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, dtype=np.uint8)


def written(model: CascadeModel, old: bool = False) -> bytes:
    """The model as OpenCV is given it.

    A single stage is written twice: asked for reject levels, OpenCV reports windows of a one-stage cascade that it never
    looked at; the same stage twice decides the same.
    """
    if len(model.stages) == 1:
        model = replace(model, stages=model.stages * 2)
    return write_old_xml(model) if old else write_xml(model)


def require_fourth() -> Path:
    """The folder of OpenCV 4. Skips the test where it is missing; in CI it must be there."""
    if (FOURTH / "cv2").is_dir():
        return FOURTH
    reason = f"no OpenCV 4 in {FOURTH}: `make setup` puts it there"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)
