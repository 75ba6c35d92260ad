"""A whole push: what to ask about, drawn and suggested, put into one project or several blind ones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from annotate.agreement.suggestions import NAME as SUGGESTIONS
from annotate.agreement.suggestions import keep_suggestions
from annotate.items import keep_honeypots, mixed, read_guesses, read_items
from annotate.options import AnnotateOptions, Kind
from annotate.queueing.order import Classifier, classified
from annotate.server.access import folder_of
from annotate.studio import Studio
from annotate.sync.projects import characters_of, ensure_project
from annotate.sync.push import push
from annotate.sync.state import alone
from annotate.tasks.drafts import Draft, with_pictures
from annotate.tasks.emotions import Guess, chosen_crops, emotion_drafts
from annotate.tasks.faces import chosen_frames, face_drafts
from annotate.tasks.sheets import chosen_sheets, sheet_drafts
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Crop
from pipeline.core.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be asked."""

    kind: Kind
    """which project"""
    replicas: tuple[str, ...] = ()
    """names of annotators who each get the same tasks in a project of their own; empty: one project for all"""
    limit: int = 0
    """how many items at most; 0 for all"""
    items: Path | None = None
    """file of crops in an order, see `annotate queue`"""
    guesses: Path | None = None
    """file of what a model thinks of the crops"""
    classifier: Classifier | None = None
    """a trained model that is asked now, where there is no such file"""
    honeypots: Path | None = None
    """file of crops with known answers to mix in"""
    sheets_of: str = "tracks"
    """`tracks` or `groups`"""
    suggest: bool = True
    """whether annotators see what machines think"""
    anew: bool = False
    """make a project again that was deleted on the server"""
    change_interface: bool = False
    """put our interface in place of another, also where choices go"""
    inline: bool = False
    """whether tasks hold their pictures themselves: for a server that cannot read our files; large, so for few"""
    projects: tuple[str, ...] = field(init=False, default=())
    """names of the projects"""

    def __post_init__(self) -> None:
        names = tuple(f"{self.kind}.{replica}" for replica in self.replicas) or (str(self.kind),)
        object.__setattr__(self, "projects", names)


def ask(
    workspace: Workspace, studio: Studio, order: Order, options: AnnotateOptions, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Puts the tasks into every project of the order; what is there already stays as it is.

    Returns for each project: project, number, url, tasks (asked for), pushed, already, doubts, swept, doubled.
    """
    characters = characters_of(workspace, options)
    drafts = drafts_of(workspace, order, options, characters, progress)
    if order.inline:
        drafts = [with_pictures(draft, workspace.root) for draft in drafts]
    done = []
    for name in order.projects:
        with alone(workspace, name):
            project = ensure_project(
                workspace, studio, name, options, anew=order.anew, change_interface=order.change_interface,
                shows_files=not order.inline,
            )  # fmt: skip
            pushed = push(workspace, studio, project, drafts, options.batch, progress)
        where = {"project": name, "number": project.there.id, "url": f"{studio.url}/projects/{project.there.id}/data"}
        done.append(where | {"tasks": len(drafts)} | asdict(pushed))
    return done


def drafts_of(
    workspace: Workspace, order: Order, options: AnnotateOptions, characters: Sequence[str],
    progress: Progress | None = None,
) -> list[Draft]:  # fmt: skip
    """The tasks of an order, first things first. Draws their pictures."""
    if order.kind is Kind.faces:
        frames = chosen_frames(workspace, options, order.limit)
        return face_drafts(workspace, frames, options, characters, suggest=order.suggest, progress=progress)
    if order.kind is Kind.sheets:
        sheets = chosen_sheets(workspace, order.sheets_of, order.limit)
        return sheet_drafts(workspace, sheets, options, characters, suggest=order.suggest, progress=progress)
    crops = chosen_crops(workspace, read_items(order.items) if order.items else (), order.limit)
    if order.honeypots:
        crops = _with_honeypots(workspace, crops, order.honeypots)
    guesses = _guesses(workspace, order, crops, progress or Silent()) if order.suggest else None
    drafts = emotion_drafts(workspace, crops, options, characters, guesses, progress)
    keep_suggestions(
        folder_of(workspace) / SUGGESTIONS,
        {
            (d.suggestion.by, d.item): guesses[d.item].emotion
            for d in drafts
            if d.suggestion and guesses and d.item in guesses
        },
    )
    return drafts


def _guesses(workspace: Workspace, order: Order, crops: Sequence[Crop], progress: Progress) -> dict[str, Guess]:
    if order.guesses:
        return read_guesses(order.guesses)
    if order.classifier is None:
        return {}
    model = order.classifier
    seen, probabilities_NC = classified(workspace, crops, model, progress)
    best_N = probabilities_NC.argmax(axis=1)
    return {
        crop.id: Guess(emotion=model.classes[best], probability=float(probabilities_C[best]), by=f"run {model.name}")
        for crop, best, probabilities_C in zip(seen, best_N, probabilities_NC, strict=True)
    }


def _with_honeypots(workspace: Workspace, crops: Sequence[Crop], path: Path) -> list[Crop]:
    known = keep_honeypots(workspace, path)
    chosen_crops(workspace, known)  # all of them must be there
    return chosen_crops(workspace, mixed([crop.id for crop in crops], known, seed=path.name))
