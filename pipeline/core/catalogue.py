"""The catalogue: every record of a workspace in one SQLite file (WAL), written in transactions, read at any time.

Records go in and come out as the dataclasses of `records`; a column is a field, a Box four columns, a Fraction and a
tuple text.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pipeline.core.errors import DiskFullError, WorkspaceBusyError, WorkspaceError, WorkspaceVersionError
from pipeline.core.places import Box
from pipeline.core.records import (
    Cascade,
    Chunk,
    Crop,
    DatasetVersion,
    Detection,
    DuplicateComponent,
    DuplicateGroup,
    Episode,
    Hold,
    Label,
    Repeat,
    Run,
    SearchedPart,
    Shot,
    ShotPrint,
    Task,
    Track,
)
from pipeline.core.schema import MIGRATIONS

Record = (
    Episode | Shot | ShotPrint | Repeat | Hold | Detection | Track | Crop | DuplicateGroup | DuplicateComponent | Label
    | Task | DatasetVersion | Cascade | Run | Chunk | SearchedPart
)  # fmt: skip
R = TypeVar(
    "R", Episode, Shot, ShotPrint, Repeat, Hold, Detection, Track, Crop, DuplicateGroup, DuplicateComponent, Label,
    Task, DatasetVersion, Cascade, Run, Chunk, SearchedPart,
)  # fmt: skip

TABLES: dict[type[Any], str] = {
    Episode: "episodes", Shot: "shots", Hold: "holds", Detection: "detections", Track: "tracks", Crop: "crops",
    DuplicateGroup: "duplicates", DuplicateComponent: "components", Label: "labels", Task: "tasks",
    DatasetVersion: "datasets", Cascade: "cascades", Run: "runs", Chunk: "chunks",
    SearchedPart: "searched", ShotPrint: "prints", Repeat: "repeats",
}  # fmt: skip
BOX = ("left", "top", "right", "bottom")
BUSY_SECONDS = 30.0
"""how long a statement waits for another process's transaction"""


