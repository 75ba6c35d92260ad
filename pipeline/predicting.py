"""An episode mined where it is not, the model asked, and what came of it written: what `toonsift predict` does."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cascades.registry import chosen_cascades, keep_cascades
from pipeline.core.errors import CheckpointError, DatasetError, InputError, NotFoundError, UsageError, VideoError
from pipeline.core.files import digest_of, write_text
from pipeline.core.manifest import Dataset, read_dataset
from pipeline.core.options import read_settings, resolve
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import DatasetVersion, Detection, Episode, Hold, Run, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.engines.local import LocalEngine
from pipeline.flow.mining import Wanted, mine_planned
from pipeline.flow.planning import plan
from pipeline.flow.repeats import find_repeats
from pipeline.frames import check_readable
from pipeline.ingest import content_of, episode_id
from pipeline.mine import MineOptions
from pipeline.repeats import RepeatOptions
from pipeline.timeline.building import Classify, MinedFaces, build_timeline
from pipeline.timeline.documents import FORMAT, write_documents
from pipeline.timeline.plot import shares_svg
from pipeline.timeline.records import Probabilities, Timeline, TimelineOptions
from pipeline.timeline.shares import Shares, shares_of
from pipeline.timeline.smoothing import calibrated
from pipeline.timeline.subtitles import srt_of, vtt_of
from pipeline.timeline.video import write_annotated

if TYPE_CHECKING:
    from train.predict import Model

DOCUMENT, VIDEO = "timeline.json", "annotated.mp4"
FILES = (DOCUMENT, "timeline.csv", "subtitles.srt", "subtitles.vtt", "shares.svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictFlags:
    """What is wanted."""

    video: Path
    """the episode"""
    run: str
    """id or folder of a finished training run"""
    cascades: Sequence[str] = ()
    """to mine it with; none: as it was mined, else all of the workspace"""
    out: Path | None = None
    """where to write; none: `timelines/` of the workspace"""
    emotion: str = ""
    """who shows it most? none: the happy one"""
    device: str = "auto"
    """where the model runs"""
    annotate: bool = True
    """write the annotated video"""
    flags: dict[str, Any] = field(default_factory=dict)
    """of TimelineOptions; None where nothing was said"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was made, or lay there already."""

    out: Path
    """the folder"""
    document: dict[str, Any]
    """what timeline.json says"""
    already: bool
    """nothing had to be made"""

    @property
    def files(self) -> dict[str, Path]:
        """What lies in the folder, by name."""
        return {name: self.out / name for name in (*FILES, VIDEO) if (self.out / name).is_file()}


