"""Crops -> tasks: which emotion, whose face."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotate.options import AnnotateOptions
from annotate.tasks.drafts import Draft, Suggestion, choice, local_url
from annotate.tasks.pictures import context_path, draw_contexts, object_path
from pipeline.core.errors import NotFoundError
from pipeline.core.places import Timestamp
from pipeline.core.progress import Progress
from pipeline.core.records import Cascade, Crop, DuplicateGroup, Episode
from pipeline.core.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a trained model thinks of a crop."""

    emotion: str
    """its most probable class"""
    probability: float
    """of that class, between 0 and 1"""
    by: str
    """which model"""


def chosen_crops(workspace: Workspace, wanted: Sequence[str] = (), limit: int = 0) -> list[Crop]:
    """The crops to ask about, first things first.

    Args:
        workspace: whose crops.
        wanted: ids in the order to ask in; empty for all that stand for themselves or for their near-duplicates, the
            best of every track first, then the second best, and so on.
        limit: how many at most; 0 for all.

    Raises:
        NotFoundError: a wanted crop is not in the workspace, or there are none at all.
    """
    crops = {crop.id: crop for crop in workspace.catalogue.all(Crop)}
    if wanted:
        lost = [id for id in wanted if id not in crops]
        if lost:
            raise NotFoundError(
                f"{len(lost)} of {len(wanted)} wanted crops are not in the workspace, the first is {lost[0]}"
            )
        found = [crops[id] for id in dict.fromkeys(wanted)]
    else:
        marked = {m for g in workspace.catalogue.all(DuplicateGroup) for m in g.members if m != g.kept}
        found = _best_first([crop for crop in crops.values() if crop.id not in marked])
    if not found:
        raise NotFoundError("there are no crops to ask about yet: `toonsift mine EPISODES` first")
    return found[:limit] if limit else found


def emotion_drafts(
    workspace: Workspace, crops: Sequence[Crop], options: AnnotateOptions, characters: Sequence[str],
    guesses: Mapping[str, Guess] | None = None, progress: Progress | None = None,
) -> list[Draft]:  # fmt: skip
    """A task for each crop, in their order. Draws the frames that are shown beside them.

    Args:
        workspace: whose crops they are.
        crops: what to ask about.
        options: sizes, emotions.
        characters: whom the interface offers.
        guesses: crop id -> what a model thinks; without it only the character is suggested. None: nothing is.
        progress: of the pictures.
    """
    episodes = {episode.id: episode for episode in workspace.catalogue.all(Episode)}
    cascades = {cascade.sha256: cascade.id for cascade in workspace.catalogue.all(Cascade)}
    draw_contexts(workspace, crops, episodes, options.context_width, progress)
    drafts = []
    for crop in crops:
        picture, context = object_path(crop.sha256), context_path(crop)
        shown = context if (workspace.root / context).is_file() else picture
        data = {"image": local_url(picture), "context": local_url(shown), "where": _where(crop, episodes)}
        suggestion = None
        if guesses is not None:
            suggestion = suggested(crop, cascades, "face", characters, options.emotions, guesses.get(crop.id))
        drafts.append(Draft(ref=crop.id, item=crop.id, data=data, suggestion=suggestion))
    return drafts


def suggested(
    crop: Crop, cascades: Mapping[str, str], about: str, characters: Sequence[str], emotions: Sequence[str],
    guess: Guess | None,
) -> Suggestion | None:  # fmt: skip
    """The cascade's character and the model's emotion, where the interface has them; None where nothing is known."""
    result, by, confidence = [], [], None
    if guess is not None and guess.emotion in emotions:
        result.append(choice("emotion", about, guess.emotion))
        by.append(guess.by)
        confidence = guess.probability
    if crop.character in characters:
        result.append(choice("character", about, crop.character))
        by.append(f"cascade {cascades.get(crop.cascade, crop.cascade[:8])}")
    return Suggestion(by=" + ".join(by), result=tuple(result), confidence=confidence) if result else None


def _best_first(crops: Sequence[Crop]) -> list[Crop]:
    tracks: dict[str, list[Crop]] = defaultdict(list)
    for crop in crops:
        tracks[crop.track].append(crop)
    ranked = [
        (rank, crop.episode, crop.pts, crop.id, crop)
        for of_track in tracks.values()
        for rank, crop in enumerate(sorted(of_track, key=lambda c: (-c.sharpness, c.id)))
    ]
    return [crop for *_, crop in sorted(ranked, key=lambda row: row[:4])]


def _where(crop: Crop, episodes: Mapping[str, Episode]) -> str:
    episode = episodes.get(crop.episode)
    if episode is None:
        return crop.episode
    return f"{episode.name} {Timestamp(pts=crop.pts, time_base=episode.time_base).timecode}"
