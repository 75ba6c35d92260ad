"""Cascades through torch beside the kernels: `python -m benchmarks.cascades_on_torch [--device auto]`.

Seconds of wall time, since a GPU's work is none of the CPU's; both sides in one run, the best of three turns. Without a
CUDA GPU torch computes on the CPU, which says what the code does but not what a GPU would.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from cascades.compiled import thread_count
from cascades.learning.features import tabulate
from cascades.learning.haar import enumerate_haar
from cascades.learning.search import HaarSearch
from cascades.model import CascadeModel, HaarFeature, Node, Rect, Stage, Tree
from cascades.on_torch.judge import torch_device
from cascades.on_torch.scanner import TorchScanner
from cascades.on_torch.search import TorchSearch
from cascades.scan.search import Scanner, ScanOptions

TURNS = 3
SAMPLES, POSITIVES = 2700, 900
FRAME = (480, 854)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    device = parser.parse_args(arguments).device
    print(f"torch on {torch_device(device)}, kernels on {thread_count()} threads")
    random = np.random.default_rng(0)
    table = enumerate_haar(24, 24, "basic")
    samples = tabulate(random.integers(0, 256, (SAMPLES, 24, 24)).astype(np.uint8))
    columns, weights, pool = np.arange(SAMPLES), random.random(SAMPLES), np.arange(len(table))
    kernels = HaarSearch(table, samples, POSITIVES, pool, None)
    there = TorchSearch(table, samples, POSITIVES, pool, device)
    _row(
        f"best split of {len(table):,} features x {SAMPLES:,} samples",
        lambda: kernels.split(columns, weights),
        lambda: there.split(columns, weights),
    )
    frames = [random.integers(0, 256, FRAME).astype(np.uint8) for _ in range(8)]
    model, options = _model(random), ScanOptions(smallest=(48, 48))
    scanner, torch_scanner = Scanner([model]), TorchScanner([model], device)
    _row(
        f"{len(frames)} frames of {FRAME[1]}x{FRAME[0]} searched from 48 px",
        lambda: scanner.scan_batch(frames, options),
        lambda: torch_scanner.scan_batch(frames, options),
    )


def _row(what: str, kernels: Callable[[], object], on_torch: Callable[[], object]) -> None:
    here, there = _best(kernels), _best(on_torch)
    print(f"{what}: kernels {here:.3f} s, torch {there:.3f} s, ratio {here / there:.2f}")


def _best(run: Callable[[], object]) -> float:
    run()
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        run()
        turns.append(time.perf_counter() - began)
    return min(turns)


def _model(random: np.random.Generator) -> CascadeModel:
    """Ten stages of ten stumps, each of which lets about half of all windows through."""
    features = []
    for _ in range(100):
        w, h = int(random.integers(2, 12)), int(random.integers(4, 20))
        x, y = int(random.integers(0, 24 - 2 * w + 1)), int(random.integers(0, 24 - h + 1))
        features.append(HaarFeature((Rect(x, y, 2 * w, h, -1.0), Rect(x + w, y, w, h, 2.0))))
    stages = tuple(
        Stage(0.0, tuple(Tree((Node(0, -1, 10 * s + t, 0.0),), (-1.0, 1.0)) for t in range(10))) for s in range(10)
    )
    return CascadeModel(kind="HAAR", width=24, height=24, stages=stages, features=tuple(features))


if __name__ == "__main__":
    main()
