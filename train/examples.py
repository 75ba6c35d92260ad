"""Dataset folder -> tensors in memory: every picture checked, letter-boxed and scaled once."""

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline.core.errors import DatasetError, ImageError, InputError
from pipeline.core.images import RGB, decode_rgb
from pipeline.core.manifest import SPLITS, Dataset, Example
from pipeline.core.progress import Progress
from train.augment import GREY, MARGIN
from train.classes import class_of, source_of
from train.options import TrainOptions
from train.storage import fits, on_disk

FILL = 127
"""grey level beside a picture that is not square"""
READERS = 4
"""threads; Pillow and hashlib work outside the interpreter's lock"""
CHUNK = 4096
"""pictures whose statistics are summed at once"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The examples of one split, in the order of their ids."""

    examples: tuple[Example, ...]
    """the rows"""
    images: Tensor
    """(N, 3, S, S) uint8, red first; on the device, or in a file behind the CPU's memory"""
    labels: Tensor
    """(N,) int64, places in the classes"""
    targets: Tensor
    """(N, C) float32, rows sum to 1: what training aims at"""

    def __len__(self) -> int:
        return len(self.labels)

    def pictures(self, rows: Tensor) -> Tensor:
        """(n, 3, S, S) uint8 of these row numbers, on the labels' device, channels last in memory."""
        in_rows_NSS3 = self.images.permute(0, 2, 3, 1)  # each picture is one piece of memory then
        found = in_rows_NSS3.index_select(0, rows.to(self.images.device)).permute(0, 3, 1, 2)
        return found.to(self.labels.device, non_blocking=True)

    @property
    def sources(self) -> list[str]:
        """Per example what `source_of` says."""
        return [source_of(example) for example in self.examples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """A dataset version ready for training."""

    train: Split
    """larger pictures than the others where they will be augmented"""
    val: Split
    """may be empty"""
    test: Split
    """never empty"""


def read_examples(
    dataset: Dataset,
    classes: Sequence[str],
    options: TrainOptions,
    device: torch.device,
    progress: Progress,
    folder: Path | None = None,
) -> Examples:
    """The splits of a dataset on the device; what does not fit there lies in unnamed files in `folder`.

    Raises:
        DatasetError: an image is missing, changed since the export, or no image.
        DiskFullError: no room for the decoded pictures.
    """
    splits = {}
    for split in SPLITS:
        rows = tuple(example for example in dataset.examples if example.split == split)
        side = round(options.image_size * MARGIN) if split == "train" and options.augment else options.image_size
        labels = labels_of(rows, classes, options)
        if fits(len(rows), side, options, device):
            images = read_images(dataset, rows, side, progress).to(device)
        else:
            images = read_images(dataset, rows, side, progress, folder or Path(tempfile.gettempdir()))
        splits[split] = Split(
            examples=rows,
            images=images,
            labels=labels.to(device),
            targets=_targets(dataset, rows, labels, classes, options).to(device),
        )
    return Examples(**splits)


def labels_of(examples: Sequence[Example], classes: Sequence[str], options: TrainOptions) -> Tensor:
    """(N,) int64: the place of each example's class."""
    place = {name: index for index, name in enumerate(classes)}
    return torch.tensor([place[class_of(e, e.label, options)] for e in examples], dtype=torch.int64)


def read_images(
    dataset: Dataset, examples: Sequence[Example], side: int, progress: Progress, folder: Path | None = None
) -> Tensor:
    """(N, 3, side, side) uint8 images of the examples, channels last in memory, each checked against its digest.

    With a folder they lie in an unnamed file there. Raises DatasetError, DiskFullError.
    """
    shape = (len(examples), side, side, 3)
    images_NHW3 = np.empty(shape, dtype=np.uint8) if folder is None else on_disk(shape, folder)
    faults: list[str] = []
    with ThreadPoolExecutor(READERS) as pool, progress.step("read images", len(examples), "images") as step:
        read = partial(_read_checked, dataset, side)
        for place, found in enumerate(pool.map(read, examples)):
            if isinstance(found, str):
                faults.append(found)
            else:
                images_NHW3[place] = found
            step.advance()
    if faults:
        more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
        raise DatasetError(f"{dataset.folder}: {faults[0]}{more}; export the dataset again, or restore the file")
    return torch.from_numpy(images_NHW3).permute(0, 3, 1, 2)


def letterboxed(image_HW3: RGB, side: int) -> RGB:
    """The image scaled, its shape kept, into a square of that side; grey fills what is left over."""
    height, width = image_HW3.shape[:2]
    scale = side / max(height, width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    scaled = image_HW3
    if inner != (height, width):
        picture = Image.fromarray(image_HW3).resize((inner[1], inner[0]), Image.Resampling.BILINEAR)
        scaled = np.asarray(picture, dtype=np.uint8)
    if inner == (side, side):
        return scaled
    square = np.full((side, side, 3), FILL, dtype=np.uint8)
    top, left = (side - inner[0]) // 2, (side - inner[1]) // 2
    square[top : top + inner[0], left : left + inner[1]] = scaled
    return square


def colour_statistics(images_N3SS: Tensor, *, grey: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3,) of red, green, blue over all pixels, in 0..1, on the CPU; the deviation at least 0.01.

    With `grey` those of the luma, three times.
    """
    weights = torch.tensor(GREY, dtype=torch.float64, device=images_N3SS.device).reshape(1, 3, 1, 1)
    total, squares = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for chunk in torch.split(images_N3SS, CHUNK):
        values = chunk.contiguous().to(torch.float64) / 255
        if grey:
            values = (values * weights).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)
        total += values.sum(dim=(0, 2, 3)).cpu()
        squares += values.square().sum(dim=(0, 2, 3)).cpu()
    pixels = images_N3SS.numel() / 3
    mean = total / pixels
    deviation = (squares / pixels - mean.square()).clamp(min=0).sqrt()
    return mean.float(), deviation.clamp(min=0.01).float()


def mean_colours(images_N3SS: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(N, 3) mean red, green and blue of each image, 0..255."""
    chunks = [chunk.to(torch.float64).mean(dim=(2, 3)).cpu() for chunk in torch.split(images_N3SS, CHUNK)]
    return np.asarray(torch.cat(chunks).numpy(), dtype=np.float64)


def _read_checked(dataset: Dataset, side: int, example: Example) -> RGB | str:
    """The letter-boxed image, or what is wrong with it."""
    try:
        content = dataset.image_path(example).read_bytes()
        if hashlib.sha256(content).hexdigest() != example.sha256:
            return f"{example.file} " + ("differs from what was exported" if content else "is empty")
        return letterboxed(decode_rgb(content, example.file), side)
    except FileNotFoundError:
        return f"{example.file} is missing"
    except OSError as error:
        return f"{example.file} cannot be read ({error.strerror or error})"
    except (ImageError, InputError) as error:
        return str(error)


def _targets(
    dataset: Dataset, rows: Sequence[Example], labels: Tensor, classes: Sequence[str], options: TrainOptions
) -> Tensor:
    """(N, C): all on the label, or the annotators' shares."""
    if not options.soft_labels:
        return torch.nn.functional.one_hot(labels, len(classes)).to(torch.float32)
    targets = torch.zeros((len(rows), len(classes)))
    place = {name: index for index, name in enumerate(classes)}
    for row, example in enumerate(rows):
        shares = example.soft_label
        if len(shares) != len(dataset.manifest.classes) or not sum(shares) > 0:
            raise DatasetError(
                f"example {example.id} has the soft label {shares}, not one share per class; export the dataset again, "
                "or train with --set soft_labels=false"
            )
        for emotion, share in zip(dataset.manifest.classes, shares, strict=True):
            name = class_of(example, emotion, options)
            if name in place:  # a character may never have shown an emotion that an annotator saw once
                targets[row, place[name]] = share
    return targets / targets.sum(dim=1, keepdim=True)
