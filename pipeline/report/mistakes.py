"""Where the model was surest and wrong: the pictures, what they are, what it took them for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.errors import InputError
from pipeline.core.files import inside
from pipeline.core.manifest import Dataset, Example, read_dataset
from pipeline.core.places import Timestamp
from pipeline.core.records import Crop
from pipeline.core.workspace import Workspace
from pipeline.report.datasets import folder_of_digest
from pipeline.report.holdings import Holdings
from pipeline.report.thumbnails import Gallery, Picture
from pipeline.report.training import RunView

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.parquet"
MISTAKES_SHOWN = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A test example that the model took for another class."""

    picture: Picture | None
    """None when its file is gone, or the page is full"""
    truth: str
    """its class"""
    predicted: str
    """what the model said"""
    probability: float
    """that the model gave to it"""
    truth_probability: float | None
    """that it gave to the truth"""
    character: str
    """whose face it is; empty when unknown"""
    place: str
    """episode and timecode; the example's id where they are not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MistakeSection:
    """The surest mistakes of a run."""

    mistakes: tuple[Mistake, ...]
    """most probable first"""
    wrong: int
    """in all"""
    examples: int
    """predicted in all"""
    trouble: str
    """why they cannot be shown; empty otherwise"""


def mistake_section(
    workspace: Workspace, holdings: Holdings, gallery: Gallery, run: RunView, shown: Dataset | None
) -> MistakeSection:
    """The run's surest mistakes; `shown` is the dataset that the page has open, so that it is not read twice."""
    try:
        rows = read_predictions(run)
    except (InputError, OSError) as error:
        return MistakeSection(mistakes=(), wrong=0, examples=0, trouble=str(error))
    wrong = sorted((row for row in rows if row.truth != row.predicted), key=lambda r: (-r.probability, r.example))
    dataset = _dataset_of(workspace, holdings, run, shown)
    examples = {e.id: e for e in dataset.examples} if dataset else {}
    return MistakeSection(
        mistakes=tuple(
            _mistake(workspace, holdings, gallery, row, dataset, examples) for row in wrong[:MISTAKES_SHOWN]
        ),
        wrong=len(wrong),
        examples=len(rows),
        trouble="",
    )


@dataclass(frozen=True, slots=True)
class Prediction:
    """A row of predictions.parquet."""

    example: str
    """its id"""
    file: str
    """its image, relative to the dataset's folder"""
    truth: str
    """its class"""
    predicted: str
    """what the model said"""
    probability: float
    """that the model gave to it"""
    truth_probability: float | None
    """that it gave to the truth; None where the model does not know that class"""


def read_predictions(run: RunView) -> list[Prediction]:
    """What the run said about its test split. Raises InputError when the file is missing or not what a run writes."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / PREDICTIONS
    if not path.is_file():
        raise InputError(f"{path} is missing; it is written when training ends")
    try:
        table = pq.read_table(path, columns=["example", "file", "truth", "predicted", "probabilities"])
        named = (table.schema.metadata or {}).get(b"classes")
        classes = [str(name) for name in json.loads(named)] if named else list(run.classes)
        place = {name: number for number, name in enumerate(classes)}
        return [
            Prediction(
                row["example"],
                row["file"],
                row["truth"],
                row["predicted"],
                float(row["probabilities"][place[row["predicted"]]]),
                float(row["probabilities"][place[row["truth"]]]) if row["truth"] in place else None,
            )
            for row in table.to_pylist()
        ]
    except (pa.ArrowException, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); train again to write it anew") from error


def _dataset_of(workspace: Workspace, holdings: Holdings, run: RunView, shown: Dataset | None) -> Dataset | None:
    if shown is not None and shown.manifest.digest == run.dataset_digest:
        return shown
    folder = folder_of_digest(workspace, holdings, run.dataset_digest)
    if folder is None:
        return None
    try:
        return read_dataset(folder)
    except (InputError, OSError) as error:
        log.warning("%s", error)
        return None


def _mistake(
    workspace: Workspace,
    holdings: Holdings,
    gallery: Gallery,
    row: Prediction,
    dataset: Dataset | None,
    examples: Mapping[str, Example],
) -> Mistake:
    example = examples.get(row.example)
    crop = None if example else workspace.catalogue.get(Crop, row.example)
    picture, place = None, row.example
    if dataset is not None:
        try:
            picture = gallery.of_file(inside(dataset.folder, row.file))
        except InputError as error:
            log.warning("%s", error)
    if example is not None:
        when = Timestamp(pts=example.pts, time_base=example.time_base).timecode
        place = f"{holdings.episode_name(example.episode)} at\u00a0{when}"
    elif crop is not None:
        picture = picture or gallery.of_stored(workspace.objects, crop.sha256)
        place = f"{holdings.episode_name(crop.episode)} at\u00a0{holdings.timecode(crop.episode, crop.pts)}"
    return Mistake(
        picture=picture,
        truth=row.truth,
        predicted=row.predicted,
        probability=row.probability,
        truth_probability=row.truth_probability,
        character=(example.character if example else crop.character if crop else ""),
        place=place,
    )
