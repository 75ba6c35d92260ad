"""Crops -> near-duplicate groups and components in the catalogue.

What is known of the crops' likeness lies in a file beside the catalogue, so that new crops are compared with the old
ones and these not with each other again. The file is a cache: without it, or when it does not belong to the catalogue's
groups, all is made anew, with the same outcome.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.conflicts import label_conflicts
from pipeline.core.catalogue import Catalogue
from pipeline.core.images import decode_rgb
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, DuplicateComponent, DuplicateGroup, Label, Repeat, Run
from pipeline.core.workspace import Workspace
from pipeline.duplicates import (
    LOOK_KIND,
    DedupeOptions,
    Found,
    Likeness,
    hashes_of,
    hashing,
    looks,
    looks_of,
)
from pipeline.duplicates.groups import recorded, regroup
from pipeline.duplicates.hashing import HASH_KINDS, Hashes
from pipeline.duplicates.looks import Looks
from pipeline.flow.runs import run_digest, run_of
from pipeline.leaks import Kinship

HASHES_PER_COMMIT = 500


def hash_crops(workspace: Workspace, progress: Progress | None = None, hash_name: str = "phash") -> None:
    """Computes what is missing of the crops' perceptual hashes and small pictures; pHash, which datasets name, always."""
    catalogue = workspace.catalogue
    names = sorted({"phash", hash_name})
    kinds = [LOOK_KIND, *(HASH_KINDS[name] for name in names)]
    hashed = [catalogue.hashed(kind) for kind in kinds]
    missing = [id for id in catalogue.ids(Crop) if any(id not in done for done in hashed)]
    with (progress or Silent()).step("hash", len(missing), "crops") as step:
        for start in range(0, len(missing), HASHES_PER_COMMIT):
            batch = catalogue.some(Crop, missing[start : start + HASHES_PER_COMMIT])
            ids = [crop.id for crop in batch]
            pictures = [decode_rgb(workspace.objects.read(c.sha256, ".png"), c.id) for c in batch]
            with catalogue.transaction():
                for name in names:
                    values = hashing.as_text(hashes_of(pictures, name))
                    catalogue.put_hashes(HASH_KINDS[name], dict(zip(ids, values, strict=True)))
                catalogue.put_hashes(LOOK_KIND, dict(zip(ids, looks.as_text(looks_of(pictures)), strict=True)))
            step.advance(len(batch))


