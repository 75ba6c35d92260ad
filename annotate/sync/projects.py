"""Our projects on a server: found by a mark in their description, made where there are none, their interface checked."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import defusedxml.ElementTree

from annotate.options import AnnotateOptions, split_name
from annotate.studio import Studio
from annotate.sync.state import State, identity_of, keep_state, read_state
from annotate.tasks.interface import interface_of
from annotate.tasks.pictures import FOLDER as PICTURES
from annotate.told import Project
from pipeline.core.errors import LabelError, StudioDoubtError, StudioGoneError, StudioRefusedError, StudioTokenError
from pipeline.core.files import digest_of
from pipeline.core.records import Cascade, Crop
from pipeline.core.workspace import Workspace

ATTEMPTS = 4
"""to make a project or let it show a folder, where the server's answers are of no use"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OurProject:
    """A project of ours as it is on the server now."""

    name: str
    """`emotions`, `sheets`, `faces`, or of a replica `emotions.NAME`"""
    there: Project
    """what the server says of it"""
    key: str
    """8 hex digits that no other project has, on no server: where its answers come from"""

    @property
    def source(self) -> str:
        """What labels of it have as their source."""
        return f"label-studio:{self.name}@{self.key}"


def characters_of(workspace: Workspace, options: AnnotateOptions) -> tuple[str, ...]:
    """Whom annotators may name: the options' list, else whom cascades and crops name, sorted."""
    if options.characters:
        return options.characters
    known = {c.character for c in workspace.catalogue.all(Cascade)} | {
        c.character for c in workspace.catalogue.all(Crop)
    }
    return tuple(sorted(name for name in known if name))


def find_project(workspace: Workspace, studio: Studio, name: str) -> OurProject | None:
    """The project of that name of this workspace; None where the server has none.

    Raises:
        StudioGoneError: it was there, and has been deleted since.
    """
    split_name(name)
    state, mark = read_state(workspace, name), _mark(workspace, name)
    if state.number and state.url == studio.url:
        try:
            there = studio.project(state.number)
            if mark in there.description:
                return _ours(workspace, name, there)
        except StudioGoneError:
            pass
    marked = [project for project in studio.projects() if mark in project.description]
    if marked:
        return _ours(workspace, name, max(marked, key=lambda p: (p.answers + p.skips, p.tasks, -p.id)))
    if state.number and state.url == studio.url:
        raise StudioGoneError(
            f"the project {name} was deleted on {studio.url}; its labels that were pulled are kept. "
            f"`toonsift annotate push {name} --anew` makes it again"
        )
    return None


def ensure_project(
    workspace: Workspace, studio: Studio, name: str, options: AnnotateOptions, *, anew: bool = False,
    change_interface: bool = False, shows_files: bool = True,
) -> OurProject:  # fmt: skip
    """The project of that name with the interface that the options ask for, and leave to show our pictures.

    Args:
        workspace: whose project it is.
        studio: the server.
        name: of the project.
        options: the lists of the interface.
        anew: make it again where it was deleted.
        change_interface: put ours in place of one that somebody changed on the server, or take choices away.
        shows_files: whether its tasks name files of the workspace; the server must be let to show them.

    Raises:
        StudioRefusedError: the server may not show the workspace's files.
        LabelError: the interface on the server is not the one we made, or choices would go that answers may have.
    """
    kind, _ = split_name(name)
    wanted = interface_of(kind, options.emotions, characters_of(workspace, options))
    if anew:
        keep_state(workspace, name, State())
    found = find_project(workspace, studio, name)
    if found is None:
        found = _made(workspace, studio, name, wanted)
    elif found.there.config != wanted:
        state = read_state(workspace, name)
        if not change_interface:
            _check_change(name, state.config, found.there.config, wanted)
        studio.change_project(found.there.id, label_config=wanted)
    state = read_state(workspace, name)
    state.url, state.number, state.created, state.config = studio.url, found.there.id, found.there.created, wanted
    keep_state(workspace, name, state)
    if shows_files:
        _show_pictures(workspace, studio, found.there.id)
    return found


