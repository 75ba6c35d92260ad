"""Episodes made of small moving scenes, put into a workspace as mining would: shots and their prints."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline.core.records import Episode, Shot, ShotPrint
from pipeline.core.workspace import Workspace
from pipeline.repeats import PrintMaker
from pipeline.shots import HoldFinder, ShotOptions
from tests.pipeline.shots.moving import Frames, noisy

BASE = Fraction(1, 24)


def prints_of(episode: str, scenes: Sequence[Frames], first_pts: int = 0) -> tuple[list[Shot], list[ShotPrint]]:
    """The shots and prints of scenes that follow one another; a frame a tick."""
    maker, holds = PrintMaker(BASE), HoldFinder(ShotOptions())
    shots, prints, pts = [], [], first_pts
    for film in scenes:
        shot = Shot(id=f"{episode}.s{pts}", episode=episode, start_pts=pts, end_pts=pts + len(film), frames=len(film))
        for small in film:
            maker.push(pts, small, holds.push(small))
            pts += 1
        shots.append(shot)
        prints.append(maker.take(shot))
    return shots, prints


def put_episode(workspace: Workspace, name: str, scenes: Sequence[Frames], noise: int = 0) -> list[str]:
    """An episode of these scenes, with noise of its own; ids of its shots."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    episode = f"e{sha256[:12]}"
    shots, prints = prints_of(episode, [noisy(film, noise + n) if noise else film for n, film in enumerate(scenes)])
    record = Episode(
        id=episode, name=name, path=f"/nowhere/{name}.mp4", sha256=sha256, size_bytes=1, width=160, height=90,
        time_base=BASE, frames=sum(map(len, scenes)), start_pts=0, end_pts=shots[-1].end_pts,
    )  # fmt: skip
    catalogue = workspace.catalogue
    with catalogue.transaction():
        catalogue.put([record])
        for kind in (Shot, ShotPrint):
            catalogue.delete(kind, episode=episode)
        catalogue.put(shots)
        catalogue.put(prints)
    return [shot.id for shot in shots]


def titled(film: Frames, colour: int = 240) -> Frames:
    """With a title over its lower part."""
    film = film.copy()
    film[:, 72:82, 40:120] = np.uint8(colour)
    return film
