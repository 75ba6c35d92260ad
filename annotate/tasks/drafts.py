"""A task before it is sent: our key, what it is about, what the server shows and suggests."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

LOCAL = "/data/local-files/?d="
"""how the server calls a file below its document root"""

SHOWN_VERSION = "toonsift"
"""of every suggestion: the page shows those of one version alone, so which model it was stands in the task's data"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a machine thinks, shown to the annotator as an answer to correct."""

    by: str
    """which model or cascade, with its version"""
    result: tuple[Mapping[str, Any], ...]
    """regions and choices as Label Studio writes them"""
    confidence: float | None = None
    """between 0 and 1; None where there is only a cascade's score, which is no probability"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A question to put."""

    ref: str
    """our own key, unique in a project and the same every time"""
    item: str
    """id of the crop, sheet or frame"""
    data: Mapping[str, Any] = field(default_factory=dict)
    """what the interface shows, and what a pull needs to know again"""
    suggestion: Suggestion | None = None
    """pre-label"""

    def as_json(self) -> dict[str, Any]:
        """The task as Label Studio imports it."""
        data = dict(self.data) | {"ref": self.ref}
        if self.suggestion is None:
            return {"data": data}
        prediction: dict[str, Any] = {"model_version": SHOWN_VERSION, "result": list(self.suggestion.result)}
        if self.suggestion.confidence is not None:
            prediction["score"] = self.suggestion.confidence
        return {"data": data | {"suggested_by": self.suggestion.by}, "predictions": [prediction]}


def choice(control: str, about: str, value: str) -> dict[str, Any]:
    """A choice as Label Studio writes it."""
    name = f"{control}-suggested"  # without an id the page leaves a suggestion out
    return {"id": name, "from_name": control, "to_name": about, "type": "choices", "value": {"choices": [value]}}


def local_url(relative: str) -> str:
    """Where the server shows a file of the workspace; `relative` to its folder, with slashes."""
    return LOCAL + quote(relative, safe="/")


def with_pictures(draft: Draft, root: Path) -> Draft:
    """The draft with the pictures themselves in place of where they lie in the workspace."""
    data = {key: _inline(value, root) for key, value in draft.data.items()}
    return replace(draft, data=data)


def _inline(value: object, root: Path) -> object:
    if not isinstance(value, str) or not value.startswith(LOCAL):
        return value
    path = root / unquote(value.removeprefix(LOCAL))
    kind = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
