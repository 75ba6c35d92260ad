"""Shots that several episodes show -> marks in the catalogue; an episode is compared once, when it is new."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipeline.core.catalogue import Catalogue
from pipeline.core.options import as_plain
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Episode, Repeat, Run, Shot, ShotPrint
from pipeline.core.workspace import Workspace
from pipeline.flow.runs import finished, run_digest, run_of
from pipeline.repeats import Film, Placed, RepeatIndex, RepeatOptions, film_of, join, marks_of
from pipeline.repeats.matching import repeats_of

LEFT_OUT = ("opening", "ending", "recap", "repeat")
"""kinds that `export` leaves out unless told otherwise; an original stays"""
COMMIT_SECONDS = 60.0
"""a commit reads every shot, so not every episode has one"""
FILMS_AT_HAND = 32
"""episodes whose prints are kept unpacked; some 200 KiB a minute"""


def find_repeats(workspace: Workspace, options: RepeatOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Compares every episode that is new or was mined again with those compared before; returns what the verb prints.

    A kill loses what a minute found. Nothing is deleted; marks of shots that are gone go with them.
    """
    began = time.monotonic()
    catalogue, plain = workspace.catalogue, as_plain(options)
    prints: dict[str, list[ShotPrint]] = defaultdict(list)
    for one in catalogue.prints_in_short():
        prints[one.episode].append(one)
    known, pending = _standing(catalogue, prints, plain)
    films = _films(catalogue)
    index = RepeatIndex()
    groups = {mark.id: mark.group for mark in catalogue.all(Repeat) if mark.episode in known}
    index.add((one for episode in known for one in prints[episode]), groups)
    with (progress or Silent()).step("repeats", len(pending), "episodes") as step:
        done: list[Run] = []
        committed = time.monotonic()
        for number, (episode, digest) in enumerate(pending, 1):
            started = time.monotonic()
            pairs = repeats_of(films(episode.id), episode.id, index, films, options)
            groups = join(groups, pairs)
            index.add(prints[episode.id], groups)
            repeated = len({mine for mine, _ in pairs})
            counts = {"shots": len(prints[episode.id]), "repeated": repeated}
            done.append(run_of("repeats", episode.id, digest, plain, counts, time.monotonic() - started))
            if number == len(pending) or time.monotonic() - committed > COMMIT_SECONDS:
                _commit(catalogue, groups, done)
                done, committed = [], time.monotonic()
            step.advance()
    marks = catalogue.all(Repeat)
    return {
        "episodes": catalogue.count(Episode),
        "compared": len(pending),
        "shots": catalogue.count(Shot),
        "groups": len({mark.group for mark in marks}),
        **{kind: sum(mark.kind == kind for mark in marks) for kind in (*LEFT_OUT, "original")},
        "seconds": round(time.monotonic() - began, 3),
    }


def repeated_shots(catalogue: Catalogue) -> dict[str, Repeat]:
    """Shot id -> its mark, for every shot that an export leaves out by default."""
    return {mark.id: mark for mark in catalogue.all(Repeat) if mark.kind in LEFT_OUT}


def _standing(
    catalogue: Catalogue, prints: Mapping[str, list[ShotPrint]], plain: dict[str, Any]
) -> tuple[set[str], list[tuple[Episode, str]]]:
    """Ids of the episodes that are compared as they are now, and those to compare, in the order of the series."""
    known, pending = set(), []
    for episode in sorted(catalogue.all(Episode), key=_order):
        looks = [[one.id, one.length_milliseconds, one.anchors] for one in prints.get(episode.id, [])]
        digest = run_digest("repeats", [plain, looks])
        if finished(catalogue, "repeats", episode.id, digest):
            known.add(episode.id)
        else:
            pending.append((episode, digest))
    return known, pending


def _order(episode: Episode) -> tuple[str, str]:
    return episode.name, episode.id


def _films(catalogue: Catalogue) -> Callable[[str], Film]:
    @lru_cache(maxsize=FILMS_AT_HAND)
    def film(episode: str) -> Film:
        return film_of(catalogue.all(ShotPrint, episode=episode))

    return film


def _commit(catalogue: Catalogue, groups: Mapping[str, str], runs: Sequence[Run]) -> None:
    """One transaction: the marks that the groups give now, and what was done."""
    shots = {shot.id: shot for shot in catalogue.all(Shot)}
    groups = {shot: group for shot, group in groups.items() if shot in shots}
    marks = marks_of(groups, _places(catalogue, [shots[shot] for shot in groups]))
    with catalogue.transaction():
        for gone in {mark.id for mark in catalogue.all(Repeat)} - {mark.id for mark in marks}:
            catalogue.delete(Repeat, id=gone)
        catalogue.put(marks)
        catalogue.put(runs)


def _places(catalogue: Catalogue, shots: Iterable[Shot]) -> list[Placed]:
    episodes = sorted(catalogue.all(Episode), key=_order)
    ranks = {episode.id: rank for rank, episode in enumerate(episodes)}
    by_id = {episode.id: episode for episode in episodes}
    return [
        Placed(
            shot=shot.id, episode=shot.episode, rank=ranks[shot.episode],
            start=float((shot.start_pts - by_id[shot.episode].start_pts) * by_id[shot.episode].time_base),
            length=float(
                (by_id[shot.episode].end_pts - by_id[shot.episode].start_pts) * by_id[shot.episode].time_base
            ),
        )
        for shot in sorted(shots, key=lambda s: s.id)
    ]  # fmt: skip
