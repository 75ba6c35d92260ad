"""COCO: annotations/SPLIT.json over images/SPLIT/. A picture is one face, so its one annotation covers it.

What COCO has no field for stands in each annotation's `attributes`, as CVAT and others do: the whole row.
"""

from pathlib import Path
from typing import Any

from pipeline.core.files import write_json
from pipeline.core.images import decode_rgb
from pipeline.core.manifest import Dataset, Example, as_row
from pipeline.datasets.formats.pictures import by_split, read_picture, suffix_of
from pipeline.datasets.versions import Tick, write_new


def write(dataset: Dataset, folder: Path, tick: Tick) -> None:
    """Writes images/SPLIT/ID.png and annotations/SPLIT.json."""
    manifest = dataset.manifest
    categories = [{"id": n, "name": name, "supercategory": "emotion"} for n, name in enumerate(manifest.classes, 1)]
    (folder / "annotations").mkdir()
    for split, examples in by_split(dataset):
        (folder / "images" / split).mkdir(parents=True)
        images, annotations = [], []
        for number, example in enumerate(examples, 1):
            content = read_picture(dataset, example)
            height, width = decode_rgb(content, example.file).shape[:2]
            name = f"{example.id}{suffix_of(example)}"
            write_new(str(folder / "images" / split / name), content)
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            annotations.append(_annotation(number, example, manifest.classes, width, height))
            tick(1)
        info = {"description": f"{manifest.name}, version {manifest.version}, {split}", "version": manifest.digest}
        write_json(
            folder / "annotations" / f"{split}.json",
            {
                "info": info,
                "licenses": [],
                "images": images,
                "annotations": annotations,
                "categories": categories,
            },
        )


def _annotation(number: int, example: Example, classes: tuple[str, ...], width: int, height: int) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": number,
        "category_id": classes.index(example.label) + 1,
        "bbox": [0, 0, width, height],
        "area": width * height,
        "segmentation": [],
        "iscrowd": 0,
        "attributes": {name: value for name, value in as_row(example).items() if name != "file"},
    }
