"""The cascades of a workspace: stored by name, their XML in the file store; and XML files from anywhere."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cascades.looked_for import LoadedCascade
from cascades.scoring.calibration import threshold_for
from cascades.verifier.model import MAX_VERIFIER_BYTES, verifier_path
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


def load_cascade(workspace: Workspace, wanted: str, wanted_precision: float | None = None) -> LoadedCascade:
    """A cascade by name, or from an XML file (its character is then the file's stem; a verifier beside it is taken).

    With `wanted_precision` its faces need the score that reached it on held-out pictures.

    Raises:
        NotFoundError: neither a name in the workspace nor a file.
        CascadeError: the XML or the verifier is broken, or nothing is known of the precision wanted.
    """
    record = workspace.catalogue.get(Cascade, wanted)
    if record is not None:
        card, content = card_of(record), workspace.objects.read(record.sha256, ".xml")
        verifier = workspace.objects.read(card["verifier"], ".json") if card.get("verifier") else b""
        least = None if wanted_precision is None else threshold_for(card, wanted_precision, wanted)
        return LoadedCascade(
            character=record.character, digest=record.sha256, content=content, verifier=verifier, min_score=least
        )
    path = Path(wanted)
    if wanted_precision is not None and path.exists():
        threshold_for({}, wanted_precision, wanted)  # raises: only cascades of the workspace have a card
    if not path.exists():
        known = ", ".join(c.id for c in named_cascades(workspace)) or "none yet"
        raise NotFoundError(f"no cascade {wanted!r}: neither a file nor in the workspace (there are: {known})")
    read_xml(path)
    try:
        content = path.read_bytes()
        beside = verifier_path(path)
        verifier = beside.read_bytes() if beside.is_file() and beside.stat().st_size <= MAX_VERIFIER_BYTES else b""
    except OSError as error:
        raise CascadeError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return LoadedCascade(
        character=path.stem, digest=hashlib.sha256(content).hexdigest(), content=content, verifier=verifier
    )


def named_cascades(workspace: Workspace) -> list[Cascade]:
    """Those fitted here, by name, without those that came as files."""
    return [c for c in workspace.catalogue.all(Cascade) if not c.id.startswith(EXTERNAL)]


def chosen_cascades(
    workspace: Workspace, wanted: Sequence[str], wanted_precision: float | None = None
) -> list[LoadedCascade]:
    """The cascades given, each once, else all of the workspace; nothing is written.

    Raises:
        NotFoundError, CascadeError: as `load_cascade`.
    """
    names = wanted or [c.id for c in named_cascades(workspace)]
    loaded = [load_cascade(workspace, name, wanted_precision) for name in names]
    return list({cascade.key: cascade for cascade in loaded}.values())


def keep_cascades(workspace: Workspace, chosen: Sequence[LoadedCascade]) -> None:
    """Keeps those that the workspace does not know under a name that says so. Call under the lock."""
    known = {c.sha256 for c in workspace.catalogue.all(Cascade)}
    for cascade in chosen:
        if cascade.digest not in known:
            workspace.objects.put(cascade.content, ".xml")
            name = f"{EXTERNAL}{cascade.character}:{cascade.digest[:12]}"
            card = {"verifier": workspace.objects.put(cascade.verifier, ".json")} if cascade.verifier else {}
            record = Cascade(
                id=name, character=cascade.character, sha256=cascade.digest, card=json.dumps(card), created=now()
            )
            workspace.catalogue.put([record])


def card_of(cascade: Cascade) -> dict[str, Any]:
    """The cascade's card. Raises InputError when it is damaged."""
    try:
        card = json.loads(cascade.card or "{}")
    except ValueError as error:
        raise InputError(f"the card of cascade {cascade.id} is damaged ({error}); fit it again") from None
    return card if isinstance(card, dict) else {}


def update_card(workspace: Workspace, name: str, more: dict[str, Any]) -> Cascade | None:
    """Adds to the card of a cascade of this workspace, values of the same name replaced; None where there is none.

    Call under the writer's lock. Raises InputError when the card is damaged.
    """
    record = workspace.catalogue.get(Cascade, name)
    if record is None:
        return None
    updated = replace(record, card=json.dumps(card_of(record) | more, ensure_ascii=False))
    workspace.catalogue.put([updated])
    return updated
