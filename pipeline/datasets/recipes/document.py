"""recipe.json: timecodes, boxes, labels, hashes; written for others, and read with mistrust."""

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import DatasetError, InputError
from pipeline.core.files import write_json
from pipeline.core.manifest import Example, Manifest, as_example, as_row, manifest_document, manifest_from
from pipeline.core.records import Episode
from pipeline.core.workspace import checked_name
from pipeline.datasets.outside.gather import ID, plain_fields
from pipeline.datasets.recipes.fingerprints import Prints, read_words

FORMAT = 1
"""of recipe.json; a reader refuses a higher one"""
FILE = "recipe.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeEpisode:
    """An episode as a recipe knows it: by its content, its cuts and fingerprints of some frames."""

    id: str
    """`e` + 12 hexadecimal digits"""
    name: str
    """the file's stem, for people"""
    sha256: str
    """of the file that the version was made from"""
    width: int
    """pixels of its frames, which boxes are in"""
    height: int
    """pixels"""
    time_base: Fraction
    """seconds per tick"""
    cuts: tuple[int, ...]
    """pts of the first frames of its shots, ascending"""
    pts: tuple[int, ...]
    """of the frames with a fingerprint, ascending"""
    prints: tuple[str, ...]
    """their fingerprints"""

    def as_prints(self) -> Prints:
        """The fingerprints at their seconds."""
        seconds = np.array([float(pts * self.time_base) for pts in self.pts])
        return Prints(seconds=seconds, words=read_words(self.prints))

    def cut_seconds(self) -> list[float]:
        """When its cuts are."""
        return [float(pts * self.time_base) for pts in self.cuts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A dataset version without its pixels."""

    manifest: Manifest
    """of the version"""
    episodes: tuple[RecipeEpisode, ...]
    """where its examples come from"""
    items: tuple[Example, ...]
    """its rows"""


def recipe_episode(episode: Episode, cuts: list[int], prints: list[tuple[int, str]]) -> RecipeEpisode:
    """What a recipe keeps of an episode."""
    return RecipeEpisode(
        id=episode.id, name=episode.name, sha256=episode.sha256, width=episode.width, height=episode.height,
        time_base=episode.time_base, cuts=tuple(sorted(cuts)), pts=tuple(pts for pts, _ in prints),
        prints=tuple(text for _, text in prints),
    )  # fmt: skip


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Writes recipe.json."""
    write_json(
        folder / FILE,
        {
            "format": FORMAT,
            "about": "A toonsift recipe: it holds no pixels. `toonsift rebuild` makes the dataset from your own copies.",
            "manifest": manifest_document(recipe.manifest),
            "episodes": [_episode_document(episode) for episode in recipe.episodes],
            "items": [as_row(item) for item in recipe.items],
        },
    )


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file, or from the folder that it lies in.

    Raises:
        DatasetError: no recipe, one of a newer toonsift, or one that makes no sense.
    """
    file = path / FILE if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{file}: no such recipe; make one with `toonsift export NAME --format recipe`") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: not readable as JSON ({error}); copy or download it again") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int) or "items" not in document:
        raise DatasetError(f"{file}: not a toonsift recipe; give the recipe.json that `export --format recipe` wrote")
    if document["format"] > FORMAT:
        raise DatasetError(
            f"{file}: format {document['format']} is newer than this toonsift reads ({FORMAT}); upgrade it"
        )
    try:
        recipe = Recipe(
            manifest=manifest_from(document["manifest"]),
            episodes=tuple(_episode(found) for found in document["episodes"]),
            items=tuple(as_example(row) for row in document["items"]),
        )
        _check(recipe)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError, InputError) as error:
        raise DatasetError(f"{file}: makes no sense ({error}); copy or download it again") from error
    return recipe


def _check(recipe: Recipe) -> None:
    """Raises ValueError or InputError when something in it cannot be."""
    checked_name(recipe.manifest.name, "dataset")
    for name in recipe.manifest.classes:
        checked_name(name, "class")
    known = {episode.id for episode in recipe.episodes}
    seen: set[str] = set()
    for item in recipe.items:
        if not ID.fullmatch(item.id) or item.id.casefold() in seen:
            raise ValueError(f"{item.id!r} cannot name an item, or names two")
        seen.add(item.id.casefold())
        if not plain_fields(item) or item.time_base <= 0:
            raise ValueError(f"item {item.id}: a field is not of its type")
        if item.episode not in known:
            raise ValueError(f"item {item.id}: no episode {item.episode!r}")
        if item.label not in recipe.manifest.classes or item.split not in recipe.manifest.counts:
            raise ValueError(f"item {item.id}: label {item.label!r} or split {item.split!r} is unknown")


def _episode_document(episode: RecipeEpisode) -> dict[str, Any]:
    return {
        "id": episode.id, "name": episode.name, "sha256": episode.sha256, "width": episode.width,
        "height": episode.height, "time_base": str(episode.time_base), "cuts": list(episode.cuts),
        "pts": list(episode.pts), "fingerprints": list(episode.prints),
    }  # fmt: skip


def _episode(found: dict[str, Any]) -> RecipeEpisode:
    episode = RecipeEpisode(
        id=str(found["id"]), name=str(found["name"]), sha256=str(found["sha256"]), width=int(found["width"]),
        height=int(found["height"]), time_base=Fraction(str(found["time_base"])),
        cuts=tuple(int(pts) for pts in found["cuts"]), pts=tuple(int(pts) for pts in found["pts"]),
        prints=tuple(str(text) for text in found["fingerprints"]),
    )  # fmt: skip
    if min(episode.width, episode.height) < 1 or episode.time_base <= 0 or len(episode.pts) != len(episode.prints):
        raise ValueError(f"episode {episode.id}: its size, time base or fingerprints are none")
    if not re.fullmatch(r"[0-9a-f]{64}", episode.sha256):
        raise ValueError(f"episode {episode.id}: {episode.sha256!r} is no SHA-256")
    read_words(episode.prints)
    return episode
