"""A small workspace with everything in it that a report shows: a real video, crops, a dataset, a finished run."""

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import write_bytes, write_json, write_text
from pipeline.core.images import RGB, encode_png
from pipeline.core.manifest import Example, Manifest, content_digest, write_rows
from pipeline.core.places import Box
from pipeline.core.records import (
    Cascade,
    Crop,
    DatasetVersion,
    Detection,
    DuplicateGroup,
    Episode,
    Hold,
    Label,
    Repeat,
    Run,
    Shot,
    Track,
)
from pipeline.core.workspace import Workspace
from pipeline.ingest import identify
from tests.videos import encode, scenes

HOSTILE = "<script>alert(1)</script>"
CLASSES = ("angry", "happy")
SHOTS, FRAMES_EACH, EVERY = 3, 24, 6
WHEN = "2026-01-31T12:00:00+00:00"
OTHER_ID = "e" + "f" * 12


@dataclass(frozen=True)
class Stock:
    """What was made."""

    workspace: Workspace
    video: Path
    episode: Episode
    run: Path


def stock_up(folder: Path) -> Stock:
    """Fills a new workspace in `folder`."""
    workspace = Workspace(folder / "workspace")
    video = encode(folder / "s01e01.mp4", scenes(SHOTS, FRAMES_EACH, 320, 192))
    episode = put_episode(workspace, video)
    put_gone_episode(workspace, folder)
    crops = put_crops(workspace, episode)
    workspace.catalogue.put(
        [DuplicateGroup(id="g" + "a" * 12, kept=crops[0].id, members=(crops[0].id, crops[1].id), diameter_bits=4)]
    )
    workspace.catalogue.put(
        Label(
            id=f"l{n:012d}",
            crop=crop.id,
            emotion=CLASSES[n % 2],
            character="",
            annotator="ann <i>",
            source="project 7",
            created=WHEN,
        )
        for n, crop in enumerate(crops)
    )
    put_cascade(workspace)
    version = put_dataset(workspace, crops)
    run = put_run(workspace, version, crops)
    workspace.catalogue.put(
        [
            Run(
                id="mine:ex",
                stage="mine",
                item="broken.mkv",
                options="{}",
                digest="0",
                status="failed",
                reason="truncated <b>",
                counts="{}",
                seconds=1.0,
                finished=WHEN,
            )
        ]
    )
    return Stock(workspace, video, episode, run)


def put_episode(workspace: Workspace, video: Path) -> Episode:
    """The video's episode with the records that mining it would give: 24 fps, shots of 24 frames, drawings on twos."""
    seen = identify(video)
    tick = int(Fraction(1, 24) / seen.time_base)
    total = SHOTS * FRAMES_EACH
    episode = Episode(
        id=seen.id,
        name=f"s01e01 {HOSTILE}",
        path=seen.path,
        sha256=seen.sha256,
        size_bytes=seen.size_bytes,
        width=seen.width,
        height=seen.height,
        time_base=seen.time_base,
        frames=total,
        start_pts=0,
        end_pts=total * tick,
    )
    workspace.catalogue.put([episode])
    for number in range(SHOTS):
        first = number * FRAMES_EACH
        shot = Shot(
            id=f"{episode.id}.s{first * tick}",
            episode=episode.id,
            start_pts=first * tick,
            end_pts=(first + FRAMES_EACH) * tick,
            frames=FRAMES_EACH,
            transition=("cut", "dissolve", "fade")[number % 3],
        )
        if number == 1:
            workspace.catalogue.put([Repeat(id=shot.id, episode=episode.id, group=shot.id, kind="opening")])
        holds = [
            Hold(
                id=f"{episode.id}.h{at * tick}",
                episode=episode.id,
                shot=shot.id,
                start_pts=at * tick,
                end_pts=(at + 2) * tick,
                frames=2,
            )
            for at in range(first, first + FRAMES_EACH, 2)
        ]
        who = ("tom", "jerry")[number % 2]
        track = Track(
            id=f"{episode.id}.t{first * tick}.20.60",
            episode=episode.id,
            shot=shot.id,
            character=who,
            start_pts=first * tick,
            end_pts=(first + FRAMES_EACH - EVERY) * tick + 1,
            detections=FRAMES_EACH // EVERY,
            score=5.0,
        )
        found = [
            detection(episode, shot, at * tick, 20 + at, who, track.id)
            for at in range(first, first + FRAMES_EACH, EVERY)
        ]
        loose = detection(episode, shot, (first + EVERY) * tick, 200, who, "")
        workspace.catalogue.put([shot, *holds, track, *found, loose])
    return episode


