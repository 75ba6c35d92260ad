"""The search on torch finds the windows that the kernels find."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cascades.detect import Detector  # noqa: E402
from cascades.looked_for import DetectOptions, LoadedCascade  # noqa: E402
from cascades.on_torch.scanner import TorchScanner  # noqa: E402
from cascades.scan.search import Hits, Scanner, ScanOptions  # noqa: E402
from cascades.xml import write_xml  # noqa: E402
from tests.cascades.drawing import clutter  # noqa: E402
from tests.cascades.random_models import random_cascade  # noqa: E402


def _rows(hits: Hits) -> list[tuple[int, ...]]:
    return [tuple(box) for box in hits.boxes.tolist()]


@pytest.mark.parametrize("device", ["cpu"] + (["cuda"] if torch.cuda.is_available() else []))
@pytest.mark.parametrize("smallest", [(0, 0), (50, 50)])
def test_it_finds_the_windows_that_the_kernels_find(device: str, smallest: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    models = [
        random_cascade(random, width=24, height=24, stages=3),
        random_cascade(random, tilted="mixed", depth=2, width=20, height=26, stages=3),
        random_cascade(random, kind="LBP", width=24, height=24, stages=3),
    ]
    images = [clutter(random, 131, 97), clutter(random, 131, 97), clutter(random, 60, 90)]
    options = ScanOptions(scale_factor=1.2, smallest=smallest)
    found = TorchScanner(models, device).scan_batch(images, options)
    assert all(len(hits.boxes) > 0 for hits in found[0])
    for ours, theirs in zip(found, Scanner(models).scan_batch(images, options), strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            assert _rows(mine) == _rows(other)
            assert mine.totals == pytest.approx(other.totals, abs=1e-9)
            assert mine.lasts == pytest.approx(other.lasts, abs=1e-9)
            assert mine.windows == other.windows


def test_an_image_smaller_than_the_window_has_no_faces() -> None:
    model = random_cascade(np.random.default_rng(1), width=24, height=24)
    hits = TorchScanner([model], "cpu").scan(np.zeros((10, 10), dtype=np.uint8), ScanOptions())[0]
    assert hits.boxes.shape == (0, 4)


def test_a_detector_on_torch_finds_the_faces_of_one_on_the_cpu() -> None:
    random = np.random.default_rng(8)
    xml = write_xml(random_cascade(random, width=24, height=24, stages=4, pass_rate=0.4))
    cascade = LoadedCascade(character="a", digest="x", content=xml)
    image = np.repeat(clutter(random, 140, 110)[:, :, None], 3, axis=2)
    here, there = (
        Detector([cascade], DetectOptions(device=device)).detect(image)[0] for device in ("cpu", "torch:cpu")
    )
    assert len(here.boxes) > 0
    assert here.boxes.tolist() == there.boxes.tolist()
    assert here.scores == pytest.approx(there.scores)
