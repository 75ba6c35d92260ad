"""CPU seconds, memory and quality of fitting cascades, beside opencv_traincascade.

    python -m benchmarks.cascade_training --shared DIR [--opencv-traincascade PATH] [--only NAME]...

DIR holds bench/cascade of the project's shared files. Every fit is a whole process, `toonsift cascade fit`, from start-up
to the written XML, user and system seconds of all its threads; compiled kernels and byte code are cached by a run before.
The other trainer's figures are quoted from bench/cascade/anchor.md, or measured in turn where its binary is given.
Quality is that of a second fit to the first 1000 faces and 300 negatives, on the other 1000 faces and 100 negatives.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cascades.apply import WindowJudge
from cascades.learning.negatives import shrink
from cascades.model import CascadeModel
from cascades.xml import read_xml
from pipeline.core.images import Luma, luma_of, read_rgb

TURNS = 2
"""runs of each fit, of which the cheapest counts: other work on the machine only adds"""
SCALE_FACTOR, STEP = 1.2, 2
"""sizes of window and pixels between windows on the held-out negatives"""
CLOSE_ENOUGH = 0.4
"""intersection over union at which a face of a scene counts as found"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A fit, and what opencv_traincascade needs for the same (anchor.md)."""

    name: str
    flags: tuple[str, ...]
    opencv_flags: tuple[str, ...]
    positives: int
    opencv_seconds: float
    opencv_mib: float
    note: str
    false_positives: float = 0.0
    """per window, of the other trainer's cascade on its held-out negatives; 0 where it was not measured"""
    hit_rate: float = 0.0
    """of its cascade on its held-out faces"""


