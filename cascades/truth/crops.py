"""Faces that come cut out: a folder of crops, or an .npz of windows."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascades.truth.labelled import SMALLEST_BOX_PX, Picture, Rejected, TruthBox
from pipeline.core.errors import ImageError, TruthError
from pipeline.core.images import read_rgb

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
MAX_PATCH_BYTES = 2 * 1024**3
"""of all patches in a .vec or .npz"""


def read_crops(folder: Path) -> tuple[list[Picture], list[Rejected]]:
    """Every image under `folder` as a face that fills it; the sub-folder it lies in names the character.

    Pictures are decoded to know that they can be; files that are no images are passed over, unreadable ones rejected.
    Raises TruthError where there is no image at all.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not files:
        raise TruthError(f"{folder}: no image in it; give a folder of cut-out faces, or a file of truth")
    pictures: list[Picture] = []
    rejected: list[Rejected] = []
    for path in files:
        within = path.relative_to(folder)
        try:
            height, width = read_rgb(path).shape[:2]
        except ImageError as error:
            rejected.append(Rejected(str(within), str(error)))
            continue
        if min(width, height) < SMALLEST_BOX_PX:
            least = f"{SMALLEST_BOX_PX}x{SMALLEST_BOX_PX}"
            rejected.append(Rejected(str(within), f"the crop is {width}x{height} pixels, at least {least} are needed"))
            continue
        character = within.parts[0] if len(within.parts) > 1 else ""
        box = TruthBox(left=0.0, top=0.0, right=float(width), bottom=float(height), character=character)
        pictures.append(Picture(name=str(within), path=path, frame=None, group="", boxes=(box,), is_crop=True))
    return pictures, rejected


def read_npz(path: Path) -> NDArray[np.uint8]:
    """The one array of an .npz: (N, H, W) uint8. Raises TruthError for anything else; nothing is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_PATCH_BYTES:
                raise TruthError(f"{path}: unpacks to more than {MAX_PATCH_BYTES >> 30} GiB; split it")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, MemoryError, SyntaxError) as error:
        raise TruthError(
            f"{path}: not a readable .npz of plain arrays ({str(error)[:120]}); write it with numpy.savez"
        ) from None
    if len(arrays) != 1:
        raise TruthError(f"{path}: holds {len(arrays)} arrays ({', '.join(sorted(arrays))}); exactly one is expected")
    (patches,) = arrays.values()
    if patches.dtype != np.uint8 or patches.ndim != 3:
        raise TruthError(
            f"{path}: its array is {patches.dtype} {patches.shape}, expected uint8 (N, H, W); "
            "save grey levels 0 to 255 with astype('uint8')"
        )
    if not len(patches) or min(patches.shape[1:]) < SMALLEST_BOX_PX:
        raise TruthError(
            f"{path}: {len(patches)} faces of {patches.shape[2]}x{patches.shape[1]} pixels; give some, "
            f"of {SMALLEST_BOX_PX}x{SMALLEST_BOX_PX} or more"
        )
    return np.asarray(patches)
