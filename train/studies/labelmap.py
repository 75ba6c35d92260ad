"""Which class of the source means which class of the target: said, checked, and what is left out named."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.manifest import Dataset, Example
from train.studies.derived import derived


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMap:
    """A checked map from the source's classes to the target's."""

    pairs: Mapping[str, str]
    """source class -> target class"""
    source_left_out: tuple[str, ...]
    """classes of the source that nothing is learned of"""
    target_left_out: tuple[str, ...]
    """classes of the target that nothing is tested on"""

    @property
    def classes(self) -> tuple[str, ...]:
        """What is learned and tested, in the target's words, sorted."""
        return tuple(sorted(set(self.pairs.values())))


def parse_pairs(texts: Sequence[str]) -> dict[str, str]:
    """`happiness=happy,anger=angry` -> pairs; `contempt=` leaves a class out. Raises UsageError."""
    pairs: dict[str, str] = {}
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        name, equals, target = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise UsageError(f"--map {text}: write it as SOURCE_CLASS=TARGET_CLASS, such as --map happiness=happy")
        if name in pairs:
            raise UsageError(f"--map says twice what {name!r} means: {pairs[name]!r} and {target!r}")
        pairs[name] = target
    return pairs


def label_map(source: Dataset, target: Dataset, said: Mapping[str, str]) -> LabelMap:
    """The map that was said, and identical names for the rest.

    Raises:
        UsageError: a class that is not there.
        DatasetError: fewer than two classes meet.
    """
    here, there = _counted(source), _counted(target)
    for name, meant in said.items():
        if name not in here:
            raise UsageError(f"--map {name}={meant}: the source has no class {name!r}; it has {', '.join(here)}")
        if meant and meant not in there:
            raise UsageError(f"--map {name}={meant}: the target has no class {meant!r}; it has {', '.join(there)}")
    meanings = {name: said.get(name, name) for name in here}
    pairs = {name: meant for name, meant in meanings.items() if meant in there}
    if len(set(pairs.values())) < 2:
        raise DatasetError(
            f"source and target share {len(set(pairs.values()))} class(es), and two are needed: the source has "
            f"{', '.join(here)}, the target {', '.join(there)}; say what means what with --map SOURCE=TARGET,..."
        )
    return LabelMap(
        pairs=pairs,
        source_left_out=tuple(name for name in here if name not in pairs),
        target_left_out=tuple(name for name in there if name not in pairs.values()),
    )


def mapped_source(source: Dataset, labels: LabelMap) -> Dataset:
    """The source in the target's words, without the classes that are left out."""
    meant = [labels.pairs.get(name, "") for name in source.manifest.classes]

    def translated(example: Example) -> Example:
        shares: Counter[str] = Counter()
        for name, share in zip(meant, example.soft_label, strict=False):
            shares[name] += share  # type: ignore[assignment]  # typeshed counts in whole numbers
        label = labels.pairs[example.label]
        total = sum(shares[name] for name in labels.classes)
        soft = tuple(shares[name] / total if total > 0 else float(name == label) for name in labels.classes)
        return replace(example, label=label, soft_label=soft)

    rows = [translated(example) for example in source.examples if example.label in labels.pairs]
    return derived(source, rows, {"label_map": dict(sorted(labels.pairs.items()))}, classes=labels.classes)


def _counted(dataset: Dataset) -> list[str]:
    """The classes that some example has, sorted."""
    return sorted({example.label for example in dataset.examples})
