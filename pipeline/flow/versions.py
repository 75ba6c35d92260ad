"""Puts a dataset version into the workspace: once, under the next number, with its record."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.core.manifest import Example, content_digest
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import DatasetVersion
from pipeline.core.workspace import Workspace, checked_name, now
from pipeline.datasets.versions import Reader, manifest_of, write_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Everything of a version but its pictures."""

    name: str
    """of the dataset"""
    examples: list[Example]
    """the rows"""
    classes: tuple[str, ...]
    """sorted"""
    options: dict[str, Any]
    """what made it so; part of the digest"""
    leaks: dict[str, Any]
    """the certificate"""
    left_out: dict[str, int] = field(default_factory=dict)
    """why something is not in it -> how many"""
    agreement: dict[str, Any] = field(default_factory=dict)
    """of the annotators"""
    parent: str = ""
    """digest of what it was made from, where that is no version of the same name"""
    more: dict[str, object] = field(default_factory=dict)
    """JSON documents to put beside, by file name"""


def put_version(
    workspace: Workspace, content: Content, read_picture: Reader, progress: Progress | None = None
) -> tuple[DatasetVersion, bool]:
    """Writes the version unless one of that name is the same; returns its record, and whether it was there already.

    Raises:
        InputError: the name cannot be a file name.
        DiskFullError: no room.
    """
    name = checked_name(content.name, "dataset")
    digest = content_digest(name, content.classes, content.options, content.examples)
    earlier = sorted(workspace.catalogue.all(DatasetVersion, name=name), key=lambda d: d.version)
    same = next((d for d in earlier if d.digest == digest and (workspace.root / d.path).is_dir()), None)
    if same:
        return same, True
    version = earlier[-1].version + 1 if earlier else 1
    relative, created = Path("datasets") / name / f"{version:04d}", now()
    manifest = manifest_of(
        name, version, earlier[-1].digest if earlier else content.parent, content.examples, content.classes,
        content.options, digest, created, content.agreement,
    )  # fmt: skip
    if (workspace.root / relative).exists():  # a killed run wrote it but never recorded it
        shutil.rmtree(workspace.root / relative)
    with (progress or Silent()).step("write", len(content.examples), "images") as step:
        write_version(
            workspace.root / relative, manifest, content.examples, content.leaks, content.left_out, read_picture,
            step.advance, content.more,
        )  # fmt: skip
    record = DatasetVersion(
        id=f"{name}@{version}", name=name, version=version, digest=digest, parent=manifest.parent,
        path=relative.as_posix(), examples=len(content.examples), created=created,
    )  # fmt: skip
    with workspace.catalogue.transaction():
        workspace.catalogue.put([record])
    return record, False
