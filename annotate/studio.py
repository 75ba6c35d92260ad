"""What Label Studio can be asked: its accounts, projects, tasks and answers. How it is asked stands in `wire`."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from annotate.told import (
    Account,
    Json,
    Listed,
    Project,
    account_in,
    as_object,
    listed_in,
    number_in,
    project_in,
)
from annotate.wire import Wire
from pipeline.core.errors import StudioDoubtError

PAGE = 2000
"""tasks of one page of a listing; small pages cost the server more, because it counts all for each"""
LISTED = "id,title,description,label_config,created_at,task_number,total_annotations_number,skipped_annotations_number"
"""what is asked of each project of a listing; every other count costs the server a look at all of its tasks"""
EXPORT_SECONDS = 3600.0
"""of an export: of tens of thousands the server works for minutes before its first byte"""
ANSWER = "id,data,annotations,result,completed_by,was_cancelled,lead_time,updated_at,created_at"
"""what a pull needs of a task and, the list holds for both, of its annotations; all fields cost the server three times as much"""


class Studio:
    """A server that we have a token for. Use from one thread.

    Every method raises StudioTokenError where the token is refused, StudioRefusedError on another refusal and
    StudioDoubtError where no usable answer came, for reading and changing only after `patience_seconds` of trying.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 120.0, patience_seconds: float = 60.0) -> None:
        self.url = url
        self.wire = Wire(url, token, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)

    # --- the server itself

    def is_up(self) -> bool:
        """Whether a Label Studio answers there; asks once, without a token."""
        return self.wire.is_up()

    def wait_until_up(self) -> None:
        """Returns when the server answers. Raises StudioDoubtError when it does not within the patience."""
        self.wire.wait_until_up()

    def whoami(self) -> Account:
        """The account of the token."""
        return account_in(self.wire.object("GET", "/api/current-user/whoami"))

    def accounts(self) -> dict[int, str]:
        """E-mail of every account, by the server's number."""
        found = (account_in(row) for row in self.wire.rows("/api/users/"))
        return {account.id: account.email for account in found}

    def invitation(self) -> str:
        """The token of the link by which people may sign up."""
        return str(self.wire.object("GET", "/api/invite").get("token") or "")

    # --- projects

    def projects(self) -> list[Project]:
        """All that the token may see."""
        return [project_in(row) for row in self.wire.pages("/api/projects/", {"include": LISTED})]

    def project(self, id: int) -> Project:
        """One project. Raises StudioGoneError when it was deleted."""
        return project_in(self.wire.object("GET", f"/api/projects/{id}/"))

    def create_project(self, title: str, description: str, config: str) -> Project:
        """Makes a project."""
        made = self.wire.ask(
            "POST", "/api/projects/", body={"title": title, "description": description, "label_config": config}
        )
        return project_in(as_object(made))

    def change_project(self, id: int, **fields: str | bool) -> Project:
        """Changes fields of a project, e.g. `label_config`."""
        return project_in(self.wire.object("PATCH", f"/api/projects/{id}/", body=dict(fields)))

    def delete_project(self, id: int) -> None:
        """Deletes a project with everything in it."""
        self.wire.ask("DELETE", f"/api/projects/{id}/")

    def storages(self, project: int) -> list[tuple[int, str]]:
        """(number, folder) of the local folders whose pictures the project may show."""
        rows = self.wire.rows("/api/storages/localfiles/", {"project": project})
        return [(number_in(row, "id"), str(row.get("path") or "")) for row in rows]

    def create_storage(self, project: int, folder: str) -> None:
        """Lets the project show the pictures of a folder. It is never synchronised: that would make tasks of its own."""
        body = {"project": project, "path": folder, "title": "toonsift", "use_blob_urls": True}
        self.wire.ask("POST", "/api/storages/localfiles/", body=body)

    def move_storage(self, id: int, project: int, folder: str) -> None:
        """Tells a storage where its folder lies now."""
        self.wire.ask("PATCH", f"/api/storages/localfiles/{id}", body={"project": project, "path": folder})

    # --- tasks

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Adds tasks, all or none of them, and returns their numbers in order.

        Raises:
            StudioDoubtError: also where the server counts other tasks than were sent.
        """
        answer = as_object(
            self.wire.ask("POST", f"/api/projects/{project}/import", {"return_task_ids": "true"}, list(tasks))
        )
        ids = answer.get("task_ids")
        if not isinstance(ids, list) or len(ids) != len(tasks) or not all(isinstance(id, int) for id in ids):
            raise StudioDoubtError(
                f"{self.url} took {answer.get('task_count')} tasks of {len(tasks)}; run the same command again to see to it"
            )
        return ids

    def with_refs(self, project: int, refs: Sequence[str]) -> list[Listed]:
        """The tasks that have one of these keys of ours."""
        condition = _filter("data.ref", "in_list", "String", list(refs))
        return [listed_in(row) for row in self._tasks(project, [condition], {"include": "id,data"})]

    def all_tasks(self, project: int, advance: Callable[[int], None] | None = None) -> Iterator[Listed]:
        """Every task of a project, page by page. For many this is dear: 0.7 CPU seconds per 1,000."""
        for row in self._tasks(project, [], {"include": "id,data"}, advance):
            yield listed_in(row)

    def count_ids(self, project: int, ids: Sequence[int]) -> int:
        """How many of the tasks of these numbers are there."""
        return self._count(project, [_filter("id", "in_list", "Number", list(ids))])

    def task(self, id: int) -> Json:
        """One task with its annotations and predictions, as the server writes it."""
        return self.wire.object("GET", f"/api/tasks/{id}/")

    def delete_task(self, id: int) -> None:
        """Deletes one task with its annotations."""
        self.wire.ask("DELETE", f"/api/tasks/{id}/")

    # --- answers

    def export(self, project: int) -> list[Json]:
        """Every task that has an annotation or a skip, as the server's JSON export writes it: the full truth.

        A listing of tasks would be cheaper, but it goes by counters of answers that the server keeps beside the answers, and
        they can stay 0 after requests at the same time.
        """
        answer = self.wire.ask("GET", f"/api/projects/{project}/export", {"exportType": "JSON"}, seconds=EXPORT_SECONDS)
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise StudioDoubtError(f"{self.url} answered an export with something else; run the same command again")
        return answer

    def answered_since(self, project: int, moment: str) -> list[Json]:
        """Tasks with an annotation or a skip that changed after `moment`, with all their annotations, by number.

        Some may be left out, see `export`, and a task whose annotations are all deleted is: compare the numbers of answers.

        Args:
            project: the server's number.
            moment: UTC like `2026-01-31T12:00:00.000000Z`; any other form makes the server fail.
        """
        changed = _filter("updated_at", "greater", "Datetime", moment)
        found: dict[int, Json] = {}
        for kind in ("total_annotations", "cancelled_annotations"):
            some = _filter(kind, "greater", "Number", 0)
            for row in self._tasks(project, [changed, some], {"fields": "all", "include": ANSWER}):
                found[number_in(row, "id")] = row  # of one that gets an answer meanwhile the later state
        return [found[id] for id in sorted(found)]

    def annotate(self, task: int, result: Sequence[Json], *, seconds: float = 0.0, skip: bool = False) -> int:
        """Gives an answer as the account of the token; returns its number."""
        body = {"result": list(result), "lead_time": seconds, "was_cancelled": skip}
        return number_in(as_object(self.wire.ask("POST", f"/api/tasks/{task}/annotations/", body=body)), "id")

    def change_annotation(self, id: int, result: Sequence[Json], *, seconds: float = 0.0) -> None:
        """Replaces an answer."""
        self.wire.ask("PATCH", f"/api/annotations/{id}/", body={"result": list(result), "lead_time": seconds})

    def delete_annotation(self, id: int) -> None:
        """Deletes an answer."""
        self.wire.ask("DELETE", f"/api/annotations/{id}/")

    # --- listings

    def _tasks(
        self, project: int, conditions: Sequence[Json], params: Json, advance: Callable[[int], None] | None = None
    ) -> Iterator[Json]:
        """Tasks that meet all conditions, in the order of their numbers.

        Each page is asked for by the last number seen, so that what others add or delete meanwhile shifts none.
        """
        last = 0
        while True:
            beyond = _filter("id", "greater", "Number", last)
            answer = self._page(project, [*conditions, beyond], params | {"page_size": PAGE})
            rows = answer.get("tasks")
            if not isinstance(rows, list):
                raise StudioDoubtError(self.wire.unreachable("its list of tasks is none"))
            yield from (as_object(row) for row in rows)
            if advance:
                advance(len(rows))
            if not rows or number_in(answer, "total") <= len(rows):
                return
            newest = number_in(as_object(rows[-1]), "id")
            if newest <= last:
                raise StudioDoubtError(self.wire.unreachable("it lists tasks in another order than asked for"))
            last = newest

    def _count(self, project: int, conditions: Sequence[Json]) -> int:
        return number_in(self._page(project, conditions, {"page_size": 1, "include": "id"}), "total")

    def _page(self, project: int, conditions: Sequence[Json], params: Json) -> Json:
        query = json.dumps({"filters": {"conjunction": "and", "items": list(conditions)}, "ordering": ["tasks:id"]})
        return self.wire.object("GET", "/api/tasks", {"project": project, "query": query, "page": 1} | params)


def _filter(field: str, operator: str, kind: str, value: Any) -> Json:
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}
