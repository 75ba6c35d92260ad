"""The crops of a workspace that may be asked about, and what is labelled already."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotate.agreement.consensus import consensus
from pipeline.core.answers import standing
from pipeline.core.errors import InputError
from pipeline.core.images import RGB, decode_rgb
from pipeline.core.records import Crop, DuplicateGroup, Label, Repeat
from pipeline.core.workspace import Workspace
from pipeline.duplicates.looks import LOOK_KIND, Looks, as_numbers, as_text, looks_of

ORIGINAL = "original"
"""the kind of a repeat that shows it first: asked about; openings, recaps and the like are not, as export leaves them out"""
ANSWERED = "answered or skipped already"
LIKE_ANSWERED = "near-duplicate of an answered crop"
LIKE_ANOTHER = "near-duplicate of another crop that may be asked about"
SHOWN_AGAIN = "in a shot that another episode shows too"
NO_PICTURE = "its picture is missing or damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Crops that may be asked about."""

    crops: tuple[Crop, ...]
    """by id, one of each near-duplicate group"""
    looks: Mapping[str, str]
    """crop -> its look, of these and of the answered ones"""
    answered: tuple[Crop, ...]
    """crops with an answer, by id"""
    classes: Mapping[str, str]
    """answered crop -> its class by majority; absent where it has none"""
    left_out: Mapping[str, int]
    """why a crop may not be asked about -> how many"""


def read_pool(workspace: Workspace) -> Pool:
    """The pool of a workspace as it stands. Near-duplicates are those of the last `dedupe`."""
    catalogue = workspace.catalogue
    labels = catalogue.all(Label)
    answered = {label.crop for label in standing(labels)}
    crops = {crop.id: crop for crop in catalogue.all(Crop)}
    again = {mark.id for mark in catalogue.all(Repeat) if mark.kind != ORIGINAL}
    left_out: Counter[str] = Counter()
    free: dict[str, Crop] = {}
    for id, crop in crops.items():
        if id in answered:
            left_out[ANSWERED] += 1
        elif crop.shot in again:
            left_out[SHOWN_AGAIN] += 1
        else:
            free[id] = crop
    for group in catalogue.all(DuplicateGroup):
        _leave_one(free, group, answered, left_out)
    asked = [crop for id, crop in crops.items() if id in answered]
    looks = _looks(workspace, [*free.values(), *asked])
    left_out[NO_PICTURE] += sum(id not in looks for id in free)
    agreed, _ = consensus(labels, ())
    return Pool(
        crops=tuple(crop for id, crop in sorted(free.items()) if id in looks), looks=looks,
        answered=tuple(sorted((crop for crop in asked if crop.id in looks), key=lambda one: one.id)),
        classes={id: found.label for id, found in agreed.items()},
        left_out={reason: n for reason, n in sorted(left_out.items()) if n},
    )  # fmt: skip


def looks_of_crops(pool: Pool, crops: Sequence[Crop]) -> Looks:
    """(N, LOOK_SIZE) in the order of the crops."""
    return as_numbers([pool.looks[crop.id] for crop in crops])


def picture_of(workspace: Workspace, crop: Crop) -> RGB | None:
    """(H, W, 3); None when it is missing or damaged."""
    try:
        return decode_rgb(workspace.objects.read(crop.sha256, ".png"), crop.id)
    except (InputError, OSError):
        return None


def _leave_one(free: dict[str, Crop], group: DuplicateGroup, answered: set[str], left_out: Counter[str]) -> None:
    """Of a near-duplicate group at most one stays: none where a member is answered, else the kept one, else the sharpest."""
    members = [id for id in group.members if id in free]
    if not members:
        return
    if answered.intersection(group.members):
        left_out[LIKE_ANSWERED] += len(members)
        stays = ""
    else:
        left_out[LIKE_ANOTHER] += len(members) - 1
        stays = group.kept if group.kept in free else max(members, key=lambda id: (free[id].sharpness, id))
    for id in members:
        if id != stays:
            del free[id]


def _looks(workspace: Workspace, crops: Sequence[Crop]) -> dict[str, str]:
    """Crop -> look: those that `dedupe` stored, the others computed now; absent where there is no picture."""
    stored = workspace.catalogue.hashes(LOOK_KIND)
    found = {crop.id: stored[crop.id] for crop in crops if crop.id in stored}
    for crop in crops:
        if crop.id not in found and (image := picture_of(workspace, crop)) is not None:
            [found[crop.id]] = as_text(looks_of([np.ascontiguousarray(image)]))
    return found
