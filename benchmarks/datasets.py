"""Writing a dataset version beside copying its files, and `verify` beside `sha256sum` of the same bytes: CPU seconds.

    python -m benchmarks.datasets [--crops 100000] [--repeats 3]

The crops lie in a file store as mining leaves them, and are as large as crops are (12 KiB). `cp -r` of the finished images
is the floor of an export, which besides reads every crop's hash, writes rows, checksums, card and sample sheet;
`sha256sum --check` of the version's own list is the floor of `verify`, which besides reads the rows and checks their digest.
"""

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.core.images import encode_png
from pipeline.core.manifest import Example, read_dataset
from pipeline.core.places import Box
from pipeline.core.workspace import Workspace
from pipeline.datasets.verify import faults_of_version
from pipeline.flow.versions import Content, put_version

CLASSES = ("afraid", "angry", "happy", "neutral", "sad", "surprised")
BYTES = 12 << 10
"""of a crop"""
PEER = ("sha256sum", "--check", "--quiet", "SHA256SUMS")
SPLITS = ("train",) * 7 + ("val",) + ("test",) * 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datasets-bench-") as folder:
        return measure(Path(folder), arguments.crops, arguments.repeats)


def measure(root: Path, crops: int, repeats: int) -> int:
    workspace = Workspace(root / "workspace")
    examples = store(workspace, crops)
    taken: dict[str, list[float]] = {}
    for n in range(repeats):
        taken.setdefault("export", []).append(cpu(lambda n=n: write(workspace, examples, f"v{n}")))
        version = workspace.datasets / f"v{n}" / "0001"
        taken.setdefault("copy", []).append(
            cpu(lambda v=version: run("cp", "-r", str(v / "images"), str(root / "copy")))
        )
        shutil.rmtree(root / "copy")
        taken.setdefault("verify", []).append(cpu(lambda v=version: check(v)))
        taken.setdefault("sha256sum", []).append(cpu(lambda v=version: run(*PEER, folder=v)))
        taken.setdefault("rows", []).append(cpu(lambda v=version: read_dataset(v) and None))
        shutil.rmtree(workspace.datasets / f"v{n}")
    best = {name: min(values) for name, values in taken.items()}
    print(f"{crops:,} crops of {BYTES >> 10} KiB, best of {repeats}, CPU seconds")
    print(f"write the version   {best['export']:7.2f}   cp -r of its images   {best['copy']:7.2f}   "
          f"ratio {best['export'] / best['copy']:.2f}")  # fmt: skip
    print(f"verify the version  {best['verify']:7.2f}   sha256sum --check     {best['sha256sum']:7.2f}   "
          f"ratio {best['verify'] / best['sha256sum']:.2f}   (of it the rows and their digest: {best['rows']:.2f})")  # fmt: skip
    return 0


def store(workspace: Workspace, crops: int) -> list[Example]:
    """Fills the file store, past its own flushing to the disk, and returns the rows. A PNG may be followed by anything."""
    random = np.random.default_rng(0)
    picture = encode_png(random.integers(0, 255, (12, 12, 3), dtype=np.uint8))
    examples = []
    for n in range(crops):
        content = picture + random.bytes(BYTES - len(picture))
        digest = hashlib.sha256(content).hexdigest()
        path = workspace.objects.path(digest, ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        split, label = SPLITS[n % len(SPLITS)], CLASSES[n % len(CLASSES)]
        id = f"e{n // 2500:012x}.c{n}.100.80.220.200"
        examples.append(
            Example(
                id=id, file=f"images/{split}/{label}/{id}.png", sha256=digest, label=label,
                soft_label=tuple(float(name == label) for name in CLASSES), split=split, character="ann",
                episode=f"e{n // 2500:012x}", pts=n, time_base=Fraction(1, 24), shot=f"s{n // 8}", track=f"t{n // 4}",
                box=Box(left=100, top=80, right=220, bottom=200), cascade="c" * 64, phash=f"{n:016x}", annotators=2,
            )
        )  # fmt: skip
    return examples


def write(workspace: Workspace, examples: list[Example], name: str) -> None:
    content = Content(name=name, examples=examples, classes=CLASSES, options={}, leaks={"leaks": 0})
    put_version(workspace, content, lambda example: workspace.objects.read(example.sha256, ".png"))


def check(version: Path) -> None:
    faults = faults_of_version(version)
    assert not faults, faults[:3]


def run(*words: str, folder: Path | None = None) -> None:
    subprocess.run(words, check=True, cwd=folder)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds, user and system, of this process and the children that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() - own + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
