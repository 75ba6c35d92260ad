"""Memory, cores, Ray and long series, each beside its target: `python -m benchmarks.engines [--hours 2] [--height 270] [...]`.

Memory is that of the whole worker, its ffmpeg included, as the system counts it (Linux). What depends on the clock is
printed with the CPU seconds it took and the load of the machine before it: on a machine that others use, the CPU seconds
are what to compare, and wall time is the machine's as much as ours.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mining import draw
from cascades.registry import load_cascade
from pipeline.core.workspace import Workspace
from pipeline.decoder import ffmpeg_path
from pipeline.flow.mining import mine_paths
from pipeline.mine import MineOptions

MIN_FACE = 48
MOST_MIB = 600.0
CORES_SECONDS = 150
"""length of an episode; starting a second worker takes about two seconds, which shorter ones would measure instead"""
PARTS = ("memory", "cores", "ray", "series")


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    wall: float
    """seconds"""
    cpu: float
    """seconds, user and system, of all its processes that it waited for"""
    memory: tuple[float, ...] = ()
    """MiB of its processes together, every half second"""
    peak: float = 0.0
    """MiB: the largest that each process ever had, summed"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="of the long file")
    parser.add_argument("--height", type=int, default=270, help="of the long file's pictures; 1080 takes half an hour")
    parser.add_argument("--episodes", type=int, default=64, help="of the long series")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--video", type=Path, help="to make all files from; else one is drawn")
    parser.add_argument("--cascade", type=Path, help="XML to look for, with --video")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        video, xml = arguments.video, arguments.cascade
        if video is None or xml is None:
            drawn = draw(folder / "drawn", 41)
            video, xml = drawn.videos[0], drawn.cascades[0]
        if "memory" in arguments.only:
            print_memory(folder, video, xml, arguments.hours, arguments.height)
        if "cores" in arguments.only:
            print_cores(folder, video, xml)
        if "ray" in arguments.only:
            print_ray(folder, video, xml)
        if "series" in arguments.only:
            print_series(folder, video, xml, arguments.episodes)


