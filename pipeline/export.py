"""Labels -> what a dataset version will hold: the crops, their rows, their splits, and proof that nothing leaks.

`pipeline.datasets` writes it.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.core.errors import DatasetError
from pipeline.core.manifest import SPLITS, Example, content_digest
from pipeline.core.options import as_plain
from pipeline.core.records import Crop, DuplicateGroup, Episode, Label, Place
from pipeline.duplicates import best_of, pairs_within
from pipeline.splits import SplitOptions, assign, components, hold_out

LEAK_DISTANCES = (0, 2, 4, 6, 8, 10)
"""bits at which cross-split pairs are counted for the certificate"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What goes into a dataset version, and how it is split."""

    split: SplitOptions = field(default_factory=SplitOptions)
    """shares, unit, seed"""
    exclude: tuple[str, ...] = ("not_a_face", "unsure")
    """answers that are no class of the dataset"""
    duplicates: bool = False
    """whether to export every member of a near-duplicate group, not only the one it keeps"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """What the annotators of one crop say together."""

    label: str
    """the answer most of them gave"""
    shares: dict[str, float]
    """class -> share of the answers; sums to 1"""
    character: str
    """named most often; empty when nobody named one"""
    annotators: int
    """how many answered"""


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
    left_out: dict[str, int]
    """why labelled crops are not in it -> how many"""
    sources: dict[str, str]
    """example id -> digest of its picture in the file store"""


def consensus(labels: Iterable[Label], exclude: tuple[str, ...]) -> tuple[dict[str, Consensus], Counter[str]]:
    """Crop id -> what its annotators say together, and how many crops have none, by reason.

    Of one annotator's answers about a crop the latest counts. A tie between classes is a conflict and gives none.
    """
    latest: dict[tuple[str, str], Label] = {}
    for label in sorted(labels, key=lambda one: (one.created, one.id)):
        latest[label.crop, label.annotator] = label
    answers: dict[str, list[Label]] = defaultdict(list)
    for label in latest.values():
        answers[label.crop].append(label)
    agreed: dict[str, Consensus] = {}
    left_out: Counter[str] = Counter()
    for crop, given in sorted(answers.items()):
        votes = Counter(label.emotion for label in given if label.emotion)
        if not votes:
            left_out["no emotion said"] += 1
            continue
        ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            left_out["conflict"] += 1
        elif ranked[0][0] in exclude:
            left_out[ranked[0][0]] += 1
        else:
            kept = {name: n for name, n in votes.items() if name not in exclude}
            named = Counter(label.character for label in given if label.character)
            agreed[crop] = Consensus(
                label=ranked[0][0],
                shares={name: n / sum(kept.values()) for name, n in kept.items()},
                character=min(named, key=lambda name: (-named[name], name)) if named else "",
                annotators=len(given),
            )
    return agreed, left_out


def draft(
    name: str,
    crops: list[Crop],
    labels: list[Label],
    groups: list[DuplicateGroup],
    hashes: dict[str, str],
    episodes: dict[str, Episode],
    options: ExportOptions,
) -> Draft:
    """Everything of a dataset version but its files.

    Raises:
        DatasetError: no labelled crop is left, or the splits would leak.
    """
    agreed, left_out = consensus(labels, options.exclude)
    by_id = {crop.id: crop for crop in crops}
    for crop in agreed:
        if crop not in by_id:
            left_out["labelled by place, no crop" if Place.read(crop) else "crop no longer there"] += 1
    chosen = {crop: by_id[crop] for crop in agreed if crop in by_id}
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
    parts = components(list(chosen.values()), groups, options.split.unit)
    test, tied, parts = hold_out(parts, {c.id: c.episode for c in chosen.values()}, options.split.test_episodes)
    left_out["tied to a held-out episode"] += len(tied)
    split_of = assign(parts, {crop: agreed[crop].label for crop in chosen}, options.split) | dict.fromkeys(test, "test")
    examples = [
        _example(crop, agreed[crop.id], split_of[crop.id], classes, hashes, episodes)
        for crop in chosen.values()
        if crop.id in split_of
    ]
    examples.sort(key=lambda e: e.id)
    plain = as_plain(options)
    leaks = leak_certificate(examples, groups)
    if leaks["leaks"]:
        raise DatasetError(f"dataset {name!r} would leak between its splits: {leaks}; this is a fault of toonsift")
    return Draft(
        examples=examples,
        classes=classes,
        options=plain,
        digest=content_digest(name, classes, plain, examples),
        leaks=leaks,
        left_out={reason: n for reason, n in sorted(left_out.items()) if n},
        sources={example.id: by_id[example.id].sha256 for example in examples},
    )


def leak_certificate(examples: list[Example], groups: list[DuplicateGroup]) -> dict[str, Any]:
    """What lies on both sides of a split: counted on the finished rows, not taken from how they were made."""
    split_of = {e.id: e.split for e in examples}

    def shared(keys: Iterable[tuple[str, str]]) -> int:
        sides: dict[str, set[str]] = defaultdict(set)
        for key, split in keys:
            sides[key].add(split)
        return sum(len(splits) > 1 for splits in sides.values())

    shots = shared((e.shot, e.split) for e in examples if e.shot)
    tracks = shared((e.track, e.split) for e in examples if e.track)
    in_groups = shared((g.id, split_of[m]) for g in groups for m in g.members if m in split_of)
    hashes_N = np.array([int(e.phash, 16) for e in examples], dtype=np.uint64)
    splits_N = np.array([SPLITS.index(e.split) for e in examples])
    pairs: Counter[int] = Counter()
    for i, j in pairs_within(hashes_N, max(LEAK_DISTANCES)):
        crossing = splits_N[i] != splits_N[j]
        bits = np.bitwise_count(hashes_N[i[crossing]] ^ hashes_N[j[crossing]])
        pairs.update({d: int((bits <= d).sum()) for d in LEAK_DISTANCES})
    return {
        "leaks": shots + tracks + in_groups,
        "shared_shots": shots,
        "shared_tracks": tracks,
        "shared_groups": in_groups,
        "shared_episodes": shared((e.episode, e.split) for e in examples if e.episode),
        "cross_split_pairs": {str(d): pairs[d] for d in LEAK_DISTANCES},
        "smallest_gap_seconds": _smallest_gap(examples),
    }


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


def _smallest_gap(examples: list[Example]) -> float | None:
    """Seconds between the two closest crops of one episode that lie in different splits; None when there are none."""
    gaps = []
    by_episode: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.episode:
            by_episode[example.episode].append(example)
    for same in by_episode.values():
        same.sort(key=lambda e: e.pts)
        gaps += [float((b.pts - a.pts) * a.time_base) for a, b in itertools.pairwise(same) if a.split != b.split]
    return round(min(gaps), 3) if gaps else None


def _reasons(left_out: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items()) if n) or "none"