def detection(episode: Episode, shot: Shot, pts: int, left: int, character: str, track: str) -> Detection:
    """A face of 60 by 60 pixels."""
    return Detection(
        id=f"{episode.id}.d{pts}.abcdef.{left}.60.{left + 60}.120",
        episode=episode.id,
        shot=shot.id,
        pts=pts,
        box=Box(left=left, top=60, right=left + 60, bottom=120),
        character=character,
        cascade="c" * 64,
        score=7.5,
        track=track,
    )


def put_gone_episode(workspace: Workspace, folder: Path) -> None:
    """An episode whose file is not there any more, with one crop."""
    episode = Episode(
        id=OTHER_ID,
        name="s01e02",
        path=str(folder / "gone" / "s01e02.mp4"),
        sha256="f" * 64,
        size_bytes=123_456,
        width=320,
        height=192,
        time_base=Fraction(1, 24),
        frames=24,
        start_pts=0,
        end_pts=24,
    )
    shot = Shot(id=f"{OTHER_ID}.s0", episode=OTHER_ID, start_pts=0, end_pts=24, frames=24)
    workspace.catalogue.put([episode, shot, crop_of(workspace, OTHER_ID, shot.id, 6, 10, "tom")])


def crop_of(workspace: Workspace, episode: str, shot: str, pts: int, left: int, character: str) -> Crop:
    """A crop of 40 by 40 pixels; its picture is stored."""
    picture = np.random.default_rng(pts + left).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return Crop(
        id=f"{episode}.c{pts}.{left}.60.{left + 40}.100",
        episode=episode,
        shot=shot,
        track=f"{shot}.t",
        pts=pts,
        box=Box(left=left, top=60, right=left + 40, bottom=100),
        character=character,
        cascade="c" * 64,
        score=7.5,
        sharpness=float(pts % 97),
        sha256=workspace.objects.put(encode_png(picture), ".png"),
    )


def put_crops(workspace: Workspace, episode: Episode) -> list[Crop]:
    """Eight crops of two characters."""
    shots = sorted(workspace.catalogue.all(Shot, episode=episode.id), key=lambda s: s.start_pts)
    crops = [
        crop_of(workspace, episode.id, shot.id, shot.start_pts + n * 1024, 20 + n, ("tom", "jerry")[k % 2])
        for k, shot in enumerate(shots[:2])
        for n in range(4)
    ]
    workspace.catalogue.put(crops)
    return sorted(crops, key=lambda c: c.id)


def put_cascade(workspace: Workspace) -> None:
    """One cascade with a full card, one whose card is broken."""
    stages = [
        {
            "weak": 5 + n,
            "hit_rate": 0.995,
            "held_out_hit_rate": 0.99 - n / 100,
            "false_alarm": 0.4,
            "windows_seen": 10_000,
            "passed_before": 0.4**n,
            "seconds": 1.5,
        }
        for n in range(6)
    ]
    card = {
        "data": {"positives": 200},
        "scores": {"precision": 0.91, "recall": 0.8, "curve": [{"precision": 1.0, "recall": 0.1}, {"precision": 0.9, "recall": 0.8}]},
        "stages": stages,
        "reason": "all 6 stages fitted <u>",
    }  # fmt: skip
    card |= studio_parts(workspace)
    workspace.catalogue.put(
        [
            Cascade(id="tom", character="tom", sha256="c" * 64, card=json.dumps(card), created=WHEN),
            Cascade(id="odd", character="jerry", sha256="d" * 64, card="{not json", created=WHEN),
        ]
    )