class Catalogue:
    """An open catalogue file. Use from one thread."""

    def __init__(self, path: Path) -> None:
        """Opens (or makes) the file and brings its tables up to date.

        Raises:
            WorkspaceVersionError: a newer toonsift made it.
            WorkspaceError: it is no catalogue, damaged, or cannot be opened.
        """
        self.path = path
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA wal_autocheckpoint = 128")  # many small commits: half a MiB of log at most
        self._migrate()

    def close(self) -> None:
        """Closes the file; the object is of no use afterwards."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is written in the block is kept when it ends well, and none of it otherwise."""
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def put(self, records: Iterable[Record]) -> int:
        """Inserts records, or replaces those of the same id; returns how many."""
        count = 0
        with self._errors():
            for record in records:
                row = _to_row(record)
                names = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                updates = ", ".join(f'"{name}" = excluded."{name}"' for name in row if name != "id")
                self._connection.execute(
                    f"INSERT INTO {TABLES[type(record)]} ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}",
                    tuple(row.values()),
                )
                count += 1
        return count

    def all(self, kind: type[R], **equal: str | int | float) -> list[R]:
        """All records of a kind whose fields equal the given values, ordered by id."""
        where, values = _where(kind, equal)
        with self._errors():
            rows = self._connection.execute(f"SELECT * FROM {TABLES[kind]}{where} ORDER BY id", values).fetchall()
        return [_from_row(kind, row) for row in rows]

    def ids(self, kind: type[Any]) -> list[str]:
        """The ids of all records of a kind, sorted."""
        with self._errors():
            return [row[0] for row in self._connection.execute(f"SELECT id FROM {TABLES[kind]} ORDER BY id")]

    def some(self, kind: type[R], ids: Iterable[str]) -> list[R]:
        """The records of these ids, in their order; what is not there is left out."""
        statement = f"SELECT * FROM {TABLES[kind]} WHERE id = ?"
        with self._errors():
            rows = [self._connection.execute(statement, (id,)).fetchone() for id in ids]
        return [_from_row(kind, row) for row in rows if row is not None]

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of that id, or None."""
        found = self.all(kind, id=id)
        return found[0] if found else None

    def count(self, kind: type[Any], **equal: str | int | float) -> int:
        """How many records of a kind have these field values."""
        where, values = _where(kind, equal)
        with self._errors():
            (count,) = self._connection.execute(f"SELECT count(*) FROM {TABLES[kind]}{where}", values).fetchone()
        return int(count)

    def delete(self, kind: type[Any], **equal: str | int | float) -> int:
        """Deletes the records of a kind with these field values (at least one is needed); returns how many."""
        if not equal:
            raise ValueError("delete needs at least one condition")
        where, values = _where(kind, equal)
        with self._errors():
            return self._connection.execute(f"DELETE FROM {TABLES[kind]}{where}", values).rowcount

    def referenced_crops(self) -> set[str]:
        """Ids of crops that a label refers to; these are never dropped."""
        with self._errors():
            return {row[0] for row in self._connection.execute("SELECT DISTINCT crop FROM labels")}

    def hashes(self, kind: str, crops: Iterable[str] | None = None) -> dict[str, str]:
        """Perceptual hashes of a kind (name and version): crop id -> hex digits; of all crops, or of these."""
        statement = "SELECT crop, value FROM hashes WHERE kind = ?"
        with self._errors():
            if crops is not None:
                rows = [
                    self._connection.execute(f"{statement} AND crop = ?", (kind, crop)).fetchone() for crop in crops
                ]
                return dict(row for row in rows if row is not None)
            return dict(self._connection.execute(statement, (kind,)).fetchall())

    def hashed(self, kind: str) -> set[str]:
        """Ids of the crops that have a perceptual hash of that kind."""
        with self._errors():
            return {row[0] for row in self._connection.execute("SELECT crop FROM hashes WHERE kind = ?", (kind,))}

    def put_hashes(self, kind: str, values: dict[str, str]) -> None:
        """Stores perceptual hashes of a kind; those of the same crop are replaced."""
        with self._errors():
            self._connection.executemany(
                "INSERT OR REPLACE INTO hashes (crop, kind, value) VALUES (?, ?, ?)",
                [(crop, kind, value) for crop, value in values.items()],
            )

    def prints_in_short(self) -> list[ShotPrint]:
        """Every shot's print without its drawings, which are most of it, ordered by id."""
        names = ", ".join("'' AS drawings" if name == "drawings" else name for name in _COLUMNS[ShotPrint])
        with self._errors():
            rows = self._connection.execute(f"SELECT {names} FROM prints ORDER BY id").fetchall()
        return [_from_row(ShotPrint, row) for row in rows]

    def integrity_faults(self) -> list[str]:
        """What SQLite's own check finds wrong with the file; empty when it is sound."""
        with self._errors():
            rows = self._connection.execute("PRAGMA integrity_check").fetchall()
            broken = self._connection.execute("PRAGMA foreign_key_check").fetchall()
        faults = [row[0] for row in rows if row[0] != "ok"]
        return faults + [f"{row[0]}: a row refers to a missing {row[2]} row" for row in broken]

    def _migrate(self) -> None:
        with self._errors():
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise WorkspaceVersionError(
                f"{self.path} has schema {version}, this toonsift knows up to {len(MIGRATIONS)}: "
                "a newer toonsift made it; upgrade toonsift (nothing was changed)"
            )
        for number in range(version, len(MIGRATIONS)):
            with self.transaction():
                (current,) = self._connection.execute("PRAGMA user_version").fetchone()
                if current > number:  # another process got here first
                    continue
                for statement in MIGRATIONS[number].split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "full" in text or ("disk I/O" in text and _is_full(self.path)):
                raise DiskFullError(
                    f"the disk that holds {self.path} is full; free some space and run the same command again "
                    "(what was finished is kept)"
                ) from error
            if "locked" in text:
                raise WorkspaceBusyError(
                    f"{self.path} is locked by another process for more than {BUSY_SECONDS:g} s; wait for it to end"
                ) from error
            raise WorkspaceError(f"{self.path}: {text}; check the folder's permissions and the disk") from error
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(
                f"{self.path}: {error}; the file is damaged or no catalogue: restore it from a copy, or move it away"
            ) from error


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""(to SQL, from SQL)"""
_SAME: Codec = (lambda value: value, lambda value: value)
_SPECIAL: dict[Any, Codec] = {
    Fraction: (str, Fraction),
    tuple[str, ...]: (json.dumps, lambda text: tuple(json.loads(text))),
}
_COLUMNS: dict[type[Any], dict[str, Codec]] = {
    kind: {name: _SPECIAL.get(hint, _SAME) for name, hint in get_type_hints(kind).items() if hint is not Box}
    for kind in TABLES
}
"""kind -> column -> codec, without boxes"""


def packed(records: Iterable[Record]) -> str:
    """Records as text, for `unpacked`."""
    rows = [[TABLES[type(record)], list(_to_row(record).values())] for record in records]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def unpacked(text: str) -> list[Record]:
    """The records that `packed` wrote."""
    kinds = {table: kind for kind, table in TABLES.items()}
    return [_from_values(kinds[table], values) for table, values in json.loads(text)]


def _from_values(kind: type[Any], values: list[Any]) -> Any:
    names = [*_COLUMNS[kind], *(BOX if _has_box(kind) else ())]
    return _from_row(kind, dict(zip(names, values, strict=True)))


def _is_full(path: Path) -> bool:
    """Whether the disk has no room for a page of the log: SQLite then speaks of an I/O error."""
    return shutil.disk_usage(path.parent).free < 1 << 16


def _has_box(kind: type[Any]) -> bool:
    return kind in (Detection, Crop)


def _to_row(record: Record) -> dict[str, Any]:
    row = {name: encode(getattr(record, name)) for name, (encode, _) in _COLUMNS[type(record)].items()}
    if isinstance(record, Detection | Crop):
        row |= {side: getattr(record.box, side) for side in BOX}
    return row


def _from_row(kind: type[R], row: sqlite3.Row | dict[str, Any]) -> R:
    fields: dict[str, Any] = {name: decode(row[name]) for name, (_, decode) in _COLUMNS[kind].items()}
    if _has_box(kind):
        fields["box"] = Box(**{side: row[side] for side in BOX})
    return kind(**fields)


def _where(kind: type[Any], equal: dict[str, str | int | float]) -> tuple[str, tuple[str | int | float, ...]]:
    known = set(_COLUMNS[kind]) | (set(BOX) if _has_box(kind) else set())
    unknown = set(equal) - known
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    if not equal:
        return "", ()
    return " WHERE " + " AND ".join(f'"{name}" = ?' for name in equal), tuple(equal.values())
