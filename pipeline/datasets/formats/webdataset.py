"""WebDataset: tar shards that are read from front to back.

    train-000000.tar, ..., val-000000.tar, test-000000.tar
        00000017.png     the picture
        00000017.cls     the number of its class, in the order of classes.txt
        00000017.json    its row

The examples of a split are shuffled once, by a hash, because readers shuffle only a little at a time; every file has
the same owner and date, so the same version gives the same bytes.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from pipeline.core.files import whole_file, write_text
from pipeline.core.manifest import Dataset, Example, as_row
from pipeline.datasets.formats.pictures import by_split, shards, suffix_of
from pipeline.datasets.versions import Tick

CLASSES = "classes.txt"
"""one class per line"""


def write(dataset: Dataset, folder: Path, tick: Tick) -> None:
    """Writes the shards and classes.txt."""
    write_text(folder / CLASSES, "".join(f"{name}\n" for name in dataset.manifest.classes))
    for split, examples in by_split(dataset):
        examples.sort(key=lambda e: hashlib.sha256(e.id.encode()).digest())
        number = 0
        for shard, held in enumerate(shards(dataset, examples)):
            with (
                whole_file(folder / f"{split}-{shard:06d}.tar") as stream,
                tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
            ):
                for example, content in held:
                    _add(tar, f"{number:08d}", dataset, example, content)
                    number += 1
            tick(len(held))


def _add(tar: tarfile.TarFile, key: str, dataset: Dataset, example: Example, content: bytes) -> None:
    place = dataset.manifest.classes.index(example.label)
    row = {name: value for name, value in as_row(example).items() if name != "file"}
    for suffix, text in (
        (suffix_of(example), content),
        (".cls", str(place).encode()),
        (".json", json.dumps(row, ensure_ascii=False).encode()),
    ):
        member = tarfile.TarInfo(key + suffix)
        member.size, member.mode = len(text), 0o644
        tar.addfile(member, io.BytesIO(text))
