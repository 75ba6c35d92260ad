"""The dataset version: classes per split, the proof that nothing leaks, samples, and who labelled."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.manifest import SPLITS, Dataset, Example, read_dataset
from pipeline.core.places import Timestamp
from pipeline.core.workspace import Workspace
from pipeline.report import wording
from pipeline.report.documents import as_number, as_object, as_whole, read_document
from pipeline.report.faces import Face
from pipeline.report.finders import Fact
from pipeline.report.holdings import Holdings, spread
from pipeline.report.palette import SPLIT_HUES
from pipeline.report.thumbnails import Gallery, Picture

CLASSES_SHOWN = 40
SAMPLES_SHOWN = 12
"""of a class"""
VERSIONS_SHOWN = 12
SOURCES_SHOWN = 12

SHARED = (
    "shared_shots", "shared_tracks", "shared_groups", "shared_components", "shared_openings", "near_duplicate_pairs",
)  # fmt: skip
"""counts of a leak certificate, old names and new; which of them are leaks depends on the unit of the split"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class."""

    name: str
    """the class"""
    counts: tuple[int, ...]
    """per split, in the order of SPLITS"""
    bars: tuple[tuple[str, str, float], ...]
    """split, colour class, width in percent of the largest class"""
    samples: tuple[Face, ...]
    """evenly spread over its examples"""

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What leaks.json says."""

    clean: bool
    """whether nothing is shared between splits"""
    facts: tuple[Fact, ...]
    """what was counted"""
    pairs: tuple[tuple[int, int, float], ...]
    """bits, pairs of examples in different splits at most so far apart, bar width in percent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where answers came from."""

    name: str
    """source and annotator"""
    answers: int
    """given"""
    skips: int
    """of them without a class"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetView:
    """One dataset version."""

    id: str
    """`name@version`"""
    digest: str
    """SHA-256 of the contents"""
    examples: int
    """in all"""
    facts: tuple[Fact, ...]
    """when, by which version, options"""
    classes: tuple[ClassRow, ...]
    """at most CLASSES_SHOWN"""
    classes_total: int
    """in all"""
    split_totals: tuple[tuple[str, str, int], ...]
    """split, colour class, examples"""
    certificate: Certificate | None
    """None when leaks.json is missing or unreadable"""
    annotators: tuple[tuple[str, int], ...]
    """`2 annotators` -> examples"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSection:
    """The dataset version shown, and what else there is."""

    view: DatasetView | None
    """None when there is none, or it cannot be read"""
    trouble: str
    """why it cannot be read; empty otherwise"""
    dataset: Dataset | None
    """what `view` was made from"""
    versions: tuple[tuple[str, int, str], ...]
    """`name@version`, examples, created; the latest first"""
    versions_total: int
    """in all"""
    sources: tuple[Source, ...]
    """of the workspace's labels, most answers first"""


def find_dataset(workspace: Workspace, holdings: Holdings, wanted: str | None) -> tuple[Dataset | None, str]:
    """The dataset version asked for, or the latest; None with the reason (empty: there is none at all).

    Raises:
        NotFoundError: the one asked for does not exist.
    """
    try:
        if wanted is not None:
            return read_dataset(workspace.dataset_folder(wanted)), ""
        if holdings.datasets:
            return read_dataset(workspace.root / holdings.datasets[-1].path), ""
    except (InputError, OSError) as error:
        return None, str(error)
    return None, ""


def dataset_section(workspace: Workspace, holdings: Holdings, gallery: Gallery, wanted: str | None) -> DatasetSection:
    """The dataset version asked for, or the latest. Raises NotFoundError."""
    dataset, trouble = find_dataset(workspace, holdings, wanted)
    versions = [(d.id, d.examples, d.created) for d in reversed(holdings.datasets)]
    return DatasetSection(
        view=_view(dataset, holdings, gallery) if dataset else None,
        trouble=trouble,
        dataset=dataset,
        versions=tuple(versions[:VERSIONS_SHOWN]),
        versions_total=len(versions),
        sources=_sources(holdings),
    )


def folder_of_digest(workspace: Workspace, holdings: Holdings, digest: str) -> Path | None:
    """Where the dataset version with that digest lies; None when it is not in the workspace."""
    found = next((d for d in holdings.datasets if d.digest == digest), None)
    return workspace.root / found.path if found else None


