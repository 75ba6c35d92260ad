"""Other people's data sets -> dataset versions, their own splits respected, or leak-free ones made."""

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import SPLITS, Example
from pipeline.core.options import as_plain
from pipeline.core.places import Box
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, DatasetVersion
from pipeline.core.workspace import Workspace, checked_name
from pipeline.datasets.outside import read_outside
from pipeline.datasets.outside.gather import (
    Gathered,
    examples_of,
    gather,
    identified,
    looks_of,
    single_classes,
)
from pipeline.datasets.outside.pictures import Rejected
from pipeline.duplicates import DedupeOptions, Found, find_groups, look, phash
from pipeline.flow.versions import Content, put_version
from pipeline.leaks import Kinship, leak_certificate
from pipeline.splits import Candidate, SplitOptions, share_out


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How an outside data set becomes a version."""

    split: SplitOptions = field(default_factory=SplitOptions)
    """shares and seed, where splits have to be made"""
    resplit: bool = False
    """make splits even where the data set has its own"""
    test_characters: tuple[str, ...] = ()
    """all their pictures become the test split; the rest is shared out"""
    dedupe: DedupeOptions = field(default_factory=DedupeOptions)
    """what counts as alike, and so is never parted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """What `import dataset` made or found."""

    dataset: DatasetVersion
    """its record"""
    already: bool
    """whether this version was there before"""
    examples: list[Example]
    """its rows"""
    classes: tuple[str, ...]
    """sorted"""
    rejected: list[Rejected]
    """what could not be used"""
    left_out: dict[str, int]
    """why something usable is not in it -> how many"""
    leaks: dict[str, Any]
    """the certificate"""
    own_splits: bool
    """whether its own splits were taken over"""
    notes: list[str]
    """what a reader has to know"""


def import_dataset(
    workspace: Workspace, kind: str, path: Path, name: str, options: ImportOptions, progress: Progress | None = None
) -> ImportOutcome:
    """Reads the data set and writes it as a version of `name`.

    Raises:
        InputError: the name cannot be a file name.
        UsageError: no such kind, or an unknown character.
        DatasetError: nothing in it can be used.
    """
    checked_name(name, "dataset")
    spool = workspace.root / "datasets" / f".part-import-{name}"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    try:
        see = partial(looks_of, hashes=(phash, look))
        with (progress or Silent()).step("read", None, "pictures") as step:
            gathered = gather(read_outside(kind, path), spool, see, lambda: step.advance(1))
        if not gathered.pictures:
            first = f"; {gathered.rejected[0].source}: {gathered.rejected[0].reason}" if gathered.rejected else ""
            raise DatasetError(f"{path}: none of it can be imported ({len(gathered.rejected)} rejected{first})")
        return _made(workspace, kind, name, options, gathered, spool, progress)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def import_summary(workspace: Workspace, outcome: ImportOutcome) -> dict[str, Any]:
    """The fields that `import dataset --json` prints."""
    return {
        "version": outcome.dataset.id,
        "digest": outcome.dataset.digest,
        "path": str(workspace.root / outcome.dataset.path),
        "already": outcome.already,
        "imported": len(outcome.examples),
        "examples": len(outcome.examples),
        "rejected": [{"row": one.source, "reason": one.reason} for one in outcome.rejected],
        "splits": {split: sum(e.split == split for e in outcome.examples) for split in SPLITS},
        "classes": {label: sum(e.label == label for e in outcome.examples) for label in outcome.classes},
        "own_splits": outcome.own_splits,
        "left_out": outcome.left_out,
        "leaks": outcome.leaks["leaks"],
        "notes": outcome.notes,
    }


