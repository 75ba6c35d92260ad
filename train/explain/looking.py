"""`explain`: everything about a run that is worth a look, written into its folder `explain/`.

explain.json    layer, sheets, mistakes, confused pairs, suspects
gradcam-01.png  a sheet per class: pictures that the model had not seen, and where it looked
mistakes.csv    every mistake with episode and timecode
suspects.csv    likely label errors as a queue: crop, priority, reason
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.core.errors import DatasetError
from pipeline.core.files import write_bytes, write_json, write_text
from pipeline.core.images import encode_png
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Progress, Silent
from train.augment import as_float
from train.examples import read_images
from train.explain.confident import label_errors
from train.explain.gradcam import last_spatial_layer, looked_at
from train.explain.held_out import Unseen, of_folds, of_held_out_splits
from train.explain.mistakes import confused_pairs, mistakes_of, suspects_of
from train.explain.sheets import COLUMNS, Looked, sheet
from train.predict import Model

FOLDER, DOCUMENT, QUEUE, MISTAKES = "explain", "explain.json", "suspects.csv", "mistakes.csv"
FORMAT = 1
QUEUE_COLUMNS = ("crop", "priority", "reason")
RIGHT_SHOWN, WRONG_SHOWN = COLUMNS, COLUMNS
"""per class"""


def explain(
    model: Model, folder: Path, dataset: Dataset, folds: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Looks inside the run in `folder` and writes `folder/explain/`; returns what explain.json says.

    Args:
        folds: 0 judges the labels of the validation and test splits by the run's own model; more trains so many models
            and judges all labels, each by a model that saw nothing of its shot.

    Raises:
        DatasetError: not the dataset that the run was trained on, or an image is missing or changed.
        UsageError: no such number of folds.
        CheckpointError: the net makes no maps.
    """
    progress, target = progress or Silent(), folder / FOLDER
    if dataset.manifest.digest != model.run.dataset_digest:
        raise DatasetError(
            f"{dataset.folder} has the digest {dataset.manifest.digest[:12]}, {folder.name} was trained on "
            f"{model.run.dataset_digest[:12]}; give the version it was trained on"
        )
    held_out = of_held_out_splits(model, dataset, progress)
    unseen = of_folds(model, dataset, folds, target / "folds", progress) if folds else held_out
    layer = last_spatial_layer(model.net, model.run.options.image_size)
    sheets = write_sheets(model, dataset, held_out, layer, target)
    mistakes = mistakes_of(held_out, model.classes)
    suspects = suspects_of(unseen, label_errors(unseen.labels, unseen.probabilities), model.classes)
    write_text(target / QUEUE, csv_of(QUEUE_COLUMNS, [asdict(one) for one in suspects]))
    columns = tuple(asdict(mistakes[0])) if mistakes else ("crop",)
    write_text(target / MISTAKES, csv_of(columns, [asdict(one) for one in mistakes]))
    document = {
        "format": FORMAT,
        "run": model.run.id,
        "dataset_digest": model.run.dataset_digest,
        "layer": layer,
        "sheets": sheets,
        "examples": len(held_out.examples),
        "mistakes": [asdict(one) for one in mistakes],
        "confused_pairs": [asdict(one) for one in confused_pairs(held_out, model.classes)],
        "judged": {
            "examples": len(unseen.examples),
            "how": unseen.how,
            "accuracy": round(float((unseen.probabilities.argmax(axis=1) == unseen.labels).mean()), 4),
        },
        "suspects": [asdict(one) for one in suspects],
    }
    write_json(target / DOCUMENT, document)
    return document


def write_sheets(model: Model, dataset: Dataset, unseen: Unseen, layer: str, target: Path) -> list[dict[str, Any]]:
    """A Grad-CAM sheet per class: what the model was surest of, right ones first; each is asked about what it said."""
    made = []
    predicted_N = unseen.probabilities.argmax(axis=1)
    sure_N = unseen.probabilities.max(axis=1)
    for number, name in enumerate(model.classes):
        rows = [int(row) for row in np.flatnonzero(unseen.labels == number)]
        rows.sort(key=lambda row: (-float(sure_N[row]), unseen.examples[row].id))
        right = [row for row in rows if predicted_N[row] == number][:RIGHT_SHOWN]
        wrong = [row for row in rows if predicted_N[row] != number][:WRONG_SHOWN]
        shown = right + wrong
        if not shown:
            continue
        images = read_images(dataset, [unseen.examples[row] for row in shown], model.run.options.image_size, Silent())
        asked = torch.tensor([int(predicted_N[row]) for row in shown], device=model.device)
        heat = looked_at(model.net, as_float(images.to(model.device)), asked, layer).cpu().numpy()
        cells = [
            Looked(
                image=np.ascontiguousarray(images[place].permute(1, 2, 0).numpy()),
                heat=heat[place],
                caption=f"{model.classes[int(predicted_N[row])]} {sure_N[row]:.0%}",
                right=row in right,
            )
            for place, row in enumerate(shown)
        ]
        file = f"gradcam-{number + 1:02d}.png"
        write_bytes(target / file, encode_png(sheet(f"{name}: {len(right)} right, {len(wrong)} wrong", cells)))
        made.append({"class": name, "file": file, "right": len(right), "wrong": len(wrong)})
    return made


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """CSV with a header; other fields of the rows are left out."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