def dedupe(workspace: Workspace, options: DedupeOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Brings the near-duplicate groups of all crops up to date and returns what `dedupe --json` prints.

    Groups are replaced where new crops or other options change them; no crop is touched.
    """
    began = time.monotonic()
    catalogue = workspace.catalogue
    hash_crops(workspace, progress, options.hash_name)
    ids = catalogue.ids(Crop)
    digest = _dedupe_digest(ids, options)
    change = _change(workspace, ids, digest, options)
    with catalogue.transaction():
        for id in change.gone_groups:
            catalogue.delete(DuplicateGroup, id=id)
        for id in change.gone_components:
            catalogue.delete(DuplicateComponent, id=id)
        catalogue.put([*change.found.groups, *change.found.components])
        groups = catalogue.all(DuplicateGroup)
        counts = _counts(len(ids), groups, catalogue.count(DuplicateComponent))
        seconds = time.monotonic() - began
        catalogue.put([run_of("dedupe", "all", digest, as_plain(options), counts, seconds)])
    if change.likeness:
        change.likeness.save(_cache(workspace), digest)
    return counts | {
        "compared": change.compared,
        "distance": options.distance,
        "conflicts": label_conflicts(groups, catalogue.all(Label)),
        "seconds": round(time.monotonic() - began, 3),
    }


def dedupe_if_stale(workspace: Workspace, progress: Progress | None = None) -> None:
    """Groups near-duplicates again, as last asked for, when crops came or went since: no split may rest on old groups."""
    last = workspace.catalogue.get(Run, "dedupe:all")
    options = DedupeOptions(**json.loads(last.options)) if last else DedupeOptions()
    if last is None or last.digest != _dedupe_digest(workspace.catalogue.ids(Crop), options):
        dedupe(workspace, options, progress)


def kinship_of(workspace: Workspace) -> Kinship:
    """What splits must keep together, and what the leak certificate looks for, by the last `dedupe`."""
    catalogue = workspace.catalogue
    last = catalogue.get(Run, "dedupe:all")
    near = DedupeOptions(**json.loads(last.options)) if last else DedupeOptions()
    labelled = sorted({label.crop for label in catalogue.all(Label)})
    return Kinship(
        ties=[c.members for c in catalogue.all(DuplicateComponent)]
        + [g.members for g in catalogue.all(DuplicateGroup)],
        repeats={mark.id: mark.group for mark in catalogue.all(Repeat)},
        looks=catalogue.hashes(LOOK_KIND, labelled) if near.hash_name == "phash" else {},
        near=near,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a call does to the catalogue."""

    likeness: Likeness | None = None
    """to be kept; None when nothing changed"""
    found: Found = field(default_factory=lambda: Found(groups=[], components=[]))
    """new or changed groups and components"""
    gone_groups: Iterable[str] = ()
    """ids of groups that are no more"""
    gone_components: Iterable[str] = ()
    """ids of components that are no more"""
    compared: int = 0
    """crops that were compared with all others"""


def _change(workspace: Workspace, ids: list[str], digest: str, options: DedupeOptions) -> _Change:
    last = workspace.catalogue.get(Run, "dedupe:all")
    likeness = Likeness.load(_cache(workspace), last.digest) if last else None
    if last is None or likeness is None or set(likeness.ids) - set(ids):
        return _all_anew(workspace, Likeness(), ids, options)
    if last.digest == digest:
        return _Change()
    if json.loads(last.options) != as_plain(options):
        same_hash = json.loads(last.options)["hash_name"] == options.hash_name
        return _all_anew(workspace, likeness if same_hash else Likeness(), ids, options)
    return _with_new(workspace, likeness, ids, options)


def _all_anew(workspace: Workspace, likeness: Likeness, ids: list[str], options: DedupeOptions) -> _Change:
    """Compares all with all; fingerprints that are known are not read again."""
    catalogue = workspace.catalogue
    likeness.take_in(*_fingerprints(catalogue, likeness, ids, options))
    likeness.join_anew(options)
    return _Change(
        likeness=likeness,
        found=regroup(likeness, catalogue.all(Crop), options),
        gone_groups=catalogue.ids(DuplicateGroup),
        gone_components=catalogue.ids(DuplicateComponent),
        compared=len(ids),
    )


def _with_new(workspace: Workspace, likeness: Likeness, ids: list[str], options: DedupeOptions) -> _Change:
    """Compares new crops with all, and makes the groups anew that they touch."""
    before = replace(likeness)
    old = len(likeness.ids)
    likeness.add(*_fingerprints(workspace.catalogue, likeness, ids, options), options)
    root_N = likeness.roots[likeness.fingerprints]
    touched_N = np.flatnonzero(np.isin(root_N, root_N[old:]))
    gone_groups, gone_components = recorded(before, touched_N[touched_N < old])
    crops = workspace.catalogue.some(Crop, (likeness.ids[n] for n in touched_N))
    return _Change(
        likeness=likeness,
        found=regroup(likeness, crops, options),
        gone_groups=gone_groups,
        gone_components=gone_components,
        compared=len(likeness.ids) - old,
    )


def _fingerprints(
    catalogue: Catalogue, likeness: Likeness, ids: list[str], options: DedupeOptions
) -> tuple[list[str], Hashes, Looks]:
    """Ids, hashes and looks of the crops that are not yet known."""
    known = set(likeness.ids)
    new = [id for id in ids if id not in known]
    hashes, pictures = (
        catalogue.hashes(kind, new if known else None) for kind in (HASH_KINDS[options.hash_name], LOOK_KIND)
    )
    return new, hashing.as_numbers([hashes[id] for id in new]), looks.as_numbers([pictures[id] for id in new])


def _counts(crops: int, groups: list[DuplicateGroup], components: int) -> dict[str, Any]:
    marked = sum(len(group.members) - 1 for group in groups)
    return {
        "crops": crops,
        "groups": len(groups),
        "kept": crops - marked,
        "marked": marked,
        "components": components,
        "widest_bits": max((group.diameter_bits for group in groups), default=0),
    }


def _cache(workspace: Workspace) -> Path:
    return workspace.root / "cache" / "likeness.npz"


def _dedupe_digest(ids: list[str], options: DedupeOptions) -> str:
    return run_digest("dedupe", [as_plain(options), HASH_KINDS[options.hash_name], LOOK_KIND, ids])
