"""The whole job on a drawn series, scored against the drawing's exact truth. Killed, it goes on where it was."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascades.looked_for import LoadedCascade
from cascades.registry import card_of, load_cascade, update_card
from pipeline.cartoon import CartoonOptions, Series, coco_of, draw_series, read_truth
from pipeline.core.files import sha256_of, write_json, write_text
from pipeline.core.manifest import read_dataset
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade, Episode
from pipeline.core.workspace import Workspace
from pipeline.demo import oracle, scores
from pipeline.duplicates import DedupeOptions
from pipeline.engine import available_cores
from pipeline.export import ExportOptions
from pipeline.flow.curation import export, export_summary
from pipeline.flow.deduping import dedupe
from pipeline.flow.labelling import import_labels
from pipeline.flow.mining import mine_paths
from pipeline.flow.repeats import find_repeats
from pipeline.mine import MineOptions
from pipeline.repeats import RepeatOptions
from pipeline.splits import SplitOptions

if TYPE_CHECKING:
    from pipeline.console import Session

DATASET = "demo"
RECIPE = "best"
"""for small sets; nets from scratch learn next to nothing from the faces of the quick demo"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """How much of everything."""

    cartoon: CartoonOptions
    """the series"""
    fitted: int
    """episodes, from the first, that cascades are fitted on"""
    held_out: int
    """episodes, from the last, that nothing is fitted on: everything is scored on them"""
    every_frames: int
    """of the truth, for fitting cascades"""
    stages: int
    """of a cascade"""
    positives: int
    """windows for a cascade"""
    negatives: int
    """windows for each stage of a cascade"""
    validation: float
    """share of the training examples kept apart to choose the best epoch; too few say nothing"""
    at_work: bool = False
    """the model is looked into, and says who feels what in an episode that nothing was fitted to"""
    min_face: int = 40
    """pixels"""


def plan_of(quick: bool, seed: int) -> DemoPlan:
    """The plan of `demo` or `demo --quick`."""
    if quick:
        return DemoPlan(
            cartoon=CartoonOptions(episodes=3, seconds=22.0, seed=seed), fitted=2, held_out=1, every_frames=12,
            stages=14, positives=600, negatives=1000, validation=0.0,
        )  # fmt: skip
    return DemoPlan(
        cartoon=CartoonOptions(episodes=4, seconds=80.0, seed=seed), fitted=2, held_out=1, every_frames=10,
        stages=15, positives=1200, negatives=2000, validation=0.15, at_work=True,
    )  # fmt: skip


class _Clock:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.stages.append({"name": name, "seconds": round(time.monotonic() - began, 2)})


def run_demo(
    workspace: Workspace, *, quick: bool, seed: int, label_studio: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Does everything and returns what `demo --json` prints. Writes to the workspace alone.

    With `label_studio` the drawing's truth is answered over a real server in place of a file.
    """
    progress = progress or Silent()
    plan, clock = plan_of(quick, seed), _Clock()
    folder = workspace.root / "demo" / f"series-{seed}{'-quick' if quick else ''}"
    with clock("draw"):
        series = _drawn(folder, plan, progress)
    names = [episode.name for episode in series.episodes]
    fitted, held_out = names[: plan.fitted], names[-plan.held_out :]
    with clock("fit"):
        cascades = [_fitted(workspace, folder, series, fitted, who, plan, progress) for who in _starring(series)]
    with clock("assess"):
        for who in _starring(series):
            _assess(workspace, folder, series, held_out, who, plan, progress)
    with clock("mine"):
        outcomes = mine_paths(
            workspace, [folder], cascades, MineOptions(min_face=plan.min_face), available_cores(), progress,
        )  # fmt: skip
        find_repeats(workspace, RepeatOptions(), progress)
    with clock("dedupe"):
        duplicates = dedupe(workspace, DedupeOptions(), progress)
    with clock("label"):
        items = list(oracle.shown(workspace, series))
        labelled = _labelled(workspace, folder, items, label_studio, progress)
    with clock("export"):
        ids = sorted(e.id for e in workspace.catalogue.all(Episode) if e.name in held_out)
        shares = (1 - plan.validation, plan.validation, 0.0)
        options = ExportOptions(split=SplitOptions(shares=shares, test_episodes=tuple(ids), seed=seed))
        exported = export_summary(workspace, export(workspace, DATASET, options, progress))
    with clock("train"):
        summary = _trained(workspace, seed, progress)
    with clock("score"):
        every = round(plan.cartoon.fps / MineOptions().fps)
        result: dict[str, Any] = {
            "detection": scores.detection_scores(
                workspace, series, held_out, set(_starring(series)), plan.min_face, every
            ),
            "shots": scores.shot_scores(workspace, series, held_out),
            "repeats": scores.repeat_scores(workspace, series),
            "mined": {
                k: sum(o.counts.get(k, 0) for o in outcomes) for k in ("frames", "shots", "holds", "tracks", "crops")
            },
            "dedupe": duplicates | scores.duplicate_scores(workspace, items),
            "labels": labelled,
            "dataset": exported,
            "test": summary,
        }
    if plan.at_work:
        with clock("explain"):
            _looked_into(workspace, summary["run"], progress)
        with clock("predict"):
            result["timeline"] = _predicted(workspace, folder / f"{held_out[-1]}.mp4", summary["run"], progress)
    with clock("report"):
        from pipeline.report import DemoScores, build_report

        result = {"stages": clock.stages, **result}
        page = build_report(
            workspace,
            dataset=DATASET,
            run=workspace.runs / summary["run"],
            demo=DemoScores.of(result),
            progress=progress,
        )
    result["report"] = str(page)
    result["seconds"] = round(sum(stage["seconds"] for stage in clock.stages), 2)
    return result