def _made(
    workspace: Workspace,
    kind: str,
    name: str,
    options: ImportOptions,
    gathered: Gathered,
    spool: Path,
    progress: Progress | None,
) -> ImportOutcome:
    crops = _as_crops(gathered)
    looks = {id: one[2] for id, one in identified(gathered).items()}
    found = find_groups(
        crops, {id: seen.phash for id, seen in looks.items()}, {id: seen.look for id, seen in looks.items()},
        options.dedupe,
    )  # fmt: skip
    own = not options.resplit and not options.test_characters and all(p.split for p, _, _ in gathered.pictures)
    split_of, left_out = ({}, {}) if own else _shared_out(crops, found, gathered, options)
    if not own:
        tied = {id for id in looks if id not in split_of}
        gathered.pictures = [one for id, one in identified(gathered).items() if id not in tied]
    examples, classes = examples_of(gathered, lambda id, picture: picture.split if own else split_of[id])
    kinship = Kinship(
        ties=[c.members for c in found.components],
        looks={id: seen.look for id, seen in looks.items()},
        near=options.dedupe,
    )
    leaks = leak_certificate(examples, SplitOptions(), kinship)
    restored = own and not gathered.rejected and isinstance(gathered.origin.get("options"), dict)
    made = {"import": {"kind": kind, "own_splits": own}} | ({} if own else {"split": _split_options(options)})
    content = Content(
        name=name, examples=examples, classes=classes, options=gathered.origin["options"] if restored else made,
        leaks=leaks, left_out=left_out | ({"rejected": len(gathered.rejected)} if gathered.rejected else {}),
        parent=str(gathered.origin.get("parent" if restored else "digest") or ""),
    )  # fmt: skip
    sources = {e.id: e.sha256 for e in examples}
    record, already = put_version(workspace, content, lambda e: (spool / sources[e.id]).read_bytes(), progress)
    return ImportOutcome(
        dataset=record, already=already, examples=examples, classes=classes, rejected=gathered.rejected,
        left_out=left_out, leaks=leaks, own_splits=own, notes=_notes(examples, found, leaks, own),
    )  # fmt: skip


def _as_crops(gathered: Gathered) -> list[Crop]:
    """The pictures as what the stages of duplicates and splits take; each is a shot and a track of its own."""
    return [
        Crop(
            id=id, episode=picture.character or id, shot=id, track=id, pts=0,
            box=Box(left=0, top=0, right=seen.width, bottom=seen.height), character=picture.character, cascade="",
            score=0.0, sharpness=0.0, sha256=digest,
        )
        for id, (picture, digest, seen) in identified(gathered).items()
    ]  # fmt: skip


def _shared_out(
    crops: list[Crop], found: Found, gathered: Gathered, options: ImportOptions
) -> tuple[dict[str, str], dict[str, int]]:
    """Id -> split, near-duplicates together; and how many are left out because they look like a test character's."""
    characters = {crop.character for crop in crops}
    unknown = sorted(set(options.test_characters) - characters)
    if unknown:
        there = ", ".join(sorted(filter(None, characters))) or "none"
        raise UsageError(f"--test-character {unknown[0]}: the data set has no such character; there are {there}")
    labels = {id: one[0].label for id, one in identified(gathered).items()}
    candidates = [
        Candidate(id=c.id, label=labels[c.id], character=c.character, episode=c.character or c.id) for c in crops
    ]
    shares = SplitOptions(
        shares=options.split.shares, seed=options.split.seed, test_episodes=options.test_characters
    )  # a character is an episode here: what is held out, and what looks like it is left out
    shared = share_out(candidates, [c.members for c in found.components], shares)
    tied = len(shared.left_out)
    return shared.split_of, {"looks like a test character's": tied} if tied else {}


def _split_options(options: ImportOptions) -> dict[str, Any]:
    plain = as_plain(options)
    return {
        "unit": "picture", "shares": plain["split"]["shares"], "seed": plain["split"]["seed"],
        "test_characters": plain["test_characters"], "dedupe": plain["dedupe"],
    }  # fmt: skip


def _notes(examples: list[Example], found: Found, leaks: dict[str, Any], own: bool) -> list[str]:
    notes = [
        f"class {name!r} has one example: it cannot be both learned and scored" for name in single_classes(examples)
    ]
    for split in ("train", "test"):
        if not any(e.split == split for e in examples):
            why = "--resplit makes one" if own else "there are too few pictures that do not look alike to fill it"
            notes.append(f"there is no {split} split; {why}")
    largest = max((len(component.members) for component in found.components), default=0)
    if len(examples) > 1 and largest * 2 > len(examples):
        notes.append(f"{largest} of {len(examples)} pictures look alike and stay together in one split")
    if own and leaks["leaks"]:
        notes.append(
            f"its own splits leak: {leaks['shared_components']} groups of look-alikes lie in several; --resplit makes others"
        )
    return notes
