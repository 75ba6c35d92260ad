"""Openings, endings and recaps found across a drawn series: `python -m benchmarks.repeats [--seeds 201 202] [--episodes 4]`.

Every episode is encoded on its own: another size, another quality, some frames cut off its start, and in every second one
a title over the lower part of the picture throughout. Places are seen again with other acting: these are no repeats. A
found shot counts as the drawn one it shows most of.
"""

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from benchmarks.shots import small_frames
from pipeline.cartoon import CartoonOptions, EpisodeTruth, Series, draw_series
from pipeline.core.records import Episode, Repeat, Shot, ShotPrint
from pipeline.core.workspace import Workspace
from pipeline.flow.repeats import find_repeats
from pipeline.frames import ffmpeg_path
from pipeline.ingest import identify
from pipeline.repeats import PrintMaker, RepeatOptions
from pipeline.shots import CutFinder, HoldFinder, ShotOptions

VARIANTS = ((854, 480, 20, 0), (640, 360, 30, 2), (854, 480, 35, 5), (960, 540, 26, 1))
"""width, height, crf, frames cut off the start"""


def encoded(source: Path, number: int, fps: int) -> Path:
    width, height, crf, skipped = VARIANTS[number % len(VARIANTS)]
    path = source.with_name(f"{source.stem}-again.mkv")
    title = "drawbox=x=iw/5:y=ih*4/5:w=iw*3/5:h=ih/10:color=yellow:t=fill," if number % 2 else ""
    subprocess.run(
        [ffmpeg_path(), "-y", "-v", "error", "-i", str(source)]
        + ["-vf", f"trim=start_frame={skipped},setpts=PTS-STARTPTS,{title}scale={width}:{height}"]
        + ["-r", str(fps), "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf), str(path)], check=True,
    )  # fmt: skip
    return path


def put_episode(workspace: Workspace, path: Path, name: str, fps: int) -> tuple[list[Shot], float]:
    """The episode's shots and prints, as mining stores them; CPU seconds of the prints."""
    seen = identify(path)
    ticks = round(1 / (fps * seen.time_base))
    frames = small_frames(path)
    cuts, holds, maker = CutFinder(ShotOptions()), HoldFinder(ShotOptions()), PrintMaker(seen.time_base)
    found, new = [0], [holds.push(small) for small in frames]
    for small, drawn in zip(frames, new, strict=True):
        found += cuts.push(small, drawn)
    found += [*cuts.finish(), len(frames)]
    shots = [
        Shot(id=f"{seen.id}.s{a * ticks}", episode=seen.id, start_pts=a * ticks, end_pts=b * ticks, frames=b - a)
        for a, b in pairwise(found)
    ]
    began = time.process_time()
    prints, done = [], 0
    for index, (small, drawn) in enumerate(zip(frames, new, strict=True)):
        maker.push(index * ticks, small, drawn)
        if (index + 1) * ticks == shots[done].end_pts:
            prints.append(maker.take(shots[done]))
            done += 1
    cost = time.process_time() - began
    episode = Episode(
        id=seen.id, name=name, path=seen.path, sha256=seen.sha256, size_bytes=seen.size_bytes, width=seen.width,
        height=seen.height, time_base=seen.time_base, frames=len(frames), start_pts=0, end_pts=len(frames) * ticks,
    )  # fmt: skip
    with workspace.catalogue.transaction():
        workspace.catalogue.put([episode])
        workspace.catalogue.put(shots)
        workspace.catalogue.put(prints)
    return shots, cost


def wanted_groups(series: Series) -> dict[str, str]:
    """Drawn shot -> the first shot that shows the same, for those that are shown more than once."""
    first = {s.id: s.repeats for e in series.episodes for s in e.shots if s.repeats}
    return first | {target: target for target in first.values()}


def drawn_shot(shot: Shot, truth: EpisodeTruth, ticks: int, skipped: int) -> str:
    """The drawn shot that most of a found one shows."""
    start, end = (pts // ticks + skipped for pts in (shot.start_pts, shot.end_pts))
    return max(truth.shots, key=lambda s: min(end, s.end) - max(start, s.start)).id


def wanted_kind(name: str, series: Series) -> str:
    shot = next(s for e in series.episodes for s in e.shots if s.id == name)
    if shot.opening:
        return "opening"
    return "ending" if "/e" in name else "recap" if "/r" in name else "original"


def score(seed: int, episodes: int, seconds: float, totals: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        options = CartoonOptions(
            episodes=episodes, seconds=seconds, width=854, height=480, seed=seed, crf=12, repeats=True
        )
        series = draw_series(folder / "series", options)
        workspace = Workspace(folder / "workspace")
        named: dict[str, str] = {}
        for number, truth in enumerate(series.episodes):
            path = encoded(folder / "series" / truth.file, number, truth.fps)
            shots, cost = put_episode(workspace, path, truth.name, truth.fps)
            ticks = shots[0].end_pts // shots[0].frames
            named |= {s.id: drawn_shot(s, truth, ticks, VARIANTS[number % len(VARIANTS)][3]) for s in shots}
            totals["print_us"] += round(1e6 * cost)
            totals["frames"] += truth.frames
        began = time.process_time()
        find_repeats(workspace, RepeatOptions())
        totals["match_us"] += round(1e6 * (time.process_time() - began))
        again = find_repeats(workspace, RepeatOptions())
        assert again["compared"] == 0
        catalogue = workspace.catalogue
        totals["bytes"] += sum(len(p.drawings) + len(p.anchors) for p in catalogue.all(ShotPrint))
        marks, groups = {m.id: m for m in catalogue.all(Repeat)}, wanted_groups(series)
        for shot, name in named.items():
            totals["wanted"] += name in groups
            totals["found"] += shot in marks
            totals["right"] += name in groups and shot in marks
            if name in groups and shot in marks:
                totals["kinds_right"] += marks[shot].kind == wanted_kind(name, series)
            elif shot in marks:
                others = sorted({named[m.id] for m in marks.values() if m.group == marks[shot].group} - {name})
                print(f"  seed {seed}: {name} was marked {marks[shot].kind}, with {', '.join(others)}")
            elif name in groups:
                print(f"  seed {seed}: {name} was not found")
        ids = sorted(marks)
        same = {(a, b) for a in ids for b in ids if a < b and marks[a].group == marks[b].group}
        totals["pairs"] += len(same)
        totals["pairs_right"] += sum(groups.get(named[a], a) == groups.get(named[b], b) for a, b in same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[201, 202])
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    totals: Counter[str] = Counter()
    for seed in given.seeds:
        score(seed, given.episodes, given.seconds, totals)
    t = totals
    print(
        f"repeated shots of {len(given.seeds)} series of {given.episodes} episodes: precision {t['right'] / max(1, t['found']):.3f}, "
        f"recall {t['right'] / max(1, t['wanted']):.3f} ({t['wanted']} shots); kind right {t['kinds_right'] / max(1, t['right']):.3f}; "
        f"pairs in one group that show the same {t['pairs_right'] / max(1, t['pairs']):.3f} ({t['pairs']})"
    )
    print(
        f"prints: {t['print_us'] / t['frames'] / 1000:.3f} ms CPU a frame, {t['bytes'] / t['frames'] * 24 * 60 / 1024:.0f} KiB "
        f"a minute at 24 frames/s; comparing {t['match_us'] / 1000 / len(given.seeds) / given.episodes:.0f} ms CPU an episode"
    )


if __name__ == "__main__":
    main()