def print_memory(folder: Path, video: Path, xml: Path, hours: float, height: int) -> None:
    """Of one worker: a minute of 1080p, and hours of a file that is looped without encoding it again."""
    large = looped(scaled(video, folder / "1080p.mp4", 1080), folder / "1080p-looped.mkv", 60)
    spent = mined(folder, [large], xml, watched=True)
    print(f"memory, 1080p for a minute: {spent.peak:.0f} MiB at most (target: at most {MOST_MIB:.0f})", flush=True)
    small = scaled(video, folder / "small.mp4", height)
    spent = mined(folder, [looped(small, folder / "long.mkv", hours * 3600)], xml, watched=True)
    tenth = max(1, len(spent.memory) // 10)
    early, late = max(spent.memory[tenth : 2 * tenth]), max(spent.memory[-2 * tenth : -1])
    print(
        f"memory, {height}p for {hours:g} hours: {spent.peak:.0f} MiB at most, {early:.0f} MiB in the second tenth, "
        f"{late:.0f} MiB in the last two (target: flat); {spent.wall:.0f} s, {hours * 3600 / spent.wall:.0f}x real time",
        flush=True,
    )


def print_cores(folder: Path, video: Path, xml: Path) -> None:
    """Four episodes on one core (a single worker already keeps a second one busy with its ffmpeg) and on two."""
    videos = variants(folder / "four", video, 4, CORES_SECONDS)
    mined(folder, videos[:1], xml)  # compiles what is compiled once
    before = os.getloadavg()[0]
    cores = sorted(os.sched_getaffinity(0))
    spent = []
    for count in (1, 2):
        os.sched_setaffinity(0, cores[:count])  # the worker and its ffmpeg inherit it
        spent.append(mined(folder, videos, xml, "--jobs", str(count)))
    os.sched_setaffinity(0, cores)
    one, two = spent
    print(
        f"two cores, four episodes of {CORES_SECONDS} s: {one.wall / two.wall:.2f}x of one by the clock ({one.wall:.1f} s / {two.wall:.1f} s, load {before:.1f} "
        f"before), {2 * one.cpu / two.cpu:.2f}x by CPU seconds ({one.cpu:.1f} / {two.cpu:.1f}) (target: at least 1.7)",
        flush=True,
    )


def print_ray(folder: Path, video: Path, xml: Path) -> None:
    """The same episodes by two local workers and by two of a Ray cluster; starting it is told apart."""
    if importlib.util.find_spec("ray") is None:
        print("ray: left out, it is not installed: pip install 'toonsift[cluster]'")
        return
    videos = variants(folder / "eight", video, 8)
    short = variants(folder / "short", video, 1, seconds=1)
    cluster = ("--engine", "ray", "--jobs", "2")
    start = mined(folder, short, xml, *cluster).wall - mined(folder, short, xml).wall
    before = os.getloadavg()[0]
    local, ray = mined(folder, videos, xml, "--jobs", "2"), mined(folder, videos, xml, *cluster)
    print(
        f"ray with two workers: {(ray.wall - start) / local.wall:.2f} of the local engine's time ({ray.wall - start:.1f} s "
        f"and {start:.1f} s to start it / {local.wall:.1f} s, load {before:.1f} before) (target: at most 1.15)",
        flush=True,
    )


def print_series(folder: Path, video: Path, xml: Path, count: int) -> None:
    """CPU seconds per frame of the first and the last ten episodes of a long series in one workspace."""
    videos = variants(folder / "series", video, count, seconds=8)
    workspace = Workspace(folder / "series-workspace")
    cascades = [load_cascade(workspace, str(xml))]
    options = MineOptions(min_face=MIN_FACE)
    mine_paths(Workspace(folder / "warm"), videos[:1], cascades, options)
    costs = []
    for one in videos:
        began = cpu_now()
        (outcome,) = mine_paths(workspace, [one], cascades, options)
        costs.append((cpu_now() - began) / outcome.counts["frames"])
    first, last = statistics.median(costs[:10]), statistics.median(costs[-10:])
    print(
        f"a series of {count} episodes: the last ten cost {last / first:.2f} of the first ten "
        f"({last * 1000:.2f} / {first * 1000:.2f} ms of CPU a frame, medians) (target: at most 1.10)",
        flush=True,
    )


def mined(folder: Path, videos: Sequence[Path], xml: Path, *more: str, watched: bool = False) -> Spent:
    """Runs `toonsift mine` on a fresh workspace."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        words = [sys.executable, "-m", "pipeline.cli", "--quiet", "--workspace", place, "mine", *map(str, videos)]
        words += ["--cascade", str(xml), "--min-face", str(MIN_FACE), *(more or ("--jobs", "1"))]
        began, cpu = time.monotonic(), cpu_now()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        memory: list[float] = []
        peaks: dict[int, float] = {}
        while watched and process.poll() is None:
            memory.append(memory_of(process.pid, peaks))
            time.sleep(0.5)
        if process.wait():
            raise SystemExit(f"{' '.join(words)} failed")
        return Spent(time.monotonic() - began, cpu_now() - cpu, tuple(memory), sum(peaks.values()))


def cpu_now() -> float:
    """User and system seconds of this process and of all children it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def memory_of(pid: int, peaks: dict[int, float]) -> float:
    """MiB that a process and its children have now; `peaks` takes the most that each ever had."""
    total = 0.0
    for one in [pid, *children_of(pid)]:
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        total += int(values.get("VmRSS", 0)) / 1024
        peaks[one] = max(peaks.get(one, 0.0), int(values.get("VmHWM", 0)) / 1024)
    for gone in [p for p in peaks if p != pid and not Path(f"/proc/{p}").exists()]:
        if any(p not in (pid, gone) for p in peaks):  # an earlier ffmpeg: they never run at the same time
            peaks[pid], _ = peaks[pid], peaks.pop(gone)
    return total


def children_of(pid: int) -> list[int]:
    """Processes that a process began, from any of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


def scaled(video: Path, target: Path, height: int) -> Path:
    """The video at another size."""
    _ffmpeg("-i", str(video), "-vf", f"scale=-2:{height}", "-preset", "veryfast", "-an", str(target))
    return target


def looped(video: Path, target: Path, seconds: float) -> Path:
    """The video again and again, not encoded anew."""
    _ffmpeg("-stream_loop", "-1", "-i", str(video), "-t", f"{seconds:.0f}", "-c", "copy", str(target))
    return target


def variants(folder: Path, video: Path, count: int, seconds: int = 40) -> list[Path]:
    """Files of other content that show the same: encoded anew, each from another moment on."""
    folder.mkdir(exist_ok=True)
    made = []
    for n in range(count):
        target = folder / f"e{n:03d}.mp4"
        begin = ("-stream_loop", "-1", "-ss", f"{n * 0.25:.2f}", "-i", str(video))
        _ffmpeg(*begin, "-t", str(seconds), "-preset", "veryfast", "-an", str(target))
        made.append(target)
    return made


def _ffmpeg(*words: str) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *words], check=True)


if __name__ == "__main__":
    main()