def show(session: "Session", result: dict[str, Any]) -> None:
    """The final table, for people."""
    detection, shots, test = result["detection"], result["shots"], result["test"]
    duplicates, dataset = result["dedupe"], result["dataset"]
    at_work = [result["timeline"]] if "timeline" in result else []
    session.table("Stages", ("stage", "seconds"), [(s["name"], f"{s['seconds']:.1f}") for s in result["stages"]])
    session.table(
        f"Against the drawing's truth, on what nothing was fitted to ({', '.join(detection['episodes'])})",
        ("what", "score", "of"),
        [
            ("faces: precision", detection["precision"], f"{detection['found']} found"),
            ("faces: recall", detection["recall"], f"{detection['faces']} drawn"),
            ("faces: right character", detection["character_accuracy"], "faces found"),
            ("cuts: precision", shots["precision"], "found"),
            ("cuts: recall", shots["recall"], "drawn"),
            (
                "near-duplicates: pair precision",
                duplicates["pair_precision"],
                f"{duplicates['pairs_marked']} pairs marked",
            ),
            ("near-duplicates: pair recall", duplicates["pair_recall"], f"{duplicates['pairs_drawn']} pairs drawn"),
            ("emotion: accuracy", test["accuracy"], f"{dataset['splits']['test']} test faces"),
            ("emotion: macro-F1", test["macro_f1"], f"{len(dataset['classes'])} classes"),
            ("emotion: macro-F1 of the majority class", test["majority_macro_f1"], "the same"),
            ("emotion: macro-F1 of the mean colour", test["mean_colour_macro_f1"], "the same"),
            ("leaks between splits", dataset["leaks"], f"{dataset['examples']} examples"),
            *[
                (f"who is the most {told['asked']}?", told["answer"] or "nobody", f"{told['sure']:.0%} sure")
                for told in at_work
            ],
        ],
    )


def _starring(series: Series) -> list[str]:
    return [name for name in series.characters if name != "other"]


def _drawn(folder: Path, plan: DemoPlan, progress: Progress) -> Series:
    """The series, drawn unless it lies there complete from the same options."""
    made = folder / "drawn.json"
    wanted = as_plain(plan.cartoon)
    try:
        if json.loads(made.read_text(encoding="utf-8")) == wanted:
            return read_truth(folder / "truth.json")
    except (OSError, ValueError):
        pass
    series = draw_series(folder, plan.cartoon, progress)
    write_json(made, wanted)
    return series


