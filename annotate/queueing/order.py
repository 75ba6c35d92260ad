"""The queue: crops in the order in which to ask about them, each with its priority and the reason; as a file for `push`."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate.agreement.propagation import members_to_verify
from annotate.queueing.choosing import Candidates, Choice, Floats, Weights, choose, margin_uncertainty
from annotate.queueing.pool import NO_PICTURE, Pool, looks_of_crops, picture_of, read_pool
from pipeline.core.errors import UsageError
from pipeline.core.files import write_json, write_text
from pipeline.core.images import RGB
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace

MOST_WEIGHED = 10_000
"""crops weighed one against another; of more, the most uncertain, or some at random where there is no model"""
PICTURES = 256
"""given to the model at once"""
COLUMNS = ("crop", "priority", "reason")
STRONG = 0.66
"""a factor at least so large is named as a reason"""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A trained model, whoever trained it."""

    name: str
    """of the run"""
    classes: tuple[str, ...]
    """in the order of the columns"""
    classify: Callable[[Sequence[RGB]], NDArray[np.float32]]
    """pictures (H, W, 3) of any size -> probabilities (N, C)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One crop to ask about."""

    crop: str
    """its id"""
    priority: float
    """1 for the first, falling to just above 0"""
    reason: str
    """for people"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What to ask about next."""

    rows: tuple[Row, ...]
    """the first first"""
    candidates: int
    """crops that may be asked about"""
    model: str
    """the run whose doubts were used; empty: none"""
    left_out: Mapping[str, int]
    """why crops may not be asked about -> how many"""


def queue_of(
    workspace: Workspace,
    count: int,
    classifier: Classifier | None = None,
    seed: int = 0,
    weights: Weights | None = None,
    progress: Progress | None = None,
) -> Queue:
    """The `count` crops of which a model would learn most, first of all; it writes nothing. See `choosing`."""
    pool = read_pool(workspace)
    crops, left_out = list(pool.crops), dict(pool.left_out)
    probabilities_NC: Floats | None = None
    if classifier is not None:
        crops, probabilities_NC = classified(workspace, crops, classifier, progress or Silent())
        if missing := len(pool.crops) - len(crops):
            left_out[NO_PICTURE] = left_out.get(NO_PICTURE, 0) + missing
    candidates = len(crops)
    weighed = _weighed(candidates, probabilities_NC, seed)
    crops = [crops[row] for row in weighed]
    if probabilities_NC is not None:
        probabilities_NC = probabilities_NC[weighed]
    chosen = choose(_candidates(pool, crops, classifier, probabilities_NC), count, weights, seed)
    rows = [
        Row(
            crop=crops[one.row].id, priority=_priority(rank, len(chosen)),
            reason=_reason(one, classifier, None if probabilities_NC is None else probabilities_NC[one.row]),
        )
        for rank, one in enumerate(chosen)
    ]  # fmt: skip
    return Queue(
        rows=tuple(rows), candidates=candidates, model=classifier.name if classifier else "", left_out=left_out
    )


def verification_of(workspace: Workspace, count: int, seed: int = 0) -> Queue:
    """`count` members of sheets that were answered as a whole, to be answered singly: how often is the sheet wrong?"""
    known = set(workspace.catalogue.ids(Crop))
    members = [pair for pair in members_to_verify(workspace.catalogue.all(Label), len(known), seed) if pair[0] in known]
    chosen = members[:count]
    rows = [
        Row(crop=crop, priority=_priority(rank, len(chosen)), reason=f"verifies the answer to sheet {sheet}")
        for rank, (crop, sheet) in enumerate(chosen)
    ]
    return Queue(rows=tuple(rows), candidates=len(members), model="", left_out={})


def write_queue(path: Path, queue: Queue) -> None:
    """Writes the rows as CSV, or as JSON where the name ends so; both are what `push --items` reads.

    Raises:
        UsageError: another ending.
        DiskFullError: no room.
    """
    if path.suffix == ".json":
        write_json(path, rows_of(queue))
    elif path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows_of(queue))
        write_text(path, text.getvalue())
    else:
        raise UsageError(f"--out must end in .csv or .json; got {path.name!r}")


def rows_of(queue: Queue) -> list[dict[str, Any]]:
    """The rows as plain values."""
    return [{"crop": row.crop, "priority": row.priority, "reason": row.reason} for row in queue.rows]


def classified(
    workspace: Workspace, crops: Sequence[Crop], classifier: Classifier, progress: Progress
) -> tuple[list[Crop], Floats]:
    """The crops whose pictures are there, and what the model says of them."""
    seen: list[Crop] = []
    found = [np.empty((0, len(classifier.classes)), dtype=np.float32)]
    with progress.step("classify", len(crops), "crops") as step:
        for batch in _batches(crops):
            pictures = [(crop, image) for crop in batch if (image := picture_of(workspace, crop)) is not None]
            if pictures:
                seen += [crop for crop, _ in pictures]
                found.append(classifier.classify([image for _, image in pictures]))
            step.advance(len(batch))
    return seen, np.concatenate(found)


def _batches(crops: Sequence[Crop]) -> Iterator[Sequence[Crop]]:
    for start in range(0, len(crops), PICTURES):
        yield crops[start : start + PICTURES]


def _weighed(count: int, probabilities_NC: Floats | None, seed: int) -> NDArray[np.int64]:
    """Rows of at most MOST_WEIGHED candidates, ascending."""
    if count <= MOST_WEIGHED:
        return np.arange(count)
    if probabilities_NC is None:
        rows = np.random.default_rng(seed).permutation(count)[:MOST_WEIGHED]
    else:
        rows = np.argsort(-margin_uncertainty(probabilities_NC), kind="stable")[:MOST_WEIGHED]
    return np.sort(rows)


def _candidates(
    pool: Pool, crops: Sequence[Crop], classifier: Classifier | None, probabilities_NC: Floats | None
) -> Candidates:
    number = {id: n for n, id in enumerate(sorted({crop.episode for crop in (*crops, *pool.answered)}))}
    asked = Counter(crop.episode for crop in pool.answered)
    classes = Counter(pool.classes.values())
    return Candidates(
        looks=looks_of_crops(pool, crops),
        episodes=np.array([number[crop.episode] for crop in crops], dtype=np.int64),
        labelled=looks_of_crops(pool, pool.answered),
        asked=np.array([asked[id] for id in number], dtype=np.int64),
        probabilities=probabilities_NC,
        labelled_classes=np.array([classes[name] for name in classifier.classes], dtype=np.int64)
        if classifier
        else None,
    )


def _priority(rank: int, count: int) -> float:
    return round(1 - rank / count, 6)


def _reason(choice: Choice, classifier: Classifier | None, probabilities_C: Floats | None) -> str:
    said = []
    if classifier is not None and probabilities_C is not None:
        best = np.argsort(-probabilities_C, kind="stable")[:2]
        said.append("the model says " + " or ".join(f"{classifier.classes[c]} {probabilities_C[c]:.2f}" for c in best))
        if choice.factors.deficit >= STRONG:
            said.append("a class with few labels")
    if choice.factors.diversity >= STRONG:
        said.append("like many that are not labelled")
    if choice.factors.episode >= STRONG:
        said.append("an episode with few labels")
    return "; ".join(said) or "unlike what is labelled"
