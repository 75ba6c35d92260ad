"""Dataset versions worked out in memory from another one: other splits, other labels, other pictures. Nothing is copied."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.core.manifest import Dataset, Example, content_digest, counts_of


@dataclass(frozen=True, kw_only=True)
class DerivedDataset(Dataset):
    """A dataset some of whose pictures lie outside its folder."""

    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    """digest of a picture -> where it lies; the others lie in the folder"""

    def image_path(self, example: Example) -> Path:
        """Absolute path of an example's image. Raises InputError when it would leave the folder."""
        if (path := self.elsewhere.get(example.sha256)) is not None:
            return path
        return Dataset.image_path(self, example)


def derived(
    dataset: Dataset,
    examples: Sequence[Example],
    why: dict[str, object],
    *,
    classes: tuple[str, ...] | None = None,
    elsewhere: Mapping[str, Path] | None = None,
) -> Dataset:
    """The dataset with other examples; `why` goes into its options, so its digest, and with it every run, is its own."""
    manifest, classes = dataset.manifest, classes or dataset.manifest.classes
    options = manifest.options | why
    rows = sorted(examples, key=lambda example: example.id)
    changed = replace(
        manifest,
        classes=classes,
        options=options,
        digest=content_digest(manifest.name, classes, options, rows),
        counts=counts_of(classes, rows),
    )
    places = dict(elsewhere or (dataset.elsewhere if isinstance(dataset, DerivedDataset) else {}))
    return DerivedDataset(folder=dataset.folder, manifest=changed, examples=tuple(rows), elsewhere=places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A dataset to train and test on, and what it is called."""

    name: str
    """the character that is held out; empty for the dataset as it is"""
    dataset: Dataset
    """its splits"""
    dropped: int = 0
    """training and validation examples left out because they share a shot or a picture with the test split"""


def characters_of(dataset: Dataset) -> list[str]:
    """The characters that are named, the most frequent first."""
    counts = Counter(example.character for example in dataset.examples if example.character)
    return sorted(counts, key=lambda name: (-counts[name], name))


def held_out(dataset: Dataset, character: str) -> Fold:
    """Leave one character out: all its pictures are the test split, those of the others train and validate as they did.

    The others' test pictures are left out, and so is every training picture from a shot that the character is in: the
    ground behind the two is the same, and so, often, is the mood.
    """
    tested = [replace(e, split="test") for e in dataset.examples if e.character == character]
    shots, pictures = {e.shot for e in tested} - {""}, {e.sha256 for e in tested}
    others = [e for e in dataset.examples if e.character and e.character != character and e.split != "test"]
    kept = [e for e in others if e.shot not in shots and e.sha256 not in pictures]
    fold = derived(dataset, [*kept, *tested], {"held_out_character": character})
    return Fold(name=character, dataset=fold, dropped=len(others) - len(kept))