def _fitted(
    workspace: Workspace,
    folder: Path,
    series: Series,
    episodes: list[str],
    who: str,
    plan: DemoPlan,
    progress: Progress,
) -> LoadedCascade:
    """The cascade of one character, fitted on some episodes unless it was fitted so before."""
    from cascades.fit import FitOptions
    from cascades.make import make_cascade

    options = FitOptions(
        stages=plan.stages, positives=plan.positives, negatives_per_stage=plan.negatives, seed=plan.cartoon.seed
    )
    truth = folder / "boxes.json"
    write_json(truth, coco_of(series, episodes, plan.every_frames))
    known = workspace.catalogue.get(Cascade, who)
    card = card_of(known) if known else {}
    inputs = (card.get("data", {}).get("truth_sha256"), card.get("options"))
    if inputs != (sha256_of(truth), as_plain(options)):
        make_cascade(workspace, who, truth, images=folder, character=who, options=options, progress=progress)
    return load_cascade(workspace, who)


def _labelled(
    workspace: Workspace, folder: Path, items: list[oracle.Shown], label_studio: bool, progress: Progress
) -> dict[str, int]:
    """The drawing's truth as labels: from a file, or asked and answered over a server."""
    if label_studio:
        from pipeline.demo.studio import label_over_server

        return label_over_server(workspace, items, progress)
    write_text(folder / "oracle.csv", oracle.labels_csv(items))
    labelled = import_labels(workspace, folder / "oracle.csv", progress)
    return {"oracle": labelled["imported"] + labelled["already"]}


def _assess(
    workspace: Workspace,
    folder: Path,
    series: Series,
    episodes: list[str],
    who: str,
    plan: DemoPlan,
    progress: Progress,
) -> None:
    """Scores a cascade on episodes that it was not fitted to, for its card and its page, unless that was done."""
    from cascades.looked_for import DetectOptions
    from cascades.scoring.assess import assess
    from cascades.truth.reading import read_truth as read_boxes

    path = folder / "boxes-held-out.json"
    write_json(path, coco_of(series, episodes, 2 * plan.every_frames))
    record = workspace.catalogue.get(Cascade, who)
    card = card_of(record) if record else {}
    if card.get("assessed") == sha256_of(path):
        return
    options = DetectOptions(min_face_px=plan.min_face)
    truth = read_boxes(path, folder)
    assessed = assess(
        load_cascade(workspace, who), truth, card, character=who, iou=0.4, wanted_precision=0.9, options=options,
        truth_sha256=sha256_of(path), progress=progress,
    )  # fmt: skip
    assessed.keep(workspace, who, path.name)
    update_card(workspace, who, {"assessed": sha256_of(path)})


def _trained(workspace: Workspace, seed: int, progress: Progress) -> dict[str, Any]:
    """Trains on the exported version and returns the figures of the test split."""
    from train.loop import train
    from train.recipes import find_recipe
    from train.runs import plan as plan_run

    dataset = read_dataset(workspace.dataset_folder(DATASET))
    recipe = find_recipe(RECIPE)
    run = plan_run(dataset, recipe, recipe.options.with_settings([f"seed={seed}"]))
    summary = train(dataset, run, workspace.runs, progress)
    return {
        "run": run.id,
        "accuracy": summary.test.accuracy,
        "macro_f1": summary.test.macro_f1,
        "epochs": summary.epochs,
        "images_per_second": summary.images_per_second,
        **{f"{name}_macro_f1": scores.macro_f1 for name, scores in summary.baselines.items()},
    }


def _looked_into(workspace: Workspace, run: str, progress: Progress) -> None:
    """Where the net looks, its worst mistakes and doubtful labels, for the page; once a run."""
    from train.explain.looking import DOCUMENT, FOLDER, explain
    from train.predict import load_run

    if not (workspace.runs / run / FOLDER / DOCUMENT).is_file():
        explain(
            load_run(workspace.runs / run), workspace.runs / run, read_dataset(workspace.dataset_folder(DATASET)),
            progress=progress,
        )  # fmt: skip


def _predicted(workspace: Workspace, video: Path, run: str, progress: Progress) -> dict[str, Any]:
    """Who feels what in the episode, as files; who is the happiest is the answer."""
    from pipeline.predicting import PredictFlags, Prediction

    done = Prediction(workspace, PredictFlags(video=video, run=run), progress).predict()
    shares = done.document["shares"]
    return {"asked": shares["asked"], "answer": shares["answer"], "sure": shares["sure"], "out": str(done.out)}