def example_face(dataset: Dataset, example: Example, holdings: Holdings, picture: Picture | None) -> Face:
    """An example as the page shows it."""
    when = Timestamp(pts=example.pts, time_base=example.time_base).timecode
    where = f"{holdings.episode_name(example.episode)} at {when}"
    return Face(
        picture=picture,
        title=f"{example.label}, {example.character or 'unknown'}, {where}, {example.split} of {dataset.manifest.name}",
        timecode=when,
        emotion=example.split,
    )


def example_picture(dataset: Dataset, example: Example, gallery: Gallery) -> Picture | None:
    """The thumbnail of an example; None when its file is gone, damaged, or the page is full."""
    try:
        return gallery.of_file(dataset.image_path(example))
    except InputError:
        return None


def _view(dataset: Dataset, holdings: Holdings, gallery: Gallery) -> DatasetView:
    manifest = dataset.manifest
    by_class: dict[str, list[Example]] = defaultdict(list)
    for example in dataset.examples:
        by_class[example.label].append(example)
    largest = max((len(found) for found in by_class.values()), default=0) or 1
    rows = tuple(
        _class_row(dataset, name, by_class[name], largest, holdings, gallery)
        for name in manifest.classes[:CLASSES_SHOWN]
    )
    totals = Counter(example.split for example in dataset.examples)
    facts = [Fact(name="made", value=manifest.created), Fact(name="by", value=f"toonsift {manifest.code_version}")]
    facts += [Fact(name=wording.titled(key), value=wording.plain(value)) for key, value in manifest.options.items()]
    annotators = Counter(example.annotators for example in dataset.examples)
    return DatasetView(
        id=f"{manifest.name}@{manifest.version}",
        digest=manifest.digest,
        examples=len(dataset.examples),
        facts=tuple(facts),
        classes=rows,
        classes_total=len(manifest.classes),
        split_totals=tuple((split, SPLIT_HUES[split], totals[split]) for split in SPLITS),
        certificate=_certificate(dataset.folder / "leaks.json"),
        annotators=tuple((wording.counted(n, "annotator"), found) for n, found in sorted(annotators.items())),
    )


def _class_row(
    dataset: Dataset, name: str, examples: Sequence[Example], largest: int, holdings: Holdings, gallery: Gallery
) -> ClassRow:
    counts = Counter(example.split for example in examples)
    samples = tuple(
        example_face(dataset, example, holdings, example_picture(dataset, example, gallery))
        for example in spread(examples, SAMPLES_SHOWN)
    )
    return ClassRow(
        name=name,
        counts=tuple(counts[split] for split in SPLITS),
        bars=tuple((split, SPLIT_HUES[split], 100 * counts[split] / largest) for split in SPLITS),
        samples=samples,
    )


def _certificate(path: Path) -> Certificate | None:
    try:
        document = read_document(path)
    except InputError:
        return None
    shared = {name: as_whole(document[name]) for name in SHARED if name in document}
    facts = [Fact(name=wording.titled(name) + " between splits", value=wording.count(n)) for name, n in shared.items()]
    if "shared_episodes" in document:
        value = wording.count(as_whole(document["shared_episodes"]))
        facts.append(Fact(name="episodes in several splits", value=value))
    gap = as_number(document.get("smallest_gap_seconds"))
    if gap is not None:
        facts.append(Fact(name="closest two crops of one episode in different splits", value=wording.duration(gap)))
    if (distance := as_number(document.get("distance"))) is not None:
        facts.append(Fact(name="near-duplicates are at most apart", value=f"{distance:g} bits"))
    found = as_object(document.get("cross_split_pairs"))
    pairs = sorted((int(bits), as_whole(number)) for bits, number in found.items() if bits.isdecimal())
    most = max((number for _, number in pairs), default=0) or 1
    return Certificate(
        clean="leaks" in document and not as_whole(document["leaks"]),
        facts=tuple(facts),
        pairs=tuple((bits, number, 100 * number / most) for bits, number in pairs),
    )


def _sources(holdings: Holdings) -> tuple[Source, ...]:
    answers: Counter[str] = Counter()
    skips: Counter[str] = Counter()
    for label in holdings.labels:
        name = wording.shortened(f"{label.annotator or 'unnamed'} ({label.source or 'unknown source'})", 120)
        answers[name] += 1
        skips[name] += not label.emotion
    return tuple(Source(name=name, answers=n, skips=skips[name]) for name, n in answers.most_common(SOURCES_SHOWN))
