"""What changed between two dataset versions."""

from dataclasses import dataclass

from pipeline.core.manifest import Dataset, Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One example that is in both versions and differs."""

    id: str
    """of the example"""
    before: str
    """in the first version"""
    after: str
    """in the second"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed; every list is sorted by id."""

    added: list[str]
    """ids that only the second has"""
    removed: list[str]
    """ids that only the first has"""
    relabelled: list[Change]
    """another class"""
    moved: list[Change]
    """another split"""
    redrawn: list[Change]
    """another picture: SHA-256 of the files"""
    reweighed: list[Change]
    """the same class by other shares of the annotators' answers"""
    unchanged: int
    """examples that are the same in every one of these"""

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.relabelled or self.moved or self.redrawn or self.reweighed)


def difference(first: Dataset, second: Dataset) -> Difference:
    """What changed from the first version to the second; examples are known by their ids."""
    old, new = ({example.id: example for example in dataset.examples} for dataset in (first, second))
    both = [(old[id], new[id]) for id in sorted(old.keys() & new.keys())]
    shares = {id: _shares(first, e) for id, e in old.items()}, {id: _shares(second, e) for id, e in new.items()}
    relabelled = [Change(id=a.id, before=a.label, after=b.label) for a, b in both if a.label != b.label]
    moved = [Change(id=a.id, before=a.split, after=b.split) for a, b in both if a.split != b.split]
    redrawn = [Change(id=a.id, before=a.sha256, after=b.sha256) for a, b in both if a.sha256 != b.sha256]
    reweighed = [
        Change(id=a.id, before=_said(shares[0][a.id]), after=_said(shares[1][b.id]))
        for a, b in both
        if a.label == b.label and shares[0][a.id] != shares[1][b.id]
    ]
    touched = {change.id for change in (*relabelled, *moved, *redrawn, *reweighed)}
    return Difference(
        added=sorted(new.keys() - old.keys()), removed=sorted(old.keys() - new.keys()), relabelled=relabelled,
        moved=moved, redrawn=redrawn, reweighed=reweighed, unchanged=len(both) - len(touched),
    )  # fmt: skip


def _shares(dataset: Dataset, example: Example) -> dict[str, float]:
    """Class -> share, without zeros: two versions may have different classes."""
    named = zip(dataset.manifest.classes, example.soft_label, strict=False)
    return {name: round(share, 9) for name, share in named if share}


def _said(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in sorted(shares.items()))
