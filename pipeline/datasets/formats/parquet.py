"""Parquet as Hugging Face `datasets` reads it: images embedded, the label a ClassLabel, every column typed.

    data/train-00000-of-00001.parquet, data/validation-..., data/test-...
    README.md    the card; its first lines tell `load_dataset(FOLDER)` which file is which split

Hugging Face calls the second split `validation`.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.core.files import whole_file, write_text
from pipeline.core.manifest import Dataset, Example, as_row
from pipeline.datasets.formats.pictures import by_split, card_of, shards, suffix_of
from pipeline.datasets.versions import Tick

SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}
ROW_GROUP = 100
"""examples; small enough for viewers to show one without reading a shard"""
LEFT_OUT = ("file", "label", "soft_label")
"""of a row: written otherwise here"""


def write(dataset: Dataset, folder: Path, tick: Tick) -> None:
    """Writes data/*.parquet and README.md."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(dataset.manifest.classes)
    (folder / "data").mkdir()
    for split, examples in by_split(dataset):
        written: list[Path] = []
        for held in shards(dataset, examples):
            path = folder / "data" / f"{SPLIT_NAMES[split]}-{len(written):05d}"
            rows = [_row(dataset, example, content) for example, content in held]
            with whole_file(path) as stream:
                table = pa.Table.from_pylist(rows, schema=schema)
                pq.write_table(table, stream, compression="zstd", row_group_size=ROW_GROUP)
            written.append(path)
            tick(len(rows))
        for path in written:
            path.rename(path.with_name(f"{path.name}-of-{len(written):05d}.parquet"))
    write_text(folder / "README.md", front_matter(dataset) + card_of(dataset))


def front_matter(dataset: Dataset) -> str:
    """The first lines of the card, for the Hugging Face hub: the files of every split, and the size."""
    lines = ["---", f"pretty_name: {dataset.manifest.name}", "task_categories:", "- image-classification", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    for split, _ in by_split(dataset):
        lines += [f"  - split: {SPLIT_NAMES[split]}", f"    path: data/{SPLIT_NAMES[split]}-*"]
    return "\n".join([*lines, "---", "", ""])


def _row(dataset: Dataset, example: Example, content: bytes) -> dict[str, Any]:
    row = {key: value for key, value in as_row(example).items() if key not in LEFT_OUT}
    return row | {
        "image": {"bytes": content, "path": f"{example.id}{suffix_of(example)}"},
        "label": dataset.manifest.classes.index(example.label),
        "soft_label": list(example.soft_label),
    }


def _schema(classes: tuple[str, ...]) -> Any:
    """The Arrow schema, and in its metadata the same as Hugging Face's features."""
    import pyarrow as pa

    text, whole = ("string", pa.string()), ("int64", pa.int64())
    columns: dict[str, tuple[str, Any]] = {
        "id": text, "sha256": text, "split": text, "character": text, "episode": text, "pts": whole,
        "time_base_num": whole, "time_base_den": whole, "shot": text, "track": text, "left": whole, "top": whole,
        "right": whole, "bottom": whole, "cascade": text, "phash": text, "annotators": whole, "source": text,
    }  # fmt: skip
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("image", picture), ("label", pa.int64()), ("soft_label", pa.list_(pa.float64()))]
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
        # what versions before 4 call a list; later ones read it too
        "soft_label": {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "Sequence"},
    }
    for name, (word, kind) in columns.items():
        fields.append((name, kind))
        features[name] = {"dtype": word, "_type": "Value"}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