_HAAR, _LBP = ("--feature", "haar"), ("--feature", "lbp")
SETTINGS = (
    Setting("basic", (*_HAAR, "--mode", "basic"), ("-mode", "BASIC"), 900, 881, 3436, "9 stages", 1.57e-3, 0.8875),
    Setting("basic twice", (*_HAAR, "--mode", "basic"), ("-mode", "BASIC"), 1800, 4500, 5484, "9 stages, extrapolated"),
    Setting("all", (*_HAAR, "--mode", "all"), ("-mode", "ALL"), 900, 2500, 4848, "9 stages, extrapolated"),
    Setting("all twice", (*_HAAR, "--mode", "all"), ("-mode", "ALL"), 1800, 0, 0, "not run"),
    Setting("lbp", _LBP, ("-featureType", "LBP"), 900, 24.1, 155, "10 stages", 1.15e-3, 0.7725),
    Setting("lbp twice", _LBP, ("-featureType", "LBP"), 1800, 39.3, 249, "9 stages", 1.07e-3, 0.844),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process and its threads."""

    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Quality:
    """On what was not fitted to."""

    hit_rates: tuple[float, ...]
    """of the held-out faces, after each stage"""
    false_positives: tuple[float, ...]
    """per window of the held-out negatives, after each stage"""
    trees_per_window: float
    scene_recall: float
    scene_false_positives: float
    """per image"""

    def hit_rate_at(self, false_positives: float) -> float:
        """Between the stages around it, on a logarithmic scale; nan beyond the last."""
        if not self.false_positives[-1] <= false_positives <= self.false_positives[0]:
            return float("nan")
        return float(np.interp(-np.log(false_positives), -np.log(self.false_positives), self.hit_rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--opencv-traincascade", type=Path)
    parser.add_argument("--only", action="append", choices=[s.name for s in SETTINGS])
    arguments = parser.parse_args()
    data = arguments.shared / "bench" / "cascade"
    print("CPU seconds of whole processes and peak MiB; 10 stages, hit rate .995, false alarm .5, 24x24")
    print(f"{'':12}{'fitted to':>11}{'ours':>9}{'MiB':>6}{'theirs':>9}{'MiB':>6}{'ratio':>8}  theirs is")
    costs = dict[str, float]()
    with tempfile.TemporaryDirectory() as place:
        bench = _Bench(data, Path(place))
        for setting in SETTINGS:
            if not arguments.only or setting.name in arguments.only:
                costs[setting.name] = _compare(bench, setting, arguments.opencv_traincascade)
        for name in ("basic", "all", "lbp"):
            if name in costs and f"{name} twice" in costs:
                print(f"{name}: twice the samples cost {costs[f'{name} twice'] / costs[name]:.2f} times as much")
        for setting in SETTINGS:
            if setting.positives == 900 and setting.name in costs:
                _print_quality(setting, bench.quality(setting))


def _compare(bench: "_Bench", setting: Setting, binary: Path | None) -> float:
    bench.fit(replace(setting, positives=100), 60, stages=2)  # compiles what is not compiled yet
    theirs, note = Cost(setting.opencv_seconds, setting.opencv_mib), f"quoted: {setting.note}"
    if binary is not None:
        theirs, note = bench.opencv_fit(binary, setting), "measured now"
    runs = [bench.fit(setting, 400) for _ in range(TURNS)]
    ours = min(runs, key=lambda run: run.cpu_seconds)
    ratio = f"{theirs.cpu_seconds / ours.cpu_seconds:7.1f}x" if theirs.cpu_seconds else f"{'':8}"
    print(
        f"{setting.name:12}{f'{setting.positives}/{2 * setting.positives}':>11}{ours.cpu_seconds:9.2f}{ours.peak_mib:6.0f}"
        f"{theirs.cpu_seconds:9.1f}{theirs.peak_mib:6.0f}{ratio}  {note}",
        flush=True,
    )
    return ours.cpu_seconds


def _print_quality(setting: Setting, quality: Quality) -> None:
    print(f"{setting.name}: hit rate @ false positives per held-out window after each stage")
    pairs = zip(quality.hit_rates, quality.false_positives, strict=True)
    print("  " + " ".join(f"{hit:.4f}@{false:.3g}" for hit, false in pairs))
    if setting.false_positives:
        ours = quality.hit_rate_at(setting.false_positives)
        print(f"  at {setting.false_positives:.3g}: ours {ours:.4f}, theirs {setting.hit_rate:.4f} (quoted)")
    print(
        f"  scenes: recall {quality.scene_recall:.3f}, {quality.scene_false_positives:.2f} false positives per image; "
        f"{quality.trees_per_window:.1f} trees per held-out window"
    )


class _Bench:
    """The data, and a folder to run in."""

    def __init__(self, data: Path, place: Path) -> None:
        self.data, self.place = data, place
        with np.load(data / "positives.npz", allow_pickle=False) as stored:
            self.faces: NDArray[np.uint8] = stored["train"]
        self.negatives = sorted((data / "neg").iterdir())
        # byte code and kernels are kept as an installed package keeps them, whatever the shell says
        self.environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.environment["PYTHONPYCACHEPREFIX"] = str(place / "bytecode")
        self.environment["PYTHONPATH"] = str(Path(__file__).parents[1])

    def fit(self, setting: Setting, negatives: int, stages: int = 10) -> Cost:
        """One fit, its XML at `xml`."""
        faces = self.faces[: 2000 if setting.positives > 1000 else 1000]
        np.savez(self.place / "faces.npz", faces)
        folder = self._folder_of(self.negatives[:negatives])
        command = [sys.executable, "-m", "pipeline.cli", "--quiet", "--json", "--workspace", "workspace"]
        command += ["cascade", "fit", "face", "--truth", "faces.npz", "--negatives", str(folder), "--size", "24x24"]
        command += ["--stages", str(stages), "--min-hit-rate", "0.995", "--max-false-alarm", "0.5"]
        command += ["--positives", str(setting.positives), "--negatives-per-stage", str(2 * setting.positives)]
        return self._run([*command, *setting.flags, "--out", str(self.xml)])

    @property
    def xml(self) -> Path:
        """Where the last fit left its cascade."""
        return self.place / "cascade.xml"

    def opencv_fit(self, binary: Path, setting: Setting) -> Cost:
        """The same by opencv_traincascade."""
        faces = self.faces[: 2000 if setting.positives > 1000 else 1000]
        header = np.array([len(faces), 24 * 24, 0], dtype="<i4").tobytes()
        rows = [b"\0" + face.astype("<i2").tobytes() for face in faces]
        (self.place / "faces.vec").write_bytes(header + b"".join(rows))
        (self.place / "negatives.txt").write_text("".join(f"{path.absolute()}\n" for path in self.negatives))
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            command = [
                str(binary),
                "-data",
                folder,
                "-vec",
                "faces.vec",
                "-bg",
                "negatives.txt",
                "-w",
                "24",
                "-h",
                "24",
            ]
            command += ["-numPos", str(setting.positives), "-numNeg", str(2 * setting.positives), "-numStages", "10"]
            command += ["-minHitRate", "0.995", "-maxFalseAlarmRate", "0.5"]
            command += ["-precalcValBufSize", "2048", "-precalcIdxBufSize", "2048", *setting.opencv_flags]
            return self._run(command)

    def quality(self, setting: Setting) -> Quality:
        """Of a fit that leaves the last 1000 faces and 100 negatives out."""
        self.fit(setting, 300)
        model = read_xml(self.xml)
        hits, false = held_out_rates(model, self.faces[1000:], [luma_of(read_rgb(p)) for p in self.negatives[300:]])
        looked_at = np.concatenate([[1.0], false[:-1]])
        trees = float(looked_at @ [len(stage.trees) for stage in model.stages])
        return Quality(tuple(hits), tuple(false), trees, *scene_scores(self.xml, self.data))

    def _folder_of(self, paths: list[Path]) -> Path:
        folder = self.place / f"negatives-{len(paths)}"
        folder.mkdir(exist_ok=True)
        for path in paths:
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path.absolute())
        return folder

    def _run(self, command: list[str]) -> Cost:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, cwd=self.place, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise SystemExit(f"{' '.join(command)} failed:\n{output.read().decode(errors='replace')[-2000:]}")
        per_mib = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_mib)


def held_out_rates(
    model: CascadeModel, faces_NHW: NDArray[np.uint8], images: list[Luma]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the faces and of all windows of the images that pass each stage and those before it."""
    judge, levels = WindowJudge(model), np.arange(1, len(model.stages) + 1)
    hits = (judge.windows(faces_NHW).stages_passed[:, None] >= levels).mean(axis=0)
    passed, seen = np.zeros(len(levels)), 0
    for image in images:
        scale = 1.0
        while min(image.shape) / scale >= max(model.width, model.height):
            small = shrink(image, round(image.shape[1] / scale), round(image.shape[0] / scale))
            rows, columns = small.shape[0] - model.height + 1, small.shape[1] - model.width + 1
            ys, xs = np.mgrid[0:rows:STEP, 0:columns:STEP].reshape(2, -1)
            passed += (judge.places(small, xs, ys).stages_passed[:, None] >= levels).sum(axis=0)
            seen += len(xs)
            scale *= SCALE_FACTOR
    return hits, passed / max(seen, 1)


def scene_scores(xml: Path, data: Path) -> tuple[float, float]:
    """(recall, false positives per image) of OpenCV with that cascade, scale 1.1, three neighbours."""
    classifier = cv2.CascadeClassifier(str(xml))
    truth: dict[str, list[list[int]]] = json.loads((data / "scenes.json").read_text())
    faces = found = wrong = 0
    for name, boxes in truth.items():
        image = luma_of(read_rgb(data / "scenes" / name))
        hits = np.asarray(classifier.detectMultiScale(image, 1.1, 3), dtype=np.int64).reshape(-1, 4)
        overlap = np.array([[_overlap(hit, box) for box in boxes] for hit in hits.tolist()]).reshape(-1, len(boxes))
        faces += len(boxes)
        found += int((overlap >= CLOSE_ENOUGH).any(axis=0).sum()) if len(hits) else 0
        wrong += int((~(overlap >= CLOSE_ENOUGH).any(axis=1)).sum()) if len(hits) else 0
    return found / faces, wrong / len(truth)


def _overlap(a: list[int], b: list[int]) -> float:
    """Intersection over union of two boxes: left, top, width, height."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(across, 0) * max(down, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


if __name__ == "__main__":
    main()
