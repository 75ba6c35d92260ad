"""Recipes out of the workspace, and datasets out of recipes and somebody's own copies."""

import shutil
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError, VideoError
from pipeline.core.files import sha256_of
from pipeline.core.images import decode_rgb
from pipeline.core.manifest import SPLITS, Dataset, Example
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop, DatasetVersion, Episode, Shot
from pipeline.core.workspace import Workspace, checked_name
from pipeline.datasets.formats import describe
from pipeline.datasets.recipes.alignment import SAME, Alignment, align
from pipeline.datasets.recipes.document import Recipe, RecipeEpisode, read_recipe, recipe_episode, write_recipe
from pipeline.datasets.recipes.fingerprints import Film, sampled_prints, see_film
from pipeline.datasets.recipes.rebuild import Copy, Match, framed, rebuild_items
from pipeline.datasets.versions import appearing, write_new
from pipeline.duplicates import DedupeOptions, find_groups, look, phash
from pipeline.flow.versions import Content, put_version
from pipeline.ingest import find_videos, identify
from pipeline.leaks import Kinship, leak_certificate
from pipeline.splits import SplitOptions

EVERY_SECONDS = 0.5
"""between the frames of an episode that get a fingerprint, beside those that items come from"""
WITHIN_BITS = 14
"""of 64; a picture further from the recipe's is not taken for the item"""
CLOSE_BITS = 6
"""of 64; up to here a match is called close, beyond it loose"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOutcome:
    """What `rebuild` made or found."""

    dataset: DatasetVersion
    """its record"""
    already: bool
    """whether this version was there before"""
    examples: list[Example]
    """its rows"""
    classes: tuple[str, ...]
    """of the recipe"""
    report: dict[str, Any]
    """episodes and items, as rebuild.json has them"""
    same: bool
    """whether it is the version that the recipe was made from, to the bit"""


def write_recipe_of(
    workspace: Workspace, dataset: Dataset, folder: Path, progress: Progress | None = None
) -> list[str]:
    """Writes a version's recipe into a new folder; returns what a reader has to know.

    Each episode is decoded once, for its fingerprints. One whose file is gone gets none: its items can then be rebuilt
    from the very same file alone.

    Raises:
        DatasetError: no example comes from an episode.
    """
    items = tuple(example for example in dataset.examples if example.episode)
    if not items:
        raise DatasetError(f"{dataset.folder}: no example of it comes from an episode, so there is no recipe for it")
    notes = [f"{len(dataset.examples) - len(items)} examples come from no episode and are left out"]
    episodes = []
    with (progress or Silent()).step("fingerprint", len({i.episode for i in items}), "episodes") as step:
        for id in sorted({item.episode for item in items}):
            episode = workspace.catalogue.get(Episode, id)
            if episode is None:
                raise DatasetError(f"{dataset.folder}: its episode {id} is not in this workspace; mine it again")
            prints, note = _prints_of(episode, {item.pts for item in items if item.episode == id})
            cuts = [shot.start_pts for shot in workspace.catalogue.all(Shot, episode=id)]
            episodes.append(recipe_episode(episode, cuts, prints))
            notes += [note] if note else []
            step.advance(1)
    with appearing(folder) as part:
        write_recipe(part, Recipe(manifest=dataset.manifest, episodes=tuple(episodes), items=items))
        describe(dataset, "recipe", part)
    return notes[0 if len(items) < len(dataset.examples) else 1 :]


def rebuild(
    workspace: Workspace,
    recipe_path: Path,
    videos: list[Path],
    name: str | None = None,
    within_bits: int = WITHIN_BITS,
    progress: Progress | None = None,
) -> RebuildOutcome:
    """Makes the version that a recipe tells of from somebody's own copies of its episodes.

    Raises:
        InputError: the name cannot be a file name.
        DatasetError: the recipe makes no sense, or none of its episodes is among the videos.
    """
    recipe = read_recipe(recipe_path)
    name = checked_name(name or recipe.manifest.name, "dataset")
    progress = progress or Silent()
    copies, unusable = _find_copies(recipe, videos, progress)
    if not copies:
        seen = f"{len(videos)} paths looked through" + (f"; {unusable[0]}" if unusable else "")
        raise DatasetError(f"none of the {len(recipe.episodes)} episodes of {recipe_path} is there ({seen})")
    spool = workspace.root / "datasets" / f".part-rebuild-{name}"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    try:
        matches = _rebuild_all(recipe, copies, spool, progress)
        kept = {id: match for id, match in matches.items() if match.bits <= within_bits}
        if not kept:
            raise DatasetError(
                f"{recipe_path}: the videos are there, but no picture in them matches; are they the same cut?"
            )
        return _put(workspace, recipe, name, copies, matches, kept, spool, progress)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def rebuild_summary(workspace: Workspace, outcome: RebuildOutcome) -> dict[str, Any]:
    """The fields that `rebuild --json` prints."""
    words = [item["match"] for item in outcome.report["items"]]
    return {
        "version": outcome.dataset.id,
        "digest": outcome.dataset.digest,
        "path": str(workspace.root / outcome.dataset.path),
        "already": outcome.already,
        "same": outcome.same,
        "examples": len(outcome.examples),
        "splits": {split: sum(e.split == split for e in outcome.examples) for split in SPLITS},
        "classes": {label: sum(e.label == label for e in outcome.examples) for label in outcome.classes},
        "matches": {word: words.count(word) for word in ("identical", "close", "loose", "missing")},
        **outcome.report,
    }


def _prints_of(episode: Episode, times: set[int]) -> tuple[list[tuple[int, str]], str]:
    try:
        return list(sampled_prints(Path(episode.path), EVERY_SECONDS, times)), ""
    except VideoError as error:
        return [], f"{episode.name}: no fingerprints, so only the same file will do ({error})"


def _find_copies(recipe: Recipe, paths: list[Path], progress: Progress) -> tuple[dict[str, Copy], list[str]]:
    """Episode id -> the video that is a copy of it: the same file first, else the best aligned one."""
    found, failures = find_videos(paths)
    unusable = [failure.reason for failure in failures]
    digests = {}
    for path in found:
        try:
            digests[path] = sha256_of(path)
        except OSError as error:
            unusable.append(f"{path}: cannot be read ({error.strerror})")
    copies: dict[str, Copy] = {}
    for episode in recipe.episodes:
        same = next((path for path, digest in digests.items() if digest == episode.sha256), None)
        if same:
            copies[episode.id] = Copy(path=same, episode=episode.id, alignment=SAME, film=None)
    taken = {copy.path for copy in copies.values()}
    open_episodes = [episode for episode in recipe.episodes if episode.id not in copies and episode.prints]
    rest = [path for path in digests if path not in taken] if open_episodes else []
    aligned: list[tuple[float, Path, RecipeEpisode, Alignment, Film]] = []
    with progress.step("look at the videos", None, "frames") as step:
        for path in rest:
            try:
                film = see_film(path, step.advance)
            except VideoError as error:
                unusable.append(str(error))
                continue
            for episode in open_episodes:
                alignment = align(episode.as_prints(), episode.cut_seconds(), film.prints)
                if alignment and alignment.holds:
                    aligned.append((-alignment.agreeing * alignment.share, path, episode, alignment, film))
    for _, path, episode, alignment, film in sorted(aligned, key=lambda one: (one[0], str(one[1]))):
        if episode.id not in copies:
            copies[episode.id] = Copy(path=path, episode=f"e{digests[path][:12]}", alignment=alignment, film=film)
    return copies, unusable


def _rebuild_all(recipe: Recipe, copies: dict[str, Copy], spool: Path, progress: Progress) -> dict[str, Match]:
    """Item id -> match; the pictures lie in the spool under the items' ids."""
    matches: dict[str, Match] = {}
    with progress.step("cut out", None, "frames") as step:
        for episode in recipe.episodes:
            if episode.id not in copies:
                continue
            items = [item for item in recipe.items if item.episode == episode.id]
            copies[episode.id] = framed(episode, items, copies[episode.id], phash)
            found = rebuild_items(episode, items, copies[episode.id], phash, step.advance)
            for id, match in found.items():
                write_new(str(spool / id), match.png)
                matches[id] = replace(match, png=b"")
    return matches


