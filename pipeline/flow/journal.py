"""An episode on its way into the catalogue, shot by shot: what is committed is never lost, and never half replaced.

An episode that has no results yet shows its shots as they are committed. One that was mined before keeps its old
results until the new ones are complete: their rows wait in `chunks`, and one transaction puts them in the place of the
old. Crops that labels refer to stay in both cases. Of a shot that is still open what was found so far waits in
`searched`: shots may be as long as an episode.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pipeline.core.catalogue import Catalogue, Record, packed, unpacked
from pipeline.core.records import Chunk, Crop, Detection, Episode, Hold, Run, SearchedPart, Shot, ShotPrint, Track
from pipeline.mine import FoundSoFar, MinedShot

FOUND_KINDS: tuple[type[Any], ...] = (Shot, ShotPrint, Hold, Detection, Track, Crop)
"""what mining makes of an episode"""
COUNTS = ("frames", "sampled", "shots", "holds", "detections", "tracks", "crops")


class EpisodeJournal:
    """One episode being mined."""

    def __init__(self, catalogue: Catalogue, episode: Episode, digest: str) -> None:
        """Takes up what an earlier call with the same options committed; what one with others left unfinished goes."""
        self.catalogue, self.episode, self.digest = catalogue, episode, digest
        with catalogue.transaction():
            labelled = catalogue.referenced_crops()
            self.kept = [crop for crop in catalogue.all(Crop, episode=episode.id) if crop.id in labelled]
            chunks = catalogue.all(Chunk, episode=episode.id)
            if any(chunk.digest != digest for chunk in chunks):
                if any(not chunk.rows for chunk in chunks):
                    self._clear()
                catalogue.delete(Chunk, episode=episode.id)
                chunks = []
            parts = catalogue.all(SearchedPart, episode=episode.id)
            if any(part.digest != digest for part in parts):
                catalogue.delete(SearchedPart, episode=episode.id)
                parts = []
            shown = any(not chunk.rows for chunk in chunks)
            self.is_waiting = not shown and catalogue.count(Shot, episode=episode.id) > 0
        self.end_pts = max((chunk.end_pts for chunk in chunks), default=None)
        self._parts = sorted(parts, key=lambda part: part.end_pts)

    @property
    def found(self) -> FoundSoFar | None:
        """What was found after the last shot that is committed."""
        if not self._parts:
            return None
        detections = [d for part in self._parts for d in unpacked(part.rows) if isinstance(d, Detection)]
        return FoundSoFar(detections=tuple(detections), end_pts=self._parts[-1].end_pts)

    def add_found(self, found: FoundSoFar) -> None:
        """Commits what was found in a shot that is still open."""
        part = SearchedPart(
            id=f"{self.episode.id}.q{found.end_pts}", episode=self.episode.id, digest=self.digest, end_pts=found.end_pts,
            rows=packed(found.detections),
        )  # fmt: skip
        with self.catalogue.transaction():
            if not self.is_waiting:
                self.catalogue.put([replace(self.episode, frames=0)])
            self.catalogue.put([part])
        self._parts.append(part)

    def add(self, shot: MinedShot) -> None:
        """Commits a shot, its rows and how far the episode is in one transaction; its pictures are stored already."""
        records: list[Record] = [shot.shot, shot.print, *shot.holds, *shot.detections, *shot.tracks, *shot.crops]
        mark = Chunk(
            id=f"{self.episode.id}.k{shot.shot.end_pts}", episode=self.episode.id, digest=self.digest,
            end_pts=shot.shot.end_pts, counts=json.dumps(counts_of(shot)),
            rows=packed(records) if self.is_waiting else "",
        )  # fmt: skip
        with self.catalogue.transaction():
            if not self.is_waiting:
                self.catalogue.put([replace(self.episode, frames=0)])
                self._show(shot.shot, records)
            self.catalogue.put([mark])
            for part in self._parts:
                if part.end_pts <= shot.shot.end_pts:
                    self.catalogue.delete(SearchedPart, id=part.id)
        self.end_pts = shot.shot.end_pts
        self._parts = [part for part in self._parts if part.end_pts > self.end_pts]

    def finish(self, episode: Episode, run: Run) -> None:
        """Closes the episode: its totals and its run; results that waited take the place of the old ones."""
        with self.catalogue.transaction():
            self.catalogue.put([episode])
            if self.is_waiting:
                self._clear()
                for chunk in self._chunks():
                    records = unpacked(chunk.rows)
                    self._show(next(r for r in records if isinstance(r, Shot)), records)
            self.catalogue.delete(Chunk, episode=self.episode.id)
            self.catalogue.delete(SearchedPart, episode=self.episode.id)
            self.catalogue.put([run])

    def counts(self, frames: int) -> dict[str, int]:
        """What was made in all, by kind of COUNTS."""
        total: Counter[str] = Counter()
        for chunk in self._chunks():
            total.update(json.loads(chunk.counts))
        return {name: total[name] for name in COUNTS} | {"frames": frames}

    def discard(self) -> None:
        """Forgets what was committed since the last complete result: it was not of this file."""
        with self.catalogue.transaction():
            if not self.is_waiting:
                self._clear()
                if not self.kept:
                    self.catalogue.delete(Episode, id=self.episode.id)
            self.catalogue.delete(Chunk, episode=self.episode.id)
            self.catalogue.delete(SearchedPart, episode=self.episode.id)

    def _chunks(self) -> list[Chunk]:
        return sorted(self.catalogue.all(Chunk, episode=self.episode.id), key=lambda chunk: chunk.end_pts)

    def _clear(self) -> None:
        """Deletes the episode's results but for crops with labels."""
        for kind in FOUND_KINDS:
            self.catalogue.delete(kind, episode=self.episode.id)
        self.catalogue.put(self.kept)

    def _show(self, shot: Shot, records: Iterable[Record]) -> None:
        """Puts a shot's rows; a crop of an earlier run moves into the shot that now shows its frame: splits stay right."""
        moved = [replace(crop, shot=shot.id) for crop in self.kept if shot.start_pts <= crop.pts < shot.end_pts]
        self.catalogue.put([*moved, *records])


def counts_of(shot: MinedShot) -> dict[str, int]:
    """How much a shot holds, by kind of COUNTS."""
    return {
        "frames": shot.shot.frames, "sampled": shot.sampled, "shots": 1, "holds": len(shot.holds), "detections": len(shot.detections),
        "tracks": len(shot.tracks), "crops": len(shot.crops),
    }  # fmt: skip
