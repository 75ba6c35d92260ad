"""Labels -> what a dataset version will hold: the crops, their rows, their splits, and proof that nothing leaks.

`pipeline.datasets` writes it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotate.agreement.consensus import MAJORITY, METHODS, Consensus, consensus
from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Example, content_digest
from pipeline.core.options import as_plain
from pipeline.core.places import Place
from pipeline.core.records import NO_CLASS, Crop, DuplicateGroup, Episode, Label
from pipeline.duplicates import best_of
from pipeline.leaks import Kinship, leak_certificate
from pipeline.splits import Candidate, SplitOptions, share_out


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What goes into a dataset version, and how it is split."""

    split: SplitOptions = field(default_factory=SplitOptions)
    """shares, unit, seed"""
    exclude: tuple[str, ...] = NO_CLASS
    """answers that are no class of the dataset"""
    duplicates: bool = False
    """whether to export every member of a near-duplicate group, not only the one it keeps"""
    with_repeats: bool = False
    """whether to take crops of shots that other episodes show too: openings, endings, recaps"""
    allow_leaks: bool = False
    """whether to write a version whose certificate counts leaks"""
    consensus: str = MAJORITY
    """how answers that differ become a class, see annotate.agreement.consensus"""
    min_agreement: float = 0.0
    """a crop is left out where less than this share of its answers (or of probability) is for its class"""

    def __post_init__(self) -> None:
        if self.consensus not in METHODS:
            raise UsageError(f"consensus must be one of {', '.join(METHODS)}; got {self.consensus!r}")
        if not 0 <= self.min_agreement <= 1:
            raise UsageError(f"the least agreement must be between 0 and 1; got {self.min_agreement:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A dataset version before it is written."""

    examples: list[Example]
    """sorted by id"""
    classes: tuple[str, ...]
    """sorted"""
    options: dict[str, Any]
    """resolved, plain"""
    digest: str
    """what makes two versions the same"""
    leaks: dict[str, Any]
    """the certificate"""
    balance: dict[str, Any]
    """how close the splits came to the wanted shares, see splits.balance_of"""
    left_out: dict[str, int]
    """why labelled crops are not in it -> how many"""
    sources: dict[str, str]
    """example id -> digest of its picture in the file store"""


def draft(
    name: str,
    crops: list[Crop],
    labels: list[Label],
    groups: list[DuplicateGroup],
    hashes: dict[str, str],
    episodes: dict[str, Episode],
    options: ExportOptions,
    kinship: Kinship,
    repeated: Mapping[str, str] | None = None,
) -> Draft:
    """Everything of a dataset version but its files.

    Args:
        repeated: shot id -> `opening`, `ending`, ..., for the shots that are left out unless the options keep them.

    Raises:
        DatasetError: no labelled crop is left, or the splits would leak.
    """
    agreed, left_out = consensus(labels, options.exclude, options.consensus, options.min_agreement)
    by_id = {crop.id: crop for crop in crops}
    for crop in agreed:
        if crop not in by_id:
            left_out["labelled by place, no crop" if Place.read(crop) else "crop no longer there"] += 1
    chosen = {crop: by_id[crop] for crop in agreed if crop in by_id}
    if repeated and not options.with_repeats:
        left_out.update(f"in a shot shown again ({repeated[c.shot]})" for c in chosen.values() if c.shot in repeated)
        chosen = {id: crop for id, crop in chosen.items() if crop.shot not in repeated}
    if not options.duplicates:
        chosen = _without_duplicates(chosen, groups, agreed, left_out)
    if not chosen:
        raise DatasetError(
            f"dataset {name!r} would be empty: {len(labels)} labels, none on a crop that can be exported"
            f" ({_reasons(left_out)}); label crops first, e.g. `toonsift import labels FILE`"
        )
    classes = tuple(
        sorted({agreed[crop].label for crop in chosen} | {c for crop in chosen for c in agreed[crop].shares})
    )
    tied = {member for members in kinship.ties for member in members if member not in chosen}
    shared = share_out(
        [_candidate(crop, agreed[crop.id], episodes) for crop in chosen.values()],
        kinship.ties, options.split, kinship.repeats,
        [_candidate(crop, None, episodes) for crop in crops if crop.id in tied],
    )  # fmt: skip
    left_out.update(shared.left_out.values())
    examples = [
        _example(crop, agreed[crop.id], shared.split_of[crop.id], classes, hashes, episodes)
        for crop in chosen.values()
        if crop.id in shared.split_of
    ]
    examples.sort(key=lambda e: e.id)
    plain = _plain(options)
    leaks = leak_certificate(examples, options.split, kinship)
    if leaks["leaks"] and not options.allow_leaks:
        raise DatasetError(
            f"dataset {name!r} would leak between its splits: {json.dumps(leaks)}; split it anew,"
            " or give --allow-leaks to write it as it is"
        )
    return Draft(
        examples=examples,
        classes=classes,
        options=plain,
        digest=content_digest(name, classes, plain, examples),
        leaks=leaks,
        balance=shared.balance,
        left_out={reason: n for reason, n in sorted(left_out.items()) if n},
        sources={example.id: by_id[example.id].sha256 for example in examples},
    )


def _plain(options: ExportOptions) -> dict[str, Any]:
    """The options as a version keeps them; how answers are weighed only where it was asked for: older digests stay."""
    plain, usual = as_plain(options), as_plain(ExportOptions())
    return {k: v for k, v in plain.items() if k not in ("consensus", "min_agreement") or v != usual[k]}


def _without_duplicates(
    chosen: dict[str, Crop], groups: list[DuplicateGroup], agreed: dict[str, Consensus], left_out: Counter[str]
) -> dict[str, Crop]:
    """One labelled crop of each group: the kept one, else the best; a group whose labels differ is a conflict."""
    dropped: set[str] = set()
    for group in groups:
        labelled = [chosen[m] for m in group.members if m in chosen]
        if len(labelled) < 2:
            continue
        if len({agreed[c.id].label for c in labelled}) > 1:
            left_out["near-duplicates labelled differently"] += len(labelled)
            dropped |= {c.id for c in labelled}
            continue
        kept = next((c for c in labelled if c.id == group.kept), best_of(labelled))
        left_out["near-duplicate"] += len(labelled) - 1
        dropped |= {c.id for c in labelled if c.id != kept.id}
    return {id: crop for id, crop in chosen.items() if id not in dropped}


def _candidate(crop: Crop, said: Consensus | None, episodes: dict[str, Episode]) -> Candidate:
    return Candidate(
        id=crop.id, label=said.label if said else "", character=(said and said.character) or crop.character,
        episode=crop.episode, shot=crop.shot, track=crop.track, seconds=crop.pts * episodes[crop.episode].time_base,
    )  # fmt: skip


def _example(
    crop: Crop,
    said: Consensus,
    split: str,
    classes: tuple[str, ...],
    hashes: dict[str, str],
    episodes: dict[str, Episode],
) -> Example:
    return Example(
        id=crop.id, file=f"images/{split}/{said.label}/{crop.id}.png", sha256=crop.sha256, label=said.label,
        soft_label=tuple(said.shares.get(name, 0.0) for name in classes), split=split,
        character=said.character or crop.character, episode=crop.episode, pts=crop.pts,
        time_base=episodes[crop.episode].time_base, shot=crop.shot, track=crop.track, box=crop.box,
        cascade=crop.cascade, phash=hashes[crop.id], annotators=said.annotators,
    )  # fmt: skip


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items()) if n) or "none"