class Prediction:
    """One episode, one model."""

    def __init__(
        self,
        workspace: Workspace,
        told: PredictFlags,
        progress: Progress | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`warn` gets what went less than well. Raises VideoError, UsageError."""
        self.workspace, self.told, self.progress, self.warn = workspace, told, progress or Silent(), warn
        settings = read_settings(Path())
        self.options = resolve(TimelineOptions, settings.get("timeline", {}), told.flags, "timeline")
        self.mining = resolve(MineOptions, settings.get("mine", {}), {}, "mine")
        check_readable(told.video)
        if told.out is not None and told.out.exists() and not told.out.is_dir():
            raise UsageError(f"--out {told.out} is a file; give a folder")

    def predict(self) -> Predicted:
        """Does what is not done yet.

        Raises:
            NotFoundError, CheckpointError: no such run, or it is damaged.
            VideoError: the episode cannot be read or mined.
            UsageError: the model does not know that emotion.
        """
        from train.predict import load_run
        from train.runs import find_run, read_summary

        workspace = self.workspace
        folder = find_run(workspace.runs, self.told.run)
        model = load_run(folder, self.told.device)
        emotions = emotions_of(model)
        if self.told.emotion and self.told.emotion not in emotions:
            raise UsageError(f"--emotion {self.told.emotion}: the model knows {', '.join(emotions)}")
        mined = self._mined()
        out = self.told.out or workspace.root / "timelines" / f"{mined.episode.id}-{model.run.id}"
        summary = read_summary(folder)
        key = digest_of([
            FORMAT, mined.episode.sha256, asdict(mined.crops), mined.fps, sorted(d.id + d.track for d in mined.detections),
            summary.model_sha256 if summary else "", asdict(self.options), self.told.emotion,
        ])  # fmt: skip
        if key_of(out) == key and (not self.told.annotate or (out / VIDEO).is_file()):
            return Predicted(out=out, document=read_timeline(out), already=True)
        timeline, shares = self._classified(model, mined, emotions, key)
        out.mkdir(parents=True, exist_ok=True)
        (out / VIDEO).unlink(missing_ok=True)  # one of other options would say something else than the timeline
        if self.told.annotate:
            write_annotated(timeline, self.told.video, out / VIDEO, self.progress)
        write_text(out / "subtitles.srt", srt_of(timeline))
        write_text(out / "subtitles.vtt", vtt_of(timeline))
        write_text(out / "shares.svg", shares_svg(asdict(shares), timeline.emotions, timeline.episode.name))
        write_documents(timeline, shares, out)
        return Predicted(out=out, document=read_timeline(out), already=False)

    def _classified(
        self, model: "Model", mined: MinedFaces, emotions: tuple[str, ...], key: str
    ) -> tuple[Timeline, Shares]:
        from train.temperature import NOT_FITTED, temperature_of

        dataset = dataset_of(self.workspace, model.run.dataset_digest)
        temperature = NOT_FITTED
        try:
            temperature = temperature_of(model, dataset) if dataset else NOT_FITTED
        except DatasetError as error:
            self.warn(f"{error}; the model's probabilities are taken as they are")
        if not temperature.examples:
            self.warn(
                f"no held-out examples of {model.run.dataset_name}@{model.run.dataset_version} to calibrate on: "
                "probabilities are the model's own"
            )
        timeline = build_timeline(
            mined, self.told.video, emotions, classifier(model, emotions, temperature.value), self.options, model.run.id,
            {
                "key": key, "temperature": round(temperature.value, 4), "calibrated_on": temperature.split,
                "calibration_examples": temperature.examples, "fps": mined.fps, "video": self.told.video.name,
            },
            self.progress,
        )  # fmt: skip
        return timeline, shares_of(timeline, self.told.emotion)

    def _mined(self) -> MinedFaces:
        """The episode's records; mines it first where it is not, or where other cascades are asked for."""
        workspace = self.workspace
        sha256, _ = content_of(self.told.video)
        id = episode_id(sha256)
        run = workspace.catalogue.get(Run, f"mine:{id}")
        if self.told.cascades or run is None or not json.loads(run.counts):
            self._mine()
            run = workspace.catalogue.get(Run, f"mine:{id}")
        episode = workspace.catalogue.get(Episode, id)
        if run is None or episode is None:
            raise VideoError(f"{self.told.video}: mining it left nothing; see `toonsift status`")
        options, of = json.loads(run.options), {"episode": id}
        return MinedFaces(
            episode=episode,
            shots=list(workspace.catalogue.all(Shot, **of)),
            holds=list(workspace.catalogue.all(Hold, **of)),
            tracks=list(workspace.catalogue.all(Track, **of)),
            detections=list(workspace.catalogue.all(Detection, **of)),
            fps=float(options["fps"]),
            crops=CropOptions(**options["crops"]),
        )

    def _mine(self) -> None:
        workspace = self.workspace
        with workspace.writing("predict"):
            cascades = chosen_cascades(workspace, self.told.cascades)
            wanted = Wanted(tuple(cascades), self.mining)
            keep_cascades(workspace, cascades)
            made = plan(workspace, [self.told.video], wanted.digest)
            for outcome in mine_planned(workspace, made, wanted, LocalEngine(1), self.progress):
                if outcome.status == "failed" and not outcome.counts:
                    raise VideoError(outcome.reason)
                if outcome.status == "failed":
                    self.warn(outcome.reason)
            repeats = resolve(RepeatOptions, read_settings(Path()).get("repeats", {}), {}, "repeats")
            find_repeats(workspace, repeats, self.progress)


def emotions_of(model: "Model") -> tuple[str, ...]:
    """What a model tells apart, without the characters where it tells those apart, too."""
    if model.run.options.target == "emotion":
        return model.classes
    return tuple(sorted({name.rpartition("/")[2] for name in model.classes}))


def classifier(model: "Model", emotions: tuple[str, ...], temperature: float) -> Classify:
    """The model as the timeline asks it: calibrated, and of a model of characters and emotions what it says of the one."""
    names = [name.rpartition("/") for name in model.classes]
    both = model.run.options.target != "emotion"
    column = np.array(
        [emotions.index(emotion if both else name) for name, (_, _, emotion) in zip(model.classes, names, strict=True)]
    )

    def classify(images: Sequence[Any], characters: Sequence[str]) -> Probabilities:
        found_NC = calibrated(model.classify(images).astype(np.float64), temperature)
        if not both:
            return found_NC
        summed = np.zeros((len(found_NC), len(emotions)))
        for row, character in enumerate(characters):
            of_it = np.array([who == character for who, _, _ in names])
            shares = np.where(of_it, found_NC[row], 0.0) if of_it.any() else found_NC[row]
            np.add.at(summed[row], column, shares)
        return np.asarray(summed / np.maximum(summed.sum(axis=1, keepdims=True), 1e-12))

    return classify


def dataset_of(workspace: Workspace, digest: str) -> Dataset | None:
    """The dataset version with that digest; None when the workspace has none, or it is damaged."""
    for version in workspace.catalogue.all(DatasetVersion):
        if version.digest == digest:
            try:
                return read_dataset(workspace.root / version.path)
            except InputError:
                return None
    return None


def read_timeline(folder: Path) -> dict[str, Any]:
    """timeline.json of a folder. Raises NotFoundError, CheckpointError."""
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing; make it with `toonsift predict`") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); delete it and predict again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"{path}: no timeline of this toonsift; delete it and predict again")
    return document


def key_of(folder: Path) -> str:
    """What the timeline there was made from; empty when there is none, or a part of it is missing."""
    if not all((folder / name).is_file() for name in FILES):
        return ""
    try:
        return str(read_timeline(folder)["provenance"]["key"])
    except (NotFoundError, CheckpointError, KeyError, TypeError):
        return ""
