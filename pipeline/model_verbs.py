"""The verbs that put a trained model to work or look inside it: predict, onnx, explain."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console import session_of

if TYPE_CHECKING:
    from pipeline.console import Session
    from pipeline.core.workspace import Workspace
    from pipeline.predicting import Predicted


class DeviceName(StrEnum):
    """Where the arithmetic is done."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Device = Annotated[DeviceName, typer.Option("--device", help="auto takes CUDA when there is one.")]
RunName = Annotated[str, typer.Argument(help="Id or folder of a finished training run.")]


def write_run_page(workspace: "Workspace", folder: Path) -> Path:
    """The page of a training run, `report.html` in its folder."""
    from pipeline.report.run_page import build_run_page

    return build_run_page(workspace, folder)


def predict(
    ctx: typer.Context,
    video: Annotated[Path, typer.Argument(help="An episode; mined first where it is not mined.")],
    run: Annotated[str, typer.Option("--run", help="Id or folder of a finished training run.")],
    cascade: Annotated[
        list[str] | None,
        typer.Option("--cascade", help="Mine it with these. Default: as it was mined, else all of the workspace."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder. Default: timelines/ of the workspace.")] = None,
    emotion: Annotated[str, typer.Option("--emotion", help="Who shows it most? Default: the happy one.")] = "",
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", help="Below it a face is unsure (0.5).")
    ] = None,
    stay_seconds: Annotated[
        float | None, typer.Option("--stay-seconds", help="How long an emotion lasts on average (0.5).")
    ] = None,
    smooth: Annotated[
        bool | None, typer.Option("--smooth/--no-smooth", help="Weigh all pictures of a track together.")
    ] = None,
    annotate: Annotated[bool, typer.Option("--video/--no-video", help="Write the annotated video.")] = True,
    device: Device = DeviceName.auto,
) -> None:
    """Say who feels what when in an episode: timeline, subtitles, an annotated video, and who is the happiest."""
    from pipeline.predicting import PredictFlags, Prediction
    from train.cli import require_torch

    require_torch()
    session = session_of(ctx)
    said = {"min_confidence": min_confidence, "stay_seconds": stay_seconds, "smooth": smooth}
    told = PredictFlags(
        video=video, run=run, cascades=cascade or [], out=out, emotion=emotion, device=device.value, annotate=annotate,
        flags=said,
    )  # fmt: skip
    _say_predicted(session, Prediction(session.workspace(), told, session.progress, session.warn).predict())


def onnx(
    ctx: typer.Context,
    run: RunName,
    out: Annotated[Path | None, typer.Option("--out", help="File. Default: model.onnx in the run's folder.")] = None,
) -> None:
    """Export a trained model as ONNX, compared with onnxruntime on its test split."""
    from pipeline.core.errors import CheckpointError
    from pipeline.predicting import dataset_of
    from train.cli import require_torch

    require_torch()
    from train.onnx import export_onnx
    from train.predict import load_run
    from train.runs import find_run, read_summary

    session = session_of(ctx)
    workspace = session.workspace()
    folder = find_run(workspace.runs, run)
    model, summary = load_run(folder, "cpu"), read_summary(folder)
    if summary is None:
        raise CheckpointError(f"{folder} is not trained to the end; run the same `toonsift train` again")
    dataset = dataset_of(workspace, model.run.dataset_digest)
    done = export_onnx(model, summary, out or folder / "model.onnx", dataset, session.progress)
    session.emit(
        {"run": model.run.id, **{name: getattr(done, name) for name in done.__slots__}, "classes": model.classes},
        [
            f"{done.path}: {done.size_bytes / 1e6:.1f} MB, {len(model.classes)} classes",
            f"onnxruntime differs by at most {done.largest_difference:.1e} on {done.examples} pictures "
            f"({done.compared_on}); allowed {done.tolerance:g}",
        ],
    )


def explain(
    ctx: typer.Context,
    run: RunName,
    folds: Annotated[
        int, typer.Option("--folds", help="Judge all labels by so many models trained anew; 0: held-out ones alone.")
    ] = 0,
    device: Device = DeviceName.auto,
) -> None:
    """Look inside a trained model: where it looks, its worst mistakes, confused classes, likely label errors."""
    from pipeline.core.errors import DatasetError
    from pipeline.predicting import dataset_of
    from train.cli import require_torch

    require_torch()
    from train.explain.looking import FOLDER, MISTAKES, QUEUE
    from train.explain.looking import explain as look_inside
    from train.predict import load_run
    from train.runs import find_run

    session = session_of(ctx)
    workspace = session.workspace()
    folder = find_run(workspace.runs, run)
    model = load_run(folder, device.value)
    dataset = dataset_of(workspace, model.run.dataset_digest)
    if dataset is None:
        raise DatasetError(
            f"{model.run.dataset_name}@{model.run.dataset_version}, which {folder.name} was trained on, is not in this "
            "workspace; copy it back or export it again"
        )
    found = look_inside(model, folder, dataset, folds, session.progress)
    page = write_run_page(workspace, folder)
    rows = [
        (" / ".join(p["classes"]), p["first_as_second"] + p["second_as_first"], p["share"])
        for p in found["confused_pairs"]
    ]
    session.table("most confused", ("classes", "mistakes", "share"), rows[:10])
    session.emit(
        {
            "run": model.run.id, "layer": found["layer"], "examples": found["examples"],
            "mistakes": len(found["mistakes"]), "confused_pairs": found["confused_pairs"],
            "suspects": len(found["suspects"]), "judged": found["judged"],
            "queue": str(folder / FOLDER / QUEUE), "list": str(folder / FOLDER / MISTAKES), "report": str(page),
        },
        [
            f"{len(found['mistakes'])} of {found['examples']} held-out examples are wrong",
            f"{len(found['suspects'])} of {found['judged']['examples']} labels are doubtful ({found['judged']['how']})",
            f"queue: {folder / FOLDER / QUEUE}",
            f"report: {page}",
        ],
    )  # fmt: skip


def _say_predicted(session: "Session", done: "Predicted") -> None:
    document, out = done.document, str(done.out)
    shares, spans = document["shares"], sum(len(rows) for rows in document["characters"].values())
    rows = [
        (one["character"] or "somebody", f"{one['seconds']:.1f}", f"{one['unsure_seconds']:.1f}",
         *(f"{share['share']:.0%} ({share['low']:.0%} to {share['high']:.0%})" for share in one["shares"]))
        for one in shares["characters"]
    ]  # fmt: skip
    session.table("Screen time", ("character", "seconds", "unsure", *document["emotions"]), rows)
    answer = shares["answer"] or "nobody" if shares["characters"] else "nobody"
    session.emit(
        {
            "status": "already" if done.already else "made", "episode": document["episode"]["id"], "run": document["run"], "spans": spans,
            "tracks": len(document["tracks"]), "faces": sum(len(t["faces"]) for t in document["tracks"]),
            "asked": shares["asked"], "answer": shares["answer"], "sure": shares["sure"],
            "temperature": document["provenance"]["temperature"],
            "calibrated_on": document["provenance"]["calibrated_on"],
            "out": out, "files": {name: str(path) for name, path in done.files.items()},
        },
        [
            f"{spans} spans of {len(document['tracks'])} tracks",
            f"most {shares['asked']}: {answer} (the same in {shares['sure']:.0%} of drawings of shots)",
            out,
        ],
    )  # fmt: skip