def _made(workspace: Workspace, studio: Studio, name: str, interface: str) -> OurProject:
    mark = _mark(workspace, name)
    for attempt in range(ATTEMPTS):
        try:
            return _ours(workspace, name, studio.create_project(f"toonsift {name}", mark, interface))
        except StudioDoubtError:
            if attempt == ATTEMPTS - 1:
                raise
        studio.wait_until_up()
        found = find_project(workspace, studio, name)
        if found is not None:
            return found
    raise AssertionError("the last attempt returns or raises")


def _check_change(name: str, sent: str, there: str, wanted: str) -> None:
    """Raises LabelError unless the interface is the one we sent, and the new one has all its choices."""
    if sent and sent != there:
        raise LabelError(
            f"the interface of {name} was changed on the server since toonsift made it; see to it that this is wanted, then "
            f"`toonsift annotate push {name} --change-interface` puts toonsift's back"
        )
    lost = sorted(set(choices_in(there)) - set(choices_in(wanted)))
    if lost:
        raise LabelError(
            f"{name} offers {', '.join(value for _, value in lost)}, which toonsift.toml has no more: answers may have them. Put them back, or take "
            f"them away with `toonsift annotate push {name} --change-interface`"
        )


def choices_in(interface: str) -> list[tuple[str, str]]:
    """(control, value) of every choice and rectangle label of an interface; empty where it is no XML."""
    try:
        root = defusedxml.ElementTree.fromstring(interface)
    except (ElementTree.ParseError, ValueError):
        return []
    return [
        (control.get("name", ""), one.get("value", ""))
        for control in root.iter()
        if control.tag in ("Choices", "RectangleLabels")
        for one in control
    ]


def _show_pictures(workspace: Workspace, studio: Studio, project: int) -> None:
    """Lets the project show the workspace's pictures, also after the workspace moved. Never synchronised."""
    root = workspace.root.resolve()
    folders = [root / "objects", root / PICTURES]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        for attempt in range(ATTEMPTS):
            try:
                return _show_folders(studio, project, root, folders)
            except StudioDoubtError:
                if attempt == ATTEMPTS - 1:
                    raise
            studio.wait_until_up()
    except StudioTokenError:
        raise
    except StudioRefusedError as error:
        raise StudioRefusedError(
            f"{studio.url} may not show the pictures of {root} ({error}); start it with "
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT="
            f"{root}, or use `toonsift annotate serve`, or push a few hundred with --inline"
        ) from None


def _show_folders(studio: Studio, project: int, root: Path, folders: Sequence[Path]) -> None:
    """Looks which storages are there, so after a doubt none is made twice."""
    there = studio.storages(project)
    for folder in folders:
        relative = folder.relative_to(root).as_posix()
        ours = [(id, path) for id, path in there if path.rstrip("/").endswith(f"/{relative}")]
        if not ours:
            studio.create_storage(project, str(folder))
        for id, path in ours:
            if path.rstrip("/") != str(folder):
                studio.move_storage(id, project, str(folder))


def storages_at_home(workspace: Workspace, studio: Studio, names: Sequence[str]) -> None:
    """After a move of the workspace: the pictures of these projects are where they are now."""
    for name in names:
        state = read_state(workspace, name)
        if state.number:
            try:
                _show_pictures(workspace, studio, state.number)
            except StudioGoneError:
                continue


def known_projects(workspace: Workspace) -> list[str]:
    """Names of the projects that this workspace remembers, sorted."""
    return sorted(path.stem for path in (workspace.root / "annotate" / "projects").glob("*.json"))


def _mark(workspace: Workspace, name: str) -> str:
    return f"toonsift {name} of workspace {identity_of(workspace)}. Please leave this line as it is."


def _ours(workspace: Workspace, name: str, there: Project) -> OurProject:
    key = digest_of([identity_of(workspace), there.id, there.created])[:8]
    return OurProject(name=name, there=there, key=key)
