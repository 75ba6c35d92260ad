"""Drafts -> tasks on the server, each exactly once.

The server knows no keys and makes a task twice when a request is repeated. So a batch is sent once; where the answer is
in doubt its keys are looked up, and only what is missing is sent again. What is known to be there stands in the
catalogue with the server's number, so that a second push only counts those numbers.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from annotate.studio import Studio
from annotate.sync.projects import OurProject
from annotate.tasks.drafts import Draft
from pipeline.core.errors import StudioDoubtError, StudioGoneError
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Task
from pipeline.core.workspace import Workspace, now

Item = TypeVar("Item")
REFS_AT_ONCE = 100
"""keys of one look-up: they stand in the address, and servers before Label Studio take 8 kB of it"""
IDS_AT_ONCE = 1000
ATTEMPTS = 6
"""of a batch in doubt"""
SETTLE_SECONDS = 1.0
"""after a doubt: a request that was cut off may still be at work; counts that stay equal so long are believed"""
MOST_SETTLE_SECONDS = 120.0
"""a count that still moves then is not moved by our one request"""


@dataclass(slots=True)
class Pushed:
    """What a push did."""

    pushed: int = 0
    """tasks added"""
    already: int = 0
    """there before"""
    doubts: int = 0
    """requests whose answer was of no use, and that were seen to"""
    swept: int = 0
    """tasks of a key that was there twice, deleted"""
    doubled: list[str] = field(default_factory=list)
    """keys that stay twice, because people answered both"""


def push(
    workspace: Workspace, studio: Studio, project: OurProject, drafts: Sequence[Draft], batch: int,
    progress: Progress | None = None,
) -> Pushed:  # fmt: skip
    """Sends the drafts that the project does not have yet, in their order. Call while `alone` with the project.

    Raises:
        StudioDoubtError: the server did not come back in time; what was done is kept, and the next push goes on.
    """
    return _Push(workspace, studio, project, progress or Silent()).run(drafts, batch)


class _Push:
    def __init__(self, workspace: Workspace, studio: Studio, project: OurProject, progress: Progress) -> None:
        self.workspace, self.studio, self.project, self.progress = workspace, studio, project, progress
        self.done = Pushed()
        self.others = 0  # tasks beside one for each key: made by hand, or there twice and answered twice
        self.numbers = {t.id.partition("/")[2]: t.number for t in workspace.catalogue.all(Task, project=project.key)}

    def run(self, drafts: Sequence[Draft], batch: int) -> Pushed:
        drafts = list({draft.ref: draft for draft in drafts}.values())
        if not self._as_known():
            self._look_at_all({draft.ref: draft.item for draft in drafts})
        missing = [draft for draft in drafts if draft.ref not in self.numbers]
        self.done.already = len(drafts) - len(missing)
        with self.progress.step(f"push {self.project.name}", len(missing), "tasks") as step:
            for begin in range(0, len(missing), batch):
                part = missing[begin : begin + batch]
                self._send(part)
                step.advance(len(part))
        if missing and not self._as_known():
            self._look_at_all({draft.ref: draft.item for draft in drafts})
            lost = [draft for draft in drafts if draft.ref not in self.numbers]
            for begin in range(0, len(lost), batch):
                self._send(lost[begin : begin + batch])
        self.done.pushed = len(missing)
        return self.done

    def _as_known(self) -> bool:
        """Whether the server has exactly the tasks that the catalogue knows: as many, and all of those numbers."""
        if self._count() != len(self.numbers) + self.others:
            return False
        ids = sorted(self.numbers.values())
        return all(self.studio.count_ids(self.project.there.id, part) == len(part) for part in _parts(ids, IDS_AT_ONCE))

    def _look_at_all(self, items: dict[str, str]) -> None:
        """Takes over what the server has, whoever made it, and sweeps what is there twice."""
        found: dict[str, list[int]] = defaultdict(list)
        self.others, swept = 0, self.done.swept
        with self.progress.step(f"look at {self.project.name}", self._count(), "tasks") as step:
            for listed in self.studio.all_tasks(self.project.there.id, step.advance):
                self.others += 1
                if listed.ref:
                    found[listed.ref].append(listed.id)
        known = {task.id.partition("/")[2]: task for task in self._tasks()}
        with self.workspace.catalogue.transaction():
            for ref in known.keys() - found.keys():
                self.workspace.catalogue.delete(Task, id=known[ref].id)
        self.numbers = {}
        self._note({ref: (items.get(ref, ref), self._one_of(ref, ids)) for ref, ids in found.items()})
        self.others -= len(self.numbers) + self.done.swept - swept

    def _send(self, drafts: Sequence[Draft]) -> None:
        """Adds these tasks; in doubt, looks which of them are there and sends the others again."""
        missing = list(drafts)
        for attempt in range(ATTEMPTS):
            try:
                numbers = self.studio.import_tasks(self.project.there.id, [draft.as_json() for draft in missing])
                self._note({d.ref: (d.item, n) for d, n in zip(missing, numbers, strict=True)})
                return
            except StudioDoubtError:
                self.done.doubts += 1
                if attempt == ATTEMPTS - 1:
                    raise
            self._settle()
            self._note_what_is_there(missing)
            missing = [draft for draft in missing if draft.ref not in self.numbers]
            if not missing:
                return

    def _settle(self) -> None:
        """Waits until the server answers and its count of tasks stands still.

        Raises:
            StudioDoubtError: it moves for longer than one request of ours can take.
        """
        self.studio.wait_until_up()
        deadline = time.monotonic() + MOST_SETTLE_SECONDS
        first = before = self._count()
        while True:
            time.sleep(SETTLE_SECONDS)
            count = self._count()
            if count == before:
                return
            if time.monotonic() > deadline:
                raise StudioDoubtError(
                    f"{self.studio.url}: the project {self.project.name} went from {first} to {count} tasks in "
                    f"{MOST_SETTLE_SECONDS:g} s after a request of ours was cut off, and does not stand still: somebody else "
                    "adds or deletes tasks there. Wait for that to end, then push again; what was done is kept"
                )
            before = count

    def _count(self) -> int:
        return self.studio.project(self.project.there.id).tasks

    def _note_what_is_there(self, drafts: Sequence[Draft]) -> None:
        items = {draft.ref: draft.item for draft in drafts}
        found: dict[str, list[int]] = defaultdict(list)
        for refs in _parts(list(items), REFS_AT_ONCE):
            for listed in self.studio.with_refs(self.project.there.id, refs):
                if listed.ref in items:
                    found[listed.ref].append(listed.id)
        self._note({ref: (items[ref], self._one_of(ref, ids)) for ref, ids in found.items()})

    def _one_of(self, ref: str, ids: list[int]) -> int:
        """Of the tasks of one key the one that stays: that with answers, else the first. The others go, unless answered."""
        if len(ids) == 1:
            return ids[0]
        answered = {id: _is_answered(self.studio, id) for id in sorted(ids)}
        kept = max(answered, key=lambda id: (answered[id], -id))
        for id in sorted(ids):
            if id == kept:
                continue
            if answered[id] or _is_answered(self.studio, id):
                self.done.doubled = sorted({*self.done.doubled, ref})
            else:
                _delete(self.studio, id)
                self.done.swept += 1
        return kept

    def _note(self, found: dict[str, tuple[str, int]]) -> None:
        moment, key = now(), self.project.key
        with self.workspace.catalogue.transaction():
            self.workspace.catalogue.put(
                Task(id=f"{key}/{ref}", project=key, item=item, created=moment, number=number)
                for ref, (item, number) in found.items()
            )
        self.numbers |= {ref: number for ref, (_, number) in found.items()}

    def _tasks(self) -> list[Task]:
        return self.workspace.catalogue.all(Task, project=self.project.key)


def _is_answered(studio: Studio, task: int) -> bool:
    try:
        found = studio.task(task)
    except StudioGoneError:
        return False
    return bool(found.get("annotations") or found.get("total_annotations") or found.get("cancelled_annotations"))


def _delete(studio: Studio, task: int) -> None:
    """Deletes a task; one that is gone already is as good, and a doubt is settled by asking again: deleting twice is no harm."""
    for attempt in range(ATTEMPTS):
        try:
            return studio.delete_task(task)
        except StudioGoneError:
            return None
        except StudioDoubtError:
            if attempt == ATTEMPTS - 1:
                raise
            studio.wait_until_up()
    return None


def _parts(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    return (items[begin : begin + size] for begin in range(0, len(items), size))
