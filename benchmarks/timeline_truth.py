"""How right a timeline is: a drawn series, a model trained on some of its episodes, and the exact truth of another one.

    python -m benchmarks.timeline_truth [--folder DIR] [--epochs N]

Faces come from the truth's boxes, so that the figures are about the timeline and not about finding faces. Printed: share
of frames and faces with the right emotion, each picture by itself and smoothed, and what is said with confidence.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import torch

from pipeline.cartoon import CartoonOptions, EpisodeTruth, draw_series
from pipeline.core.files import write_bytes
from pipeline.core.geometry import clip
from pipeline.core.images import encode_png
from pipeline.core.manifest import Dataset, Example, Manifest, content_digest, read_dataset, write_rows
from pipeline.core.records import Detection, Episode, Hold, Shot, Track
from pipeline.crops import CropOptions, candidate
from pipeline.frames import decode
from pipeline.predicting import classifier, emotions_of
from pipeline.timeline.building import MinedFaces, build_timeline, smoothed_anew
from pipeline.timeline.records import TimelineOptions
from pipeline.timeline.scoring import score_timeline
from train.loop import train
from train.predict import load_run
from train.recipes import find_recipe
from train.runs import plan
from train.temperature import temperature_of

EVERY, VISIBLE = 6, 0.7
SPLITS = ("train", "train", "train", "val", "test")
OPTIONS = CropOptions()


def main() -> None:
    """Draws, trains, scores, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="kept; default: a temporary one")
    parser.add_argument("--seconds", type=float, default=40.0, help="per episode")
    parser.add_argument("--epochs", type=int, default=20)
    told = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        report(told.folder or Path(temporary), told.seconds, told.epochs)


def report(folder: Path, seconds: float, epochs: int) -> None:
    """Everything in `folder`."""
    series = draw_series(folder, CartoonOptions(episodes=len(SPLITS), seconds=seconds, width=480, height=270, seed=11))
    dataset = dataset_of(folder / "faces", folder, series.episodes, series.emotions)
    recipe = find_recipe("hill")
    run = plan(dataset, recipe, recipe.options.with_settings([f"epochs={epochs}", "optimizer=adam"]))
    summary = train(dataset, run, folder / "runs")
    print(f"model: hill, {summary.split_sizes}, test accuracy {summary.test.accuracy:.3f}")
    model, truth = load_run(folder / "runs" / run.id, "cpu"), series.episodes[-1]
    temperature, mined, emotions = temperature_of(model, dataset), mined_from(truth, folder), emotions_of(model)
    print(f"temperature {temperature.value:.2f}, fitted on {temperature.examples} {temperature.split} examples")
    print(f"{'':34} {'alone':>7} {'smooth':>7} {'said':>7} {'unsure':>7} {'loss':>7} {'loss s.':>7}")
    for name, value in (("as the model says", 1.0), ("calibrated", temperature.value)):
        began = time.process_time()
        ask = classifier(model, emotions, value)
        base = build_timeline(mined, folder / truth.file, emotions, ask, TimelineOptions(), "", {})
        cost = time.process_time() - began
        for stay in (0.5, 1.0, 2.0):
            options = TimelineOptions(stay_seconds=stay)
            s = score_timeline(smoothed_anew(base, mined, options), truth)
            figures = (s.alone, s.smoothed, s.said, s.unsure, s.log_loss_alone, s.log_loss_smoothed)
            print(f"{name + f', stay {stay:g} s':34} " + " ".join(f"{figure:7.3f}" for figure in figures))
    print(f"{s.faces} faces in frames; {cost:.1f} CPU seconds for {truth.frames} frames, the decoder's not counted")


def dataset_of(folder: Path, videos: Path, episodes: tuple[EpisodeTruth, ...], emotions: tuple[str, ...]) -> Dataset:
    """The true faces of every EVERY-th frame, an episode per place in SPLITS."""
    examples = [
        example
        for split, truth in zip(SPLITS, episodes, strict=True)
        for example in faces_of(folder, videos, truth, split, emotions)
    ]
    digest = content_digest("faces", emotions, {}, examples)
    manifest = Manifest(
        name="faces", version=1, parent="", digest=digest, classes=emotions, counts={}, options={}, code_version="0",
        created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    write_rows(folder, manifest, examples)
    return read_dataset(folder)


def faces_of(
    folder: Path, videos: Path, truth: EpisodeTruth, split: str, emotions: tuple[str, ...]
) -> Iterator[Example]:
    """Writes the pictures and gives their rows."""
    for frame in decode(videos / truth.file):
        for number, face in enumerate(truth.faces_at(frame.index) if frame.index % EVERY == 0 else ()):
            cut = candidate(frame.image, face.box, OPTIONS)
            if cut is None or face.visible < VISIBLE:
                continue
            id, content = f"{truth.name}.{frame.index:05d}.{number}", encode_png(cut.image)
            file = f"images/{split}/{face.emotion}/{id}.png"
            write_bytes(folder / file, content)
            yield Example(
                id=id, file=file, sha256=hashlib.sha256(content).hexdigest(), label=face.emotion,
                soft_label=tuple(float(face.emotion == name) for name in emotions), split=split, character=face.character,
                episode=truth.name, pts=frame.pts, time_base=frame.time_base, shot=truth.shot_at(frame.index).id,
                track=face.track, box=cut.box, cascade="", phash="0" * 16, annotators=1,
            )  # fmt: skip


def mined_from(truth: EpisodeTruth, videos: Path) -> MinedFaces:
    """The episode as if its faces had been found and followed without a mistake."""
    pts, base, last = [], Fraction(1), 0
    for frame in decode(videos / truth.file):
        pts.append(frame.pts)
        base, last = frame.time_base, frame.pts + frame.duration
    pts.append(last)
    episode = Episode(
        id=truth.name, name=truth.name, path=str(videos / truth.file), sha256="", size_bytes=0, width=truth.width,
        height=truth.height, time_base=base, frames=truth.frames, start_pts=pts[0], end_pts=last,
    )  # fmt: skip
    shots = [
        Shot(id=s.id, episode=truth.name, start_pts=pts[s.start], end_pts=pts[s.end], frames=s.end - s.start)
        for s in truth.shots
    ]
    holds = [
        Hold(
            id=f"h{h.start}", episode=truth.name, shot=truth.shot_at(h.start).id, start_pts=pts[h.start],
            end_pts=pts[h.end], frames=h.end - h.start,
        )
        for h in truth.holds
    ]  # fmt: skip
    found: dict[str, list[Detection]] = {}
    for index in range(0, truth.frames, EVERY):
        for face in truth.faces_at(index):
            shot = truth.shot_at(index).id
            if face.visible >= VISIBLE and clip(face.box, truth.width, truth.height):
                track = f"{face.track} {shot}"
                found.setdefault(track, []).append(
                    Detection(
                        id=f"{index}.{face.track}", episode=truth.name, shot=shot, pts=pts[index], box=face.box,
                        character=face.character, cascade="truth", score=1.0, track=track,
                    )
                )  # fmt: skip
    tracks = [
        Track(
            id=id, episode=truth.name, shot=some[0].shot, character=some[0].character, start_pts=some[0].pts,
            end_pts=some[-1].pts + 1, detections=len(some), score=1.0,
        )
        for id, some in found.items()
    ]  # fmt: skip
    detections = [one for some in found.values() for one in some]
    return MinedFaces(
        episode=episode,
        shots=shots,
        holds=holds,
        tracks=tracks,
        detections=detections,
        fps=truth.fps / EVERY,
        crops=OPTIONS,
    )


if __name__ == "__main__":
    main()