def _put(
    workspace: Workspace,
    recipe: Recipe,
    name: str,
    copies: dict[str, Copy],
    matches: dict[str, Match],
    kept: dict[str, Match],
    spool: Path,
    progress: Progress,
) -> RebuildOutcome:
    manifest = recipe.manifest
    examples = sorted(
        (replace(m.item, file=f"images/{m.item.split}/{m.item.label}/{m.item.id}.png") for m in kept.values()),
        key=lambda e: e.id,
    )
    leaks = _certificate(examples, spool)
    report = {"recipe": manifest.digest, **_report(recipe, copies, matches, kept)}
    missing = len(recipe.items) - len(kept)
    content = Content(
        name=name, examples=examples, classes=manifest.classes, options=manifest.options, leaks=leaks,
        left_out={"not found in the videos": missing} if missing else {}, agreement=manifest.agreement,
        parent=manifest.digest, more={"rebuild.json": report},
    )  # fmt: skip
    _record_episodes(workspace, copies)
    record, already = put_version(workspace, content, lambda e: (spool / e.id).read_bytes(), progress)
    same = all(match.identical for match in kept.values()) and not missing
    return RebuildOutcome(
        dataset=record, already=already, examples=examples, classes=manifest.classes, report=report, same=same
    )  # fmt: skip


