"""Truth as people keep it: COCO JSON, OpenCV info.dat and .vec, .npz, folders of crops. One file per outside format.

It is read into boxes on pictures, or into patches. A picture is an image file or one frame of a video; no path leads out
of the folder given. A bad row is rejected with its reason and the rest is used; a file without one good row is an error.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from cascades.truth.coco import read_coco
from cascades.truth.crops import read_crops, read_npz
from cascades.truth.labelled import Picture, Rejected, Truth, TruthBox, reasons
from cascades.truth.opencv_samples import read_info, read_vec
from pipeline.core.errors import InputError, TruthError
from pipeline.core.images import RGB, read_rgb

__all__ = ["Picture", "Rejected", "Truth", "TruthBox", "join_truths", "open_pictures", "read_truth", "reasons"]


def read_truth(path: Path, images: Path | None = None, size: tuple[int, int] | None = None) -> Truth:
    """Reads truth by what it is: a folder (crops), or a file's ending: .json (COCO), .npz, .vec, else info.dat.

    `images` is where pictures and videos lie; without it, the file's own folder. `size` is that of a .vec's windows,
    width and height; without it they are taken as square.

    Raises:
        TruthError: unreadable, of another kind, or without one usable row.
    """
    if path.is_dir():
        return _complete(path, *read_crops(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TruthError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from error
    if not content:
        raise TruthError(f"{path}: the file is empty; give COCO JSON, info.dat, .vec or .npz")
    folder = path.parent if images is None else images
    if not folder.is_dir():
        raise TruthError(f"{folder}: no such folder; --images names the folder that holds the pictures or videos")
    match path.suffix.lower():
        case ".json":
            return _complete(path, *read_coco(path, content, folder))
        case ".npz":
            return Truth(str(path), (), read_npz(path), ())
        case ".vec":
            return Truth(str(path), (), read_vec(path, content, size), ())
        case _:
            return _complete(path, *read_info(path, content, folder))


def join_truths(*truths: Truth) -> Truth:
    """Several as one: what they say of the same picture is said together, so that no box of one is mined by another.

    Raises:
        TruthError: one of them is patches, which have no pictures to join.
    """
    if any(truth.patches is not None for truth in truths):
        raise TruthError(
            "windows (.vec, .npz) cannot be joined with boxes on pictures; give pictures with boxes instead"
        )
    boxes: dict[tuple[Path, int | None, int | None], list[TruthBox]] = defaultdict(list)
    first: dict[tuple[Path, int | None, int | None], Picture] = {}
    for picture in (p for truth in truths for p in truth.pictures):
        key = (picture.path.resolve(), picture.frame, picture.pts)
        first.setdefault(key, picture)
        boxes[key] += [box for box in picture.boxes if box not in boxes[key]]
    return Truth(
        " and ".join(truth.name for truth in truths),
        tuple(replace(picture, boxes=tuple(boxes[key])) for key, picture in first.items()),
        None,
        tuple(row for truth in truths for row in truth.rejected),
    )


def open_pictures(pictures: Iterable[Picture], rejected: list[Rejected]) -> Iterator[tuple[Picture, RGB]]:
    """Each picture with its pixels; a video is decoded once for all its frames. What cannot be read goes to `rejected`."""
    in_order = sorted(pictures, key=lambda p: (str(p.path), p.frame or 0, p.pts or 0))
    for path, group in groupby(in_order, key=lambda p: p.path):
        members = list(group)
        by_frame: dict[int, list[Picture]] = defaultdict(list)
        by_pts: dict[int, list[Picture]] = defaultdict(list)
        for picture in members:
            if picture.pts is not None:
                by_pts[picture.pts].append(picture)
            elif picture.frame is not None:
                by_frame[picture.frame].append(picture)
            else:
                try:
                    yield picture, read_rgb(path)
                except InputError as error:
                    rejected.append(Rejected(picture.name, str(error)))
        if by_frame:
            yield from _open_frames(path, by_frame, rejected)
        if by_pts:
            yield from _open_times(path, by_pts, rejected)


def _open_frames(
    path: Path, wanted: dict[int, list[Picture]], rejected: list[Rejected]
) -> Iterator[tuple[Picture, RGB]]:
    from pipeline.frames import read_frames

    missing = dict(wanted)
    reason = "the video ends before this frame; frames count from 0 in decoding order"
    try:
        for index, image in read_frames(path, sorted(missing)):
            for picture in missing.pop(index):
                yield picture, image
    except InputError as error:
        reason = str(error)
    rejected += [Rejected(p.name, reason) for left_over in missing.values() for p in left_over]


def _open_times(
    path: Path, wanted: dict[int, list[Picture]], rejected: list[Rejected]
) -> Iterator[tuple[Picture, RGB]]:
    from pipeline.moments import frames_at_times

    missing = dict(wanted)
    reason = "no frame of the video has this pts; label the video as it is now"
    try:
        for frame in frames_at_times(path, sorted(missing)):
            for picture in missing.pop(frame.pts):
                yield picture, frame.image
    except InputError as error:
        reason = str(error)
    rejected += [Rejected(p.name, reason) for left_over in missing.values() for p in left_over]


def _complete(path: Path, pictures: list[Picture], rejected: list[Rejected]) -> Truth:
    if not any(not (b.ignored or b.rejected) for p in pictures for b in p.boxes):
        why = f" ({reasons(rejected)})" if rejected else ""
        repair = "correct these rows or give another file" if rejected else "label some faces or give another file"
        raise TruthError(f"{path}: no usable face box in it{why}; {repair}")
    return Truth(str(path), tuple(pictures), None, tuple(rejected))
