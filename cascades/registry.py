"""The cascades of a workspace: stored by name, their XML in the file store; and XML files from anywhere."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cascades.detect import LoadedCascade
from cascades.xml import read_xml
from pipeline.core.errors import CascadeError, InputError, NotFoundError
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace, checked_name, now

EXTERNAL = "external:"
"""begins the name of a cascade that came as a file; it is kept so that what it found can be traced"""


def store_cascade(workspace: Workspace, name: str, character: str, xml: bytes, card: dict[str, Any]) -> Cascade:
    """Keeps a fitted cascade under a name; one of that name is replaced, its XML stays in the file store.

    Raises:
        InputError: the name cannot be a file name.
    """
    record = Cascade(
        id=checked_name(name, "cascade"),
        character=character,
        sha256=workspace.objects.put(xml, ".xml"),
        card=json.dumps(card),
        created=now(),
    )
    workspace.catalogue.put([record])
    return record


def load_cascade(workspace: Workspace, wanted: str) -> LoadedCascade:
    """A cascade by name, or from an XML file (its character is then the file's stem).

    Raises:
        NotFoundError: neither a name in the workspace nor a file.
        CascadeError: the XML is broken.
    """
    record = workspace.catalogue.get(Cascade, wanted)
    if record is not None:
        content = workspace.objects.read(record.sha256, ".xml")
        return LoadedCascade(character=record.character, digest=record.sha256, content=content)
    path = Path(wanted)
    if not path.exists():
        known = ", ".join(c.id for c in named_cascades(workspace)) or "none yet"
        raise NotFoundError(f"no cascade {wanted!r}: neither a file nor in the workspace (there are: {known})")
    read_xml(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CascadeError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return LoadedCascade(character=path.stem, digest=hashlib.sha256(content).hexdigest(), content=content)


def named_cascades(workspace: Workspace) -> list[Cascade]:
    """Those fitted here, by name, without those that came as files."""
    return [c for c in workspace.catalogue.all(Cascade) if not c.id.startswith(EXTERNAL)]


def chosen_cascades(workspace: Workspace, wanted: Sequence[str]) -> list[LoadedCascade]:
    """The cascades given, each once, else all of the workspace; nothing is written.

    Raises:
        NotFoundError, CascadeError: as `load_cascade`.
    """
    loaded = [load_cascade(workspace, name) for name in wanted or [c.id for c in named_cascades(workspace)]]
    return list({cascade.digest: cascade for cascade in loaded}.values())


def mining_cascades(workspace: Workspace, wanted: Sequence[str]) -> list[LoadedCascade]:
    """`chosen_cascades`; those that came as files are kept, so that what they find can be traced. Call under the lock."""
    chosen = chosen_cascades(workspace, wanted)
    known = {c.sha256 for c in workspace.catalogue.all(Cascade)}
    for cascade in chosen:
        if cascade.digest not in known:
            workspace.objects.put(cascade.content, ".xml")
            name = f"{EXTERNAL}{cascade.character}:{cascade.digest[:12]}"
            record = Cascade(id=name, character=cascade.character, sha256=cascade.digest, card="{}", created=now())
            workspace.catalogue.put([record])
    return chosen


def card_of(cascade: Cascade) -> dict[str, Any]:
    """The cascade's card. Raises InputError when it is damaged."""
    try:
        card = json.loads(cascade.card or "{}")
    except ValueError as error:
        raise InputError(f"the card of cascade {cascade.id} is damaged ({error}); fit it again") from None
    return card if isinstance(card, dict) else {}
