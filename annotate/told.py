"""What a Label Studio server tells of accounts, projects and tasks, read without trust."""

from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import StudioDoubtError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody with a login."""

    id: int
    """the server's number"""
    email: str
    """by which people know it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as the server tells it."""

    id: int
    """the server's number"""
    title: str
    """what people see"""
    description: str
    """holds our mark"""
    config: str
    """labelling interface, XML"""
    created: str
    """ISO 8601, as the server wrote it"""
    tasks: int
    """how many"""
    answers: int
    """annotations that are no skips"""
    skips: int
    """annotations that are"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A task of a listing."""

    id: int
    """the server's number"""
    ref: str
    """our key; empty in a task that is none of ours"""


def as_object(value: Any) -> Json:
    """The value, an object. Raises StudioDoubtError when it is something else."""
    if not isinstance(value, dict):
        raise StudioDoubtError(f"the server answered with {str(value)[:60]!r}, where an object was expected")
    return value


def number_in(row: Json, key: str) -> int:
    """A whole number of an object. Raises StudioDoubtError when there is none of that name."""
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise StudioDoubtError(f"the server tells no {key!r} where it must ({str(row)[:80]})")
    return value


def account_in(row: Json) -> Account:
    """The account that the server wrote. Raises StudioDoubtError."""
    return Account(id=number_in(row, "id"), email=str(row.get("email") or ""))


def project_in(row: Json) -> Project:
    """The project that the server wrote. Raises StudioDoubtError."""
    counts = {
        name: row.get(name) or 0 for name in ("task_number", "total_annotations_number", "skipped_annotations_number")
    }
    return Project(
        id=number_in(row, "id"), title=str(row.get("title") or ""), description=str(row.get("description") or ""),
        config=str(row.get("label_config") or ""), created=str(row.get("created_at") or ""),
        tasks=int(counts["task_number"]), answers=int(counts["total_annotations_number"]),
        skips=int(counts["skipped_annotations_number"]),
    )  # fmt: skip


def listed_in(row: Json) -> Listed:
    """The listed task that the server wrote. Raises StudioDoubtError."""
    data = row.get("data")
    return Listed(id=number_in(row, "id"), ref=str(data.get("ref") or "") if isinstance(data, dict) else "")
