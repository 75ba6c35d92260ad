"""The verbs that put a trained model to work or look inside it: predict, onnx, explain."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import session_of


class DeviceName(StrEnum):
    """Where the arithmetic is done."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Device = Annotated[DeviceName, typer.Option("--device", help="auto takes CUDA when there is one.")]
RunName = Annotated[str, typer.Argument(help="Id or folder of a finished training run.")]


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
        float | None, typer.Option("--stay-seconds", help="How long an emotion lasts on average (1).")
    ] = None,
    smooth: Annotated[
        bool | None, typer.Option("--smooth/--no-smooth", help="Weigh all pictures of a track together.")
    ] = None,
    annotate: Annotated[bool, typer.Option("--video/--no-video", help="Write the annotated video.")] = True,
    device: Device = DeviceName.auto,
) -> None:
    """Say who feels what when in an episode: timeline, subtitles, an annotated video, and who is the happiest."""
    from pipeline.predicting import PredictCall, PredictFlags
    from train.cli import _require_torch

    _require_torch()
    said = {"min_confidence": min_confidence, "stay_seconds": stay_seconds, "smooth": smooth}
    told = PredictFlags(
        video=video, run=run, cascades=cascade or [], out=out, emotion=emotion, device=device.value, annotate=annotate,
        flags=said,
    )  # fmt: skip
    PredictCall(session_of(ctx), told).predict()
