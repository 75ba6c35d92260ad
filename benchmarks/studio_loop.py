"""What the studio loop gains: few boxes, then people answer about the suspects: `python -m benchmarks.studio_loop`.

A drawn series' own truth plays the annotator. A cascade is fitted to a few boxes of the first episode (round 1) and mines
the first two; the most doubtful finds are answered, and it is fitted again with those confirmed as faces and those
refused as hard negatives (round 2, ...). The last episode is never labelled, mined or fitted to: average precision is
measured there, beside that of a cascade fitted again to the same few boxes with another seed (what chance alone gives).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cascades.detect import Detector
from cascades.fit import FitOptions
from cascades.looked_for import DetectOptions, LoadedCascade
from cascades.make import make_cascade
from cascades.registry import load_cascade
from cascades.scoring.evaluate import Scores, evaluate_detector
from cascades.studio.rounds import fit_round
from cascades.studio.suspect_sheet import as_csv
from cascades.studio.suspects import Suspect, rank_suspects
from cascades.truth.reading import read_truth
from pipeline.cartoon import CartoonOptions, Series, coco_of, draw_series
from pipeline.core.files import write_json, write_text
from pipeline.core.geometry import as_array, iou_matrix
from pipeline.core.progress import Silent
from pipeline.core.records import Episode
from pipeline.core.workspace import Workspace
from pipeline.demo.oracle import frame_of
from pipeline.flow.labelling import import_labels
from pipeline.flow.mining import mine_paths
from pipeline.mine import MineOptions

IOU = 0.4
FITS_IOU = 0.55
"""overlap from which on somebody says that a box fits the face; a looser one they call unsure"""
MIN_FACE = 40


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    boxes: int
    answers: int
    rounds: int
    seconds: float
    fit: FitOptions


def few_boxes(series: Series, who: str, wanted: int, episode: str) -> dict[str, Any]:
    """COCO of the first frames of an episode, spread over it, that together show about `wanted` faces of `who`."""
    every = 4
    coco = coco_of(series, [episode], every)
    category = next(c["id"] for c in coco["categories"] if c["name"] == who)
    of_image: dict[int, int] = {}
    for row in coco["annotations"]:
        of_image[row["image_id"]] = of_image.get(row["image_id"], 0) + (
            row["category_id"] == category and not row["iscrowd"]
        )
    images = [image["id"] for image in coco["images"] if of_image.get(image["id"])]
    step = max(len(images) // wanted, 1)
    chosen, faces = set[int](), 0
    for image in images[::step]:
        if faces >= wanted:
            break
        chosen.add(image)
        faces += of_image[image]
    coco["images"] = [image for image in coco["images"] if image["id"] in chosen]
    coco["annotations"] = [row for row in coco["annotations"] if row["image_id"] in chosen]
    return coco


def answers(workspace: Workspace, series: Series, suspects: Sequence[Suspect]) -> list[str]:
    """What somebody who knows the truth writes into the column `answer`."""
    drawn = {episode.name: episode for episode in series.episodes}
    episodes = {e.id: e for e in workspace.catalogue.all(Episode)}
    said = []
    for suspect in suspects:
        detection = suspect.detection
        truth = drawn[episodes[detection.episode].name]
        frame = min(frame_of(episodes[detection.episode], truth, detection.pts), truth.frames - 1)
        faces = truth.faces_at(frame)
        overlap = iou_matrix(as_array([detection.box]), as_array([f.box for f in faces]))[0]
        best = int(overlap.argmax()) if len(faces) else -1
        if best >= 0 and overlap[best] >= FITS_IOU:
            said.append(faces[best].character if faces[best].visible >= 0.5 else "unsure")
        else:
            said.append("unsure" if best >= 0 and overlap[best] > 0.2 else "not-a-face")
    return said


def answered_csv(text: str, said: Sequence[str]) -> str:
    """The suspects' CSV with its column `answer` filled in."""
    head, *rows = text.rstrip("\n").split("\n")
    filled = []
    for row, answer in zip(rows, said, strict=True):
        rank, item, _, _, *rest = row.split(",")
        filled.append(",".join([rank, item, answer, "oracle", *rest]))
    return "\n".join([head, *filled]) + "\n"


def measured(cascade: LoadedCascade, truth: Path, images: Path, who: str) -> Scores:
    """Scores on an episode that nothing was fitted to."""
    detector = Detector([cascade], DetectOptions(min_face_px=MIN_FACE))
    return evaluate_detector(detector, read_truth(truth, images), who, IOU)


