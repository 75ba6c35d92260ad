"""What one OpenCV says of cascades; the same code in this process and in one that has another OpenCV.

Run as a script it answers requests on standard input until that ends. A message is its length (8 bytes, little endian)
and an .npz without pickles; `job` in it is JSON.
"""

import io
import json
import struct
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np

Arrays = dict[str, np.ndarray]


def answer(job: dict[str, Any], arrays: Arrays) -> Arrays:
    """`version`, `windows` (one verdict for each image of the window's size) or `boxes` (raw windows on one image)."""
    if job["what"] == "version":
        return {"version": np.frombuffer(cv2.__version__.encode(), dtype=np.uint8)}
    classifier = load(arrays["xml"].tobytes())
    if classifier is None:
        return {"loaded": np.array(False)}
    width, height = classifier.getOriginalWindowSize()
    found: Arrays = {"loaded": np.array(True), "size": np.array([width, height])}
    if job["what"] == "windows":
        windows = arrays["images"]
        passed = [len(classifier.detectMultiScale(window, scaleFactor=1.1, minNeighbors=0)) for window in windows]
        return found | {"passed": np.array(passed, dtype=np.int64) == 1}
    boxes = classifier.detectMultiScale(
        arrays["image"],
        scaleFactor=job["scale_factor"],
        minNeighbors=0,
        minSize=tuple(job["min_size"]),
        maxSize=tuple(job["max_size"]),
    )
    rows = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    return found | {"boxes": rows[np.lexsort(rows.T[::-1])]}


@lru_cache(maxsize=4)
def load(content: bytes) -> Any:
    """A classifier from a file, the only way that OpenCV reads the old format; None when OpenCV refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cascade.xml"
        path.write_bytes(content)
        classifier = cv2.CascadeClassifier()
        try:
            return classifier if classifier.load(str(path)) else None
        except cv2.error:
            return None


def send(stream: BinaryIO, arrays: Arrays) -> None:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    stream.write(struct.pack("<q", packed.tell()) + packed.getvalue())
    stream.flush()


def receive(stream: BinaryIO) -> Arrays | None:
    """The next message; None when there is none."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    with np.load(io.BytesIO(stream.read(struct.unpack("<q", head)[0])), allow_pickle=False) as packed:
        return {name: packed[name] for name in packed.files}


if __name__ == "__main__":
    cv2.setNumThreads(1)
    while (request := receive(sys.stdin.buffer)) is not None:
        send(sys.stdout.buffer, answer(json.loads(request.pop("job").tobytes()), request))