def studio_parts(workspace: Workspace) -> dict[str, object]:
    """What scoring and rounds of labelling add to a card."""
    random = np.random.default_rng(4)
    curve = [
        {"threshold": 9.0 - n, "precision": 1 - n / 20, "recall": n / 8, "false_positives_per_image": n / 10}
        for n in range(8)
    ]
    held_out = {"digest": "d", "pictures": 12, "faces": 30, "scenes": 4}
    scores = {"average_precision": 0.81, "best": {"f1": 0.8, "false_positives_per_image": 0.25}, "curve": curve}
    rounds = [
        {"round": n, "from": ("few <b>.json", "labels", "labels")[n - 1], "faces": 20 * n, "not_a_face": 7 * (n - 1)}
        | {"held_out": held_out, "scores": scores | {"average_precision": 0.6 + n / 10}}
        for n in (1, 2, 3)
    ]
    examples = [
        {
            "kind": kind, "picture": f"s01e01 {HOSTILE}", "timecode": f"0:00:0{n}.250", "score": 9.5 - n, "size_px": 44,
            "inner": [0.2, 0.2, 0.8, 0.8],
            "sha256": workspace.objects.put(
                encode_png(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)), ".png"
            ),
        }
        for kind in ("find", "miss", "false_positive")
        for n in range(3)
    ]  # fmt: skip
    stages = [
        {"stage": n, "hit_rate": 0.98, "false_alarm": 0.5, "hit_rate_so_far": 0.98**n, "false_alarm_so_far": 0.5**n}
        for n in range(1, 7)
    ]
    return {
        "rounds": rounds,
        "examples": examples,
        "held_out_stages": {"faces": 60, "background": 1000, "stages": stages},
        "calibration": {
            "knots": [[1.0, 0.1], [4.0, 0.5], [9.0, 0.9]],
            "finds": 50,
            "brier": 0.1,
            "brier_of_share": 0.2,
        },
        "operating_points": {"0.9": {"threshold": 4.0, "reason": "from score 4.00 on: 40 of 41 finds right"}},
        "scenes": {"held_out": ["secret shot"], "fitted": []},
    }


def put_dataset(workspace: Workspace, crops: list[Crop]) -> DatasetVersion:
    """A dataset version of all crops: the last two are the test split."""
    folder = workspace.datasets / "faces" / "0001"
    examples = []
    for n, crop in enumerate(crops):
        split = ("train", "val", "test")[0 if n < 5 else 1 if n < 6 else 2]
        file = f"images/{split}/{CLASSES[n % 2]}/{crop.id}.png"
        content = workspace.objects.read(crop.sha256, ".png")
        write_bytes(folder / file, content)
        examples.append(
            Example(
                id=crop.id,
                file=file,
                sha256=hashlib.sha256(content).hexdigest(),
                label=CLASSES[n % 2],
                soft_label=(1.0, 0.0) if n % 2 == 0 else (0.0, 1.0),
                split=split,
                character=crop.character,
                episode=crop.episode,
                pts=crop.pts,
                time_base=Fraction(1, 12288),
                shot=crop.shot,
                track=crop.track,
                box=crop.box,
                cascade=crop.cascade,
                phash="0" * 16,
                annotators=1,
            )
        )
    options = {"unit": "shot", "split": [0.7, 0.1, 0.2]}
    digest = content_digest("faces", CLASSES, options, examples)
    counts = {
        s: {c: sum(e.split == s and e.label == c for e in examples) for c in CLASSES} for s in ("train", "val", "test")
    }
    manifest = Manifest(
        name="faces",
        version=1,
        parent="",
        digest=digest,
        classes=CLASSES,
        counts=counts,
        options=options,
        code_version="0.1.0",
        created=WHEN,
    )
    write_rows(folder, manifest, examples)
    leaks = {
        "leaks": 0,
        "shared_shots": 0,
        "shared_tracks": 0,
        "shared_groups": 0,
        "cross_split_pairs": {"0": 0, "8": 3},
        "smallest_gap_seconds": 1.25,
    }
    write_json(folder / "leaks.json", leaks)
    version = DatasetVersion(
        id="faces@1",
        name="faces",
        version=1,
        digest=digest,
        parent="",
        path="datasets/faces/0001",
        examples=len(examples),
        created=WHEN,
    )
    workspace.catalogue.put([version])
    return version


