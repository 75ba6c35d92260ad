"""Workspaces joined into one: the shards of a batch, or what another machine mined. The sources are only read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.errors import InputError, NotFoundError
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade, Crop, Episode, Label, Run, Shot
from pipeline.core.workspace import Workspace
from pipeline.flow.journal import FOUND_KINDS

SHARDS = "shards"
"""folder of a workspace where its shards lie"""


@dataclass(slots=True)
class Joined:
    """What joining did."""

    episodes: int = 0
    """taken over"""
    already: int = 0
    """episodes with the same results, left as they are"""
    labels: int = 0
    """taken over"""
    cascades: int = 0
    """taken over; one whose name is in use stays out"""
    unfinished: int = 0
    """episodes that the source has not mined to their end, or not at all"""


def shards_of(workspace: Workspace) -> list[Path]:
    """The shards that lie in a workspace, sorted."""
    return sorted(path.parent for path in (workspace.root / SHARDS).glob("*/catalogue.sqlite3"))


def join(workspace: Workspace, sources: Sequence[Path], progress: Progress | None = None) -> Joined:
    """Takes over the episodes, labels and cascades of other workspaces. Call under the writer's lock.

    Files first, then all rows of an episode in one transaction. An episode that both have mined with the same options
    stays as it is; with other options that of the source takes its place, crops with labels stay.

    Raises:
        NotFoundError: a source is no workspace.
        InputError: a file of a source is missing or damaged.
    """
    done = Joined()
    for source in sources:
        if not (source / "catalogue.sqlite3").is_file():
            raise NotFoundError(f"{source} is no workspace: there is no catalogue.sqlite3 in it")
        if source.resolve() == workspace.root.resolve():
            raise InputError(f"{source} is the workspace that is to be joined to; give others")
        _join_one(workspace, Workspace(source), done, progress or Silent())
    return done


def _join_one(workspace: Workspace, other: Workspace, done: Joined, progress: Progress) -> None:
    try:
        _take_cascades(workspace, other, done)
        episodes = other.catalogue.all(Episode)
        with progress.step(f"join {other.root.name}", len(episodes), "episodes") as step:
            for episode in episodes:
                _take_episode(workspace, other, episode, done)
                step.advance()
        known = {label.id for label in workspace.catalogue.all(Label)}
        labels = [label for label in other.catalogue.all(Label) if label.id not in known]
        with workspace.catalogue.transaction():
            done.labels += workspace.catalogue.put(labels)
    finally:
        other.close()


def _take_cascades(workspace: Workspace, other: Workspace, done: Joined) -> None:
    known = workspace.catalogue.all(Cascade)
    ids, digests = {cascade.id for cascade in known}, {cascade.sha256 for cascade in known}
    for cascade in other.catalogue.all(Cascade):
        if cascade.id not in ids and cascade.sha256 not in digests:
            workspace.objects.put(other.objects.read(cascade.sha256, ".xml"), ".xml")
            verifier = json.loads(cascade.card or "{}").get("verifier")
            if verifier:
                workspace.objects.put(other.objects.read(verifier, ".json"), ".json")
            workspace.catalogue.put([cascade])
            done.cascades += 1


def _take_episode(workspace: Workspace, other: Workspace, episode: Episode, done: Joined) -> None:
    mine, theirs = (w.catalogue.get(Run, f"mine:{episode.id}") for w in (workspace, other))
    if theirs is None or not json.loads(theirs.counts):
        done.unfinished += 1
        return
    if mine is not None and mine.digest == theirs.digest and mine.status == "done":
        done.already += 1
        return
    crops = other.catalogue.all(Crop, episode=episode.id)
    for crop in crops:
        workspace.objects.put(other.objects.read(crop.sha256, ".png"), ".png")
    catalogue = workspace.catalogue
    with catalogue.transaction():
        labelled = catalogue.referenced_crops()
        kept = [crop for crop in catalogue.all(Crop, episode=episode.id) if crop.id in labelled]
        catalogue.put([episode])
        for kind in FOUND_KINDS:
            catalogue.delete(kind, episode=episode.id)
        shots = other.catalogue.all(Shot, episode=episode.id)
        catalogue.put([_at_home(crop, shots) for crop in kept])
        for kind in FOUND_KINDS:
            catalogue.put(other.catalogue.all(kind, episode=episode.id))
        catalogue.put([theirs])
    done.episodes += 1


def _at_home(crop: Crop, shots: Sequence[Shot]) -> Crop:
    """A crop in the shot that now shows its frame."""
    home = next((shot for shot in shots if shot.start_pts <= crop.pts < shot.end_pts), None)
    return crop if home is None else replace(crop, shot=home.id)
