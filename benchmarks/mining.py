"""Mining beside decoding and beside what one writes without toonsift: `python -m benchmarks.mining [--shared DIR]`.

Speed: whole processes, user + system seconds, children included, one worker, everything from start-up to the last row;
the three run in turns and the least of each counts. Quote the ratios; machines differ. With DIR its clips are mined
with DIR/cascades/tom.xml, otherwise a drawn episode with a cascade of its own.

Quality, on drawn series against exact truth: searching only where it is needed beside searching every sampled frame
whole, and how many of the faces that the naive script sees in two samples of a shot, and that are there, are found.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascades.registry import load_cascade
from pipeline.cartoon import CartoonOptions, Series, coco_of, draw_series
from pipeline.core.geometry import iou
from pipeline.core.places import Box
from pipeline.core.records import Detection, Episode
from pipeline.core.workspace import Workspace
from pipeline.decoder import ffmpeg_path
from pipeline.demo.oracle import frame_of
from pipeline.demo.scores import VISIBLE, detection_scores
from pipeline.flow.mining import mine_paths
from pipeline.mine import MineOptions
from pipeline.searches import SearchOptions

IOU = 0.4
MIN_FACE = 48
TOONSIFT = (sys.executable, "-m", "pipeline.cli", "--quiet", "--workspace")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, help="folder with clips/ and cascades/")
    parser.add_argument("--seeds", type=int, nargs="*", default=[31, 32], help="of the drawn series; none: speed alone")
    parser.add_argument("--turns", type=int, default=2, help="how often speed is measured; 0: quality alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if arguments.shared:
            clips = arguments.shared / "clips"
            videos = [clips / "big_buck_bunny_60s.mp4", *sorted((clips / "penny_chip").glob("*.mp4"))]
            print_speed(
                [*videos, *sorted((clips / "popeye").glob("*.mkv"))],
                arguments.shared / "cascades" / "tom.xml",
                folder,
                arguments.turns,
            )
        scores: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for n, seed in enumerate(arguments.seeds):
            drawn = draw(folder / f"drawn{seed}", seed)
            if not arguments.shared and not n:
                print_speed([drawn.videos[-1]], drawn.cascades[0], folder, arguments.turns)
            for title, counts in print_quality(drawn, seed).items():
                scores[title].append(counts)
        if len(arguments.seeds) > 1:
            print_totals(scores)


def print_speed(videos: Sequence[Path], xml: Path, folder: Path, turns: int) -> None:
    """One line per way; none where nothing is to be measured."""
    if not turns:
        return
    names = [str(video) for video in videos]
    decode, naive, ours = [], [], []
    for turn in range(turns):
        decode.append(
            sum(cpu_seconds([ffmpeg_path(), "-v", "error", "-i", n, "-an", "-f", "null", "-"]) for n in names)
        )
        mine = [*TOONSIFT, str(folder / f"workspace{turn}"), "mine", *names, "--cascade", str(xml)]
        ours.append(cpu_seconds([*mine, "--min-face", str(MIN_FACE), "--jobs", "1"]))
        script = [sys.executable, "-m", "benchmarks.naive_mining", str(folder / f"naive{turn}"), str(xml)]
        naive.append(cpu_seconds([*script, *names]))
    print(f"{len(names)} videos, 4 frames a second searched from {MIN_FACE} px; CPU s, least of {turns} turns")
    print(f"  ffmpeg -f null   {min(decode):8.2f}")
    print(f"  toonsift mine    {min(ours):8.2f}   {min(ours) / min(decode):5.2f} times decoding (target at most 3)")
    print(f"  naive script     {min(naive):8.2f}   {min(naive) / min(ours):5.2f} times ours (target at least 5)")


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of a command and all its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn series with cascades fitted to all its episodes but the last."""

    series: Series
    videos: list[Path]
    workspace: Workspace
    characters: list[str]
    cascades: list[Path]
    """their XML files"""