def put_run(workspace: Workspace, version: DatasetVersion, crops: list[Crop]) -> Path:
    """A finished training run in the files that train/ writes; the surer of its two test predictions is wrong."""
    folder = workspace.runs / "faces-hill-s0-0123abcd"
    tested = [(crop, n) for n, crop in enumerate(crops)][6:]
    card = {"format": 1, "run": folder.name, "recipe": "hill", "classes": CLASSES, "dataset_name": "faces"}
    write_json(folder / "options.json", card | {"dataset_version": 1, "dataset_digest": version.digest, "options": {}})
    epochs = [
        {"epoch": n, "train_loss": 1 / n, "train_accuracy": 1 - 1 / (n + 1), "val_loss": 1.2 / n, "val_accuracy": 0.5}
        for n in range(1, 6)
    ]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(epoch) + "\n" for epoch in epochs) + '{"epoch": 6, "tr')
    per_class = {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 1} for name in CLASSES}
    scores = {
        "examples": 2,
        "clusters": 1,
        "accuracy": 0.5,
        "accuracy_interval": [0.1, 0.9],
        "macro_f1": 0.45,
        "macro_f1_interval": None,
        "balanced_accuracy": 0.5,
        "per_class": per_class,
        "confusion": [[1, 0], [1, 0]],
    }
    summary = {
        "format": 1,
        "run": folder.name,
        "dataset": "faces@1",
        "dataset_digest": version.digest,
        "recipe": "hill",
        "seed": 0,
        "classes": CLASSES,
        "test": scores,
        "baselines": {"majority": scores | {"accuracy": 0.4}, "mean_colour": scores | {"accuracy": 0.3}},
        "split_sizes": {"train": 5, "val": 1, "test": 2},
        "epochs": 5,
        "best_epoch": 3,
        "ended": "all epochs done",
        "seconds": 12.0,
        "images_per_second": 300.0,
        "parameters": 1234,
        "weights": "random",
        "device": "cpu",
        "options": {"epochs": 5},
        "notes": ["the test split comes from 1 shot(s) alone"],
        "code_version": "0.1.0",
        "torch_version": "2.12",
    }
    write_json(folder / "summary.json", summary)
    rows = {
        "example": [crop.id for crop, _ in tested],
        "file": [f"images/test/{CLASSES[n % 2]}/{crop.id}.png" for crop, n in tested],
        "truth": [CLASSES[n % 2] for _, n in tested],
        "predicted": ["angry" for _ in tested],
        "probabilities": [[0.9, 0.1] for _ in tested],
    }
    schema = pa.schema(
        [(name, pa.string()) for name in ("example", "file", "truth", "predicted")]
        + [("probabilities", pa.list_(pa.float32()))],
        metadata={"classes": json.dumps(CLASSES)},
    )
    pq.write_table(pa.table(rows, schema=schema), folder / "predictions.parquet")
    return folder


def grey(height: int, width: int, level: int = 128) -> RGB:
    """A plain picture."""
    return np.full((height, width, 3), level, dtype=np.uint8)
