"""Tracks and near-duplicate groups -> tasks: one answer for all the pictures on a contact sheet."""

from collections import defaultdict
from collections.abc import Sequence

from annotate.options import AnnotateOptions
from annotate.tasks.drafts import Draft, local_url
from annotate.tasks.emotions import suggested
from annotate.tasks.pictures import draw_sheet
from pipeline.core.errors import NotFoundError
from pipeline.core.files import digest_of
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Cascade, Crop, DuplicateGroup
from pipeline.core.workspace import Workspace


def chosen_sheets(workspace: Workspace, of: str = "tracks", limit: int = 0) -> list[tuple[str, list[Crop]]]:
    """(id, crops by time) of every track or near-duplicate group with two crops or more, the largest first.

    Raises:
        NotFoundError: there is none.
    """
    crops = {crop.id: crop for crop in workspace.catalogue.all(Crop)}
    found: dict[str, list[Crop]] = defaultdict(list)
    if of == "tracks":
        for crop in crops.values():
            found[crop.track].append(crop)
    else:
        for group in workspace.catalogue.all(DuplicateGroup):
            found[group.id] = [crops[member] for member in group.members if member in crops]
    sheets = [
        (id, sorted(of_it, key=lambda c: (c.episode, c.pts, c.id))) for id, of_it in found.items() if len(of_it) > 1
    ]
    if not sheets:
        raise NotFoundError(
            f"there are no {of} with two crops or more; `toonsift mine` and `toonsift dedupe` make them"
        )
    sheets.sort(key=lambda sheet: (-len(sheet[1]), sheet[0]))
    return sheets[:limit] if limit else sheets


def sheet_drafts(
    workspace: Workspace, sheets: Sequence[tuple[str, Sequence[Crop]]], options: AnnotateOptions,
    characters: Sequence[str], *, suggest: bool = True, progress: Progress | None = None,
) -> list[Draft]:  # fmt: skip
    """A task for each sheet, or several for one with more crops than a sheet shows. Draws the sheets.

    A sheet whose crops are others than last time (mined again) is another task.
    """
    cascades = {cascade.sha256: cascade.id for cascade in workspace.catalogue.all(Cascade)}
    drafts = []
    with (progress or Silent()).step("sheets", len(sheets), "sheets") as step:
        for id, crops in sheets:
            for begin in range(0, len(crops), options.sheet_members):
                part = crops[begin : begin + options.sheet_members]
                drafts.append(_draft(workspace, id, part, cascades, options, characters if suggest else ()))
            step.advance()
    return drafts


def _draft(
    workspace: Workspace, id: str, crops: Sequence[Crop], cascades: dict[str, str], options: AnnotateOptions,
    characters: Sequence[str],
) -> Draft:  # fmt: skip
    members = [crop.id for crop in crops]
    ref = f"{id}:{digest_of([[crop.id, crop.sha256] for crop in crops])[:8]}"
    path = draw_sheet(workspace, ref.replace(":", "-"), crops)
    where = f"{len(members)} pictures, one answer for all; skip where they differ"
    return Draft(
        ref=ref,
        item=id,
        data={"image": local_url(path), "members": members, "where": where},
        suggestion=suggested(crops[0], cascades, "sheet", characters, options.emotions, None),
    )