def draw(folder: Path, seed: int) -> Drawn:
    series = draw_series(folder / "series", CartoonOptions(episodes=3, seconds=40, width=854, height=480, seed=seed))
    truth = coco_of(series, every_frames=12)
    last = series.episodes[-1].name
    kept = {image["id"] for image in truth["images"] if not image["video"].startswith(last)}
    truth["images"] = [image for image in truth["images"] if image["id"] in kept]
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] in kept]
    (folder / "boxes.json").write_text(json.dumps(truth))
    characters = [name for name in series.characters if name != "other"][:2]
    workspace = folder / "workspace"
    for name in characters:
        fit = [*TOONSIFT, str(workspace), "cascade", "fit", name, "--truth", str(folder / "boxes.json")]
        command = [*fit, "--images", str(folder / "series"), "--character", name, "--out", str(folder / f"{name}.xml")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Drawn(
        series, sorted((folder / "series").glob("*.mp4")), Workspace(workspace), characters,
        [folder / f"{name}.xml" for name in characters],
    )  # fmt: skip


def print_quality(drawn: Drawn, seed: int) -> dict[str, tuple[int, int, int]]:
    """Precision, recall, and the share of the naive script's true faces, with and without looking everywhere.

    Returns faces found rightly, all that were found, and those that were wanted.
    """
    counts = {}
    cascades = [load_cascade(drawn.workspace, name) for name in drawn.characters]
    episode = drawn.series.episodes[-1]
    folder = drawn.workspace.root.parent
    wanted = [face for n in range(len(cascades)) for face in naive_faces(drawn, n, folder)]
    print(f"drawn series, seed {seed}: the episode that nothing was fitted to, {len(cascades)} characters")
    for title, search in (("every sample searched whole", SearchOptions(full_every=1)), ("as it is", SearchOptions())):
        workspace = Workspace(folder / title.replace(" ", "_"))
        mine_paths(workspace, [drawn.videos[-1]], cascades, MineOptions(search=search))
        scores = detection_scores(workspace, drawn.series, [episode.name], set(drawn.characters), MIN_FACE, 6)
        found = _found(workspace, drawn)
        again = sum(any(iou(box, other) >= IOU for other in found[frame]) for frame, box in wanted)
        print(
            f"  {title:28} precision {scores['precision']:.3f}  recall {scores['recall']:.3f} of {scores['faces']}  "
            f"of the naive script's true faces {again} of {len(wanted)} (target 98 %)"
        )
        counts[title] = (round(scores["recall"] * scores["faces"]), scores["found"], scores["faces"])
    return counts


def print_totals(scores: dict[str, list[tuple[int, int, int]]]) -> None:
    """Precision and recall over all series."""
    for title, counts in scores.items():
        right, found, wanted = (sum(of) for of in zip(*counts, strict=True))
        print(
            f"{len(counts)} series, {title:28} precision {right / found:.4f}  recall {right / wanted:.4f} of {wanted}"
        )


def naive_faces(drawn: Drawn, number: int, folder: Path) -> list[tuple[int, Box]]:
    """Frame and box of the drawn faces that the naive script finds in two samples of a shot or more."""
    episode, name = drawn.series.episodes[-1], drawn.characters[number]
    out, video = folder / f"naive{number}", drawn.videos[-1]
    command = [sys.executable, "-m", "benchmarks.naive_mining", str(out), str(drawn.cascades[number])]
    subprocess.run([*command, str(video)], check=True, stdout=subprocess.DEVNULL)
    seen: dict[int, list[tuple[int, Box]]] = defaultdict(list)
    for frame, left, top, right, bottom in json.loads((out / "faces.json").read_text())[str(video)]:
        box = Box(left=left, top=top, right=right, bottom=bottom)
        shown = [face for face in episode.faces_at(frame) if face.character == name and face.visible >= VISIBLE]
        if any(iou(box, face.box) >= IOU for face in shown):
            seen[max(n for n, shot in enumerate(episode.shots) if shot.start <= frame)].append((frame, box))
    return [face for faces in seen.values() if len({frame for frame, _ in faces}) > 1 for face in faces]


def _found(workspace: Workspace, drawn: Drawn) -> dict[int, list[Box]]:
    episode, truth = workspace.catalogue.all(Episode)[0], drawn.series.episodes[-1]
    found: dict[int, list[Box]] = defaultdict(list)
    for detection in workspace.catalogue.all(Detection, episode=episode.id):
        found[frame_of(episode, truth, detection.pts)].append(detection.box)
    return found


if __name__ == "__main__":
    main()
