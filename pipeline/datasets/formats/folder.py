"""The version itself, copied file by file: for `export --out`, when it is to lie elsewhere."""

from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import Dataset
from pipeline.core.sums import altered_files, files_below, read_sums
from pipeline.datasets.formats.pictures import read_picture
from pipeline.datasets.versions import Tick, write_new


def write(dataset: Dataset, folder: Path, tick: Tick) -> None:
    """Copies every file of the version. Raises DatasetError when one is damaged."""
    pictures = {example.file: example for example in dataset.examples}
    sums = read_sums(dataset.folder)
    rest = [file for file in files_below(dataset.folder) if file not in pictures]
    for file, fault in altered_files(dataset.folder, [(file, sums[file]) for file in rest if file in sums]):
        raise DatasetError(f"{dataset.folder / file} {fault}; export the dataset again")
    for file in rest:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_new(str(folder / file), (dataset.folder / file).read_bytes())
    for file, example in pictures.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_new(str(folder / file), read_picture(dataset, example))
        tick(1)
