"""Torch decides as the kernels do; on a CUDA GPU too where there is one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cascades.apply import Verdicts, WindowJudge  # noqa: E402
from cascades.model import CascadeModel  # noqa: E402
from cascades.on_torch.judge import TorchJudge, torch_device  # noqa: E402
from pipeline.core.errors import UsageError  # noqa: E402
from tests.cascades.drawing import clutter  # noqa: E402
from tests.cascades.random_models import Tilted, random_cascade, random_windows  # noqa: E402


def _devices() -> list[str]:
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def _model(kind: str, tilted: Tilted, depth: int, seed: int) -> CascadeModel:
    random = np.random.default_rng(seed)
    width, height = (24, 24) if seed % 2 else (19, 27)
    return random_cascade(
        random,
        kind="LBP" if kind == "LBP" else "HAAR",
        tilted=tilted,
        depth=depth,
        width=width,
        height=height,
        stages=4,
    )


def _agree(ours: Verdicts, theirs: Verdicts) -> None:
    assert ours.stages_passed.tolist() == theirs.stages_passed.tolist()
    assert ours.margins == pytest.approx(theirs.margins, abs=1e-9)
    assert ours.totals == pytest.approx(theirs.totals, abs=1e-9)


@pytest.mark.parametrize("device", _devices())
@pytest.mark.parametrize(
    ("kind", "tilted", "depth"),
    [
        ("HAAR", "none", 1),
        ("HAAR", "mixed", 1),
        ("HAAR", "none", 3),
        ("HAAR", "all", 2),
        ("LBP", "none", 1),
        ("LBP", "none", 3),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_it_decides_as_the_kernels_do(device: str, kind: str, tilted: Tilted, depth: int, seed: int) -> None:
    model = _model(kind, tilted, depth, seed)
    judge, kernels = TorchJudge(model, torch_device(device)), WindowJudge(model)
    random = np.random.default_rng(seed)
    windows = random_windows(random, model.width, model.height, 500)
    verdicts = kernels.windows(windows)
    assert len(set(verdicts.stages_passed.tolist())) > 2
    _agree(judge.windows(windows), verdicts)
    image = clutter(random, 90, 70)
    xs, ys = random.integers(0, 90 - model.width + 1, 400), random.integers(0, 70 - model.height + 1, 400)
    _agree(judge.places(image, xs, ys), kernels.places(image, xs, ys))


def test_asking_for_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="sees no CUDA GPU here"):
        torch_device("cuda")
    assert torch_device("auto").type == "cpu"