def _certificate(examples: list[Example], spool: Path) -> dict[str, Any]:
    """The leak certificate of what was rebuilt, its near-duplicates looked for anew: another encode may merge two."""
    crops = [
        Crop(
            id=e.id, episode=e.episode, shot=e.shot, track=e.track, pts=e.pts, box=e.box, character=e.character,
            cascade=e.cascade, score=0.0, sharpness=0.0, sha256=e.sha256,
        )
        for e in examples
    ]  # fmt: skip
    looks = {e.id: look(decode_rgb((spool / e.id).read_bytes(), e.id)) for e in examples}
    found = find_groups(crops, {e.id: e.phash for e in examples}, looks, DedupeOptions())
    kinship = Kinship(ties=[c.members for c in found.components], looks=looks)
    return leak_certificate(examples, SplitOptions(), kinship)


def _record_episodes(workspace: Workspace, copies: dict[str, Copy]) -> None:
    """Makes the copies known, so that `trace` and `verify --sample` find them; they are not mined by this."""
    unknown = [c for c in copies.values() if workspace.catalogue.get(Episode, c.episode) is None]
    with workspace.catalogue.transaction():
        workspace.catalogue.put([identify(copy.path) for copy in unknown])


def _report(
    recipe: Recipe, copies: dict[str, Copy], matches: dict[str, Match], kept: dict[str, Match]
) -> dict[str, list[dict[str, Any]]]:
    episodes = [_episode_line(episode, copies.get(episode.id)) for episode in recipe.episodes]
    return {"episodes": episodes, "items": [_item_line(item, matches.get(item.id), kept) for item in recipe.items]}


def _episode_line(episode: RecipeEpisode, copy: Copy | None) -> dict[str, Any]:
    line: dict[str, Any] = {"episode": episode.id, "name": episode.name}
    if copy is None:
        return line | {"copy": None, "how": "not among the videos"}
    if copy.film is None:
        return line | {"copy": copy.path.name, "how": "the same file", "speed": 1.0, "offset_seconds": 0.0}
    found = copy.alignment
    return line | {
        "copy": copy.path.name, "how": "aligned", "speed": round(found.speed, 6),
        "offset_seconds": round(found.offset_seconds, 4), "fingerprints": found.compared, "agreeing": found.agreeing,
        "cuts": found.cuts, "framing": [round(value, 4) for value in astuple(copy.framing)],
    }  # fmt: skip


def _item_line(item: Example, match: Match | None, kept: dict[str, Match]) -> dict[str, Any]:
    if match is None:
        return {"item": item.id, "match": "missing", "bits": None, "shift_seconds": None}
    word = "identical" if match.identical else "close" if match.bits <= CLOSE_BITS else "loose"
    word = word if item.id in kept else "missing"
    return {"item": item.id, "match": word, "bits": match.bits, "shift_seconds": match.shift_seconds}