def run_seed(folder: Path, seed: int, plan: Plan) -> dict[str, Any]:
    """One series, all rounds; average precision and false positives per image at the best F1, by round."""
    series = draw_series(folder / "series", CartoonOptions(episodes=3, seconds=plan.seconds, seed=seed))
    who = next(name for name in series.characters if name != "other")
    names = [episode.name for episode in series.episodes]
    write_json(folder / "few.json", few_boxes(series, who, plan.boxes, names[0]))
    write_json(folder / "test.json", coco_of(series, [names[-1]], 12))
    few = json.loads((folder / "few.json").read_text())
    given = read_truth(folder / "few.json", folder / "series")
    workspace = Workspace(folder / "workspace")
    videos = [folder / "series" / f"{name}.mp4" for name in names[:2]]
    options = replace(plan.fit, seed=seed)
    result: dict[str, Any] = {"seed": seed, "character": who, "rounds": []}
    with workspace.writing("benchmark"):
        make_cascade(workspace, who, folder / "few.json", images=folder / "series", character=who, options=options)
        again = replace(options, seed=seed + 1000)
        make_cascade(workspace, "again", folder / "few.json", images=folder / "series", character=who, options=again)
        result["boxes"] = len(few["annotations"])
        tests = (folder / "test.json", folder / "series", who)
        result["chance"] = _row(measured(load_cascade(workspace, "again"), *tests))
        for number in range(plan.rounds):
            cascade = load_cascade(workspace, who)
            result["rounds"].append(_row(measured(cascade, *tests)))
            mine_paths(workspace, videos, [cascade], MineOptions(min_face=MIN_FACE), 1, Silent())
            suspects = rank_suspects(workspace, cascade.digest, plan.answers)
            said = answers(workspace, series, suspects)
            write_text(folder / f"answers{number}.csv", answered_csv(as_csv(suspects, workspace), said))
            import_labels(workspace, folder / f"answers{number}.csv")
            result["rounds"][-1]["answers"] = {word: said.count(word) for word in sorted(set(said))}
            fitted = fit_round(workspace, who, character=who, truth=given, options=options, iou=IOU)
            result["studio"] = [
                round((entry.get("scores") or {}).get("average_precision", float("nan")), 3) for entry in fitted.rounds
            ]
            result["fitted"] = fitted.made.card["data"]["faces"]
            result["untold"] = fitted.untold
        result["rounds"].append(_row(measured(load_cascade(workspace, who), *tests)))
    return result


def _row(scores: Scores) -> dict[str, Any]:
    return {
        "average_precision": scores.average_precision,
        "at_50": dict(scores.by_iou)[0.5],
        "best_f1": 2 * scores.best.precision * scores.best.recall / max(scores.best.precision + scores.best.recall, 1e-9),
        "false_positives_per_image": scores.best.false_positives_per_image,
        "all_false_positives_per_image": scores.false_positives_per_image,
        "recall": scores.recall,
    }  # fmt: skip


def main() -> None:
    """Prints a row for each seed and round, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--boxes", type=int, default=30)
    parser.add_argument("--answers", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=2, help="times that suspects are answered")
    parser.add_argument("--seconds", type=float, default=40.0)
    arguments = parser.parse_args()
    fit = FitOptions(stages=13, positives=1000, negatives_per_stage=1500, features_per_stage=6000)
    plan = Plan(arguments.boxes, arguments.answers, arguments.rounds, arguments.seconds, fit)
    print(f"{plan.boxes} boxes, then {plan.answers} answers a round; AP at IoU {IOU} on an episode nobody labelled")
    rows = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        started = time.process_time()
        with tempfile.TemporaryDirectory() as place:
            rows.append(run_seed(Path(place), seed, plan))
        _say(rows[-1], time.process_time() - started)
    table = np.array([[r["average_precision"] for r in row["rounds"]] for row in rows])
    chance = np.array([row["chance"]["average_precision"] for row in rows])
    print("mean AP by round: " + ", ".join(f"{value:.3f}" for value in table.mean(axis=0)), end="")
    print(f"; better after the last round in {int((table[:, -1] > table[:, 0]).sum())} of {len(rows)} series", end="")
    print(f"; the same few boxes with another seed: {chance.mean():.3f}")


def _say(row: dict[str, Any], seconds: float) -> None:
    print(f"seed {row['seed']}, {row['character']}: another seed AP {row['chance']['average_precision']:.3f}", end="")
    print(
        f"; the studio's own held-out AP by round: {row.get('studio')} {row.get('untold') or ''} ({seconds:.0f} CPU s)"
    )
    for number, scores in enumerate(row["rounds"], start=1):
        print(
            f"  round {number}: AP {scores['average_precision']:.3f} (IoU .5: {scores['at_50']:.3f}), best F1 "
            f"{scores['best_f1']:.3f} at {scores['false_positives_per_image']:.2f} FP per image; all finds: recall "
            f"{scores['recall']:.3f}, {scores['all_false_positives_per_image']:.2f} FP per image"
            + (f"; then answered {scores['answers']}" if "answers" in scores else "")
        )


if __name__ == "__main__":
    main()
