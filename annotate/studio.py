"""The one way to a Label Studio server, and the only importer of its SDK, which is loaded when the first call is made.

The SDK repeats a request that failed, and Label Studio has no keys: a POST whose answer was lost is there twice. So its
repeating is off. What only reads is repeated here; what writes is asked once and ends in one of three ways: done, refused
(`StudioRefusedError`), or in doubt (`StudioDoubtError`), and then the caller looks before it asks again.
"""

import json
import logging
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

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
from pipeline.core.errors import (
    MissingToolError,
    StudioDoubtError,
    StudioGoneError,
    StudioRefusedError,
    StudioTokenError,
)

_log = logging.getLogger(__name__)

PAGE = 2000
"""tasks of one page of a listing; small pages cost the server more, because it counts all for each"""
ANSWER = "id,data,annotations,result,completed_by,was_cancelled,lead_time,updated_at,created_at"
"""what a pull needs of a task and, the list holds for both, of its annotations; all fields cost the server three times as much"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Studio:
    """A server that we have a token for. Use from one thread.

    Every method raises StudioTokenError where the token is refused, StudioRefusedError on another refusal and
    StudioDoubtError where no usable answer came, for reading only after `patience_seconds` of trying.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 120.0, patience_seconds: float = 60.0) -> None:
        self.url = url
        self.timeout_seconds = timeout_seconds
        self.patience_seconds = patience_seconds
        self._token = token
        self._sdk: Any = None

    # --- the server itself

    def is_up(self) -> bool:
        """Whether a Label Studio answers there; asks once, without a token."""
        import httpx

        try:
            answer = httpx.get(f"{self.url}/health", timeout=10.0, trust_env=not self._is_near)
            return bool(answer.status_code == 200 and answer.json().get("status") == "UP")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
            return False

    def wait_until_up(self) -> None:
        """Returns when the server answers. Raises StudioDoubtError when it does not within the patience."""
        deadline = time.monotonic() + self.patience_seconds
        while not self.is_up():
            if time.monotonic() > deadline:
                raise StudioDoubtError(self._unreachable("it does not answer"))
            time.sleep(0.2)

    def whoami(self) -> Account:
        """The account of the token."""
        return account_in(self._object("GET", "/api/current-user/whoami"))

    def accounts(self) -> dict[int, str]:
        """E-mail of every account, by the server's number."""
        found = (account_in(row) for row in self._rows("/api/users/"))
        return {account.id: account.email for account in found}

    # --- projects

    def projects(self) -> list[Project]:
        """All that the token may see."""
        return [project_in(row) for row in self._pages("/api/projects/", "results")]

    def project(self, id: int) -> Project:
        """One project. Raises StudioGoneError when it was deleted."""
        return project_in(self._object("GET", f"/api/projects/{id}/"))

    def create_project(self, title: str, description: str, config: str) -> Project:
        """Makes a project."""
        made = self._ask(
            "POST", "/api/projects/", body={"title": title, "description": description, "label_config": config}
        )
        return project_in(as_object(made))

    def change_project(self, id: int, **fields: str | bool) -> Project:
        """Changes fields of a project, e.g. `label_config`."""
        return project_in(self._object("PATCH", f"/api/projects/{id}/", body=dict(fields)))

    def delete_project(self, id: int) -> None:
        """Deletes a project with everything in it."""
        self._ask("DELETE", f"/api/projects/{id}/")

    def storages(self, project: int) -> list[tuple[int, str]]:
        """(number, folder) of the local folders whose pictures the project may show."""
        rows = self._rows("/api/storages/localfiles/", {"project": project})
        return [(number_in(row, "id"), str(row.get("path") or "")) for row in rows]

    def create_storage(self, project: int, folder: str) -> None:
        """Lets the project show the pictures of a folder. It is never synchronised: that would make tasks of its own."""
        body = {"project": project, "path": folder, "title": "toonsift", "use_blob_urls": True}
        self._ask("POST", "/api/storages/localfiles/", body=body)

    def move_storage(self, id: int, project: int, folder: str) -> None:
        """Tells a storage where its folder lies now."""
        self._ask("PATCH", f"/api/storages/localfiles/{id}", body={"project": project, "path": folder})

    # --- tasks

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Adds tasks, all or none of them, and returns their numbers in order.

        Raises:
            StudioDoubtError: also where the server counts other tasks than were sent.
        """
        answer = as_object(
            self._ask("POST", f"/api/projects/{project}/import", {"return_task_ids": "true"}, list(tasks))
        )
        ids = answer.get("task_ids")
        if not isinstance(ids, list) or len(ids) != len(tasks) or not all(isinstance(id, int) for id in ids):
            raise StudioDoubtError(
                f"{self.url} took {answer.get('task_count')} tasks of {len(tasks)}; run the same command again to see to it"
            )
        return ids

    def with_refs(self, project: int, refs: Sequence[str]) -> list[Listed]:
        """The tasks that have one of these keys of ours."""
        condition = {"filter": "filter:tasks:data.ref", "operator": "in_list", "type": "String", "value": list(refs)}
        return [listed_in(row) for row in self._tasks(project, [condition], {"include": "id,data"})]

    def all_tasks(self, project: int, advance: Callable[[int], None] | None = None) -> Iterator[Listed]:
        """Every task of a project, page by page. For many this is dear: 0.7 CPU seconds per 1,000."""
        for row in self._tasks(project, [], {"include": "id,data"}, advance):
            yield listed_in(row)

    def count_ids(self, project: int, ids: Sequence[int]) -> int:
        """How many of the tasks of these numbers are there."""
        condition = {"filter": "filter:tasks:id", "operator": "in_list", "type": "Number", "value": list(ids)}
        return self._count(project, [condition])

    def task(self, id: int) -> Json:
        """One task with its annotations and predictions, as the server writes it."""
        return self._object("GET", f"/api/tasks/{id}/")

    def delete_task(self, id: int) -> None:
        """Deletes one task with its annotations."""
        self._ask("DELETE", f"/api/tasks/{id}/")

    # --- answers

    def export(self, project: int) -> list[Json]:
        """Every task that has an annotation or a skip, as the server's JSON export writes it: the full truth."""
        answer = self._ask("GET", f"/api/projects/{project}/export", {"exportType": "JSON"})
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise StudioDoubtError(f"{self.url} answered an export with something else; run the same command again")
        return answer

    def answered_since(self, project: int, moment: str) -> list[Json]:
        """Tasks with an annotation or a skip that changed after `moment`, with all their annotations.

        `moment` is UTC like `2026-01-31T12:00:00.000000Z`: any other form makes the server fail.

        A task whose annotations are all deleted is not among them.
        """
        changed = {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": moment}
        found: dict[int, Json] = {}
        for kind in ("total_annotations", "cancelled_annotations"):
            some = {"filter": f"filter:tasks:{kind}", "operator": "greater", "type": "Number", "value": 0}
            for row in self._tasks(project, [changed, some], {"fields": "all", "include": ANSWER}, page=500):
                found[number_in(row, "id")] = row
        return [found[id] for id in sorted(found)]

    def annotate(self, task: int, result: Sequence[Json], *, seconds: float = 0.0, skip: bool = False) -> int:
        """Gives an answer as the account of the token; returns its number."""
        body = {"result": list(result), "lead_time": seconds, "was_cancelled": skip}
        return number_in(as_object(self._ask("POST", f"/api/tasks/{task}/annotations/", body=body)), "id")

    def change_annotation(self, id: int, result: Sequence[Json], *, seconds: float = 0.0) -> None:
        """Replaces an answer."""
        self._ask("PATCH", f"/api/annotations/{id}/", body={"result": list(result), "lead_time": seconds})

    def delete_annotation(self, id: int) -> None:
        """Deletes an answer."""
        self._ask("DELETE", f"/api/annotations/{id}/")

    # --- how it is asked

    @property
    def _is_near(self) -> bool:
        return urlsplit(self.url).hostname in LOOPBACK

    def _client(self) -> Any:
        if self._sdk is None:
            try:
                import httpx
                from label_studio_sdk import LabelStudio
            except ImportError as error:
                raise MissingToolError(
                    f"annotating needs the package {error.name}: pip install 'toonsift[annotate]'"
                ) from error
            # a proxy for the way out must not come between us and this machine
            transport = httpx.Client(timeout=self.timeout_seconds, follow_redirects=False, trust_env=not self._is_near)
            weakref.finalize(self, transport.close)
            self._sdk = LabelStudio(
                base_url=self.url,
                api_key=self._token,
                httpx_client=transport,
                timeout=self.timeout_seconds,
                max_retries=0,
            )
        return self._sdk

    def _ask(self, method: str, path: str, params: Json | None = None, body: Any = None) -> Any:
        """What the server answers, decoded. Reading is repeated while there is patience, all else is asked once."""
        deadline = time.monotonic() + (self.patience_seconds if method == "GET" else 0.0)
        pause = 0.2
        while True:
            try:
                return self._ask_once(method, path, params, body)
            except StudioDoubtError:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _ask_once(self, method: str, path: str, params: Json | None, body: Any) -> Any:
        import httpx

        from_sdk: tuple[type[Exception], ...] = ()
        try:
            client = self._client()
            from label_studio_sdk.core.api_error import ApiError

            from_sdk = (ApiError,)
            answer = self._send(client, method, path, params, body)
            if answer.status_code == 401:
                # an access token that the server forgot (another clock, another secret) was not acted upon
                client._client_wrapper._tokens_client._access_token = None
                answer = self._send(client, method, path, params, body)
        except httpx.HTTPError as error:
            raise StudioDoubtError(self._unreachable(type(error).__name__)) from error
        except from_sdk as error:  # the exchange of a personal token for an access token
            status = getattr(error, "status_code", None)
            if status is not None and status < 500:
                raise StudioTokenError(self._bad_token(f"{status}")) from None
            raise StudioDoubtError(self._unreachable(f"status {status} to our token")) from None
        except ValueError as error:
            raise StudioDoubtError(self._unreachable("it answers with something else than JSON")) from error
        return self._decoded(answer, method, path)

    def _send(self, client: Any, method: str, path: str, params: Json | None, body: Any) -> Any:
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        return client._client_wrapper.httpx_client.request(
            path, method=method, params=params, content=content, headers={"Content-Type": "application/json"},
            request_options={"max_retries": 0},
        )  # fmt: skip

    def _decoded(self, answer: Any, method: str, path: str) -> Any:
        status = int(answer.status_code)
        said = " ".join(answer.text[:300].split())
        _log.debug("%s %s: %d", method, path, status)
        if status in (401, 403):
            raise StudioTokenError(self._bad_token(f"{status}: {said[:120]}"))
        if status == 404 and "json" in answer.headers.get("content-type", ""):
            raise StudioGoneError(f"{self.url}{path} is not there (any more): it was deleted, or never made")
        if 300 <= status < 400:
            raise StudioRefusedError(
                f"{self.url} sends us on to {answer.headers.get('location', 'nowhere')[:120]}; give the address it means"
            )
        if 400 <= status < 500 and status not in (408, 429):
            raise StudioRefusedError(f"{self.url} refused {method} {path}: {status} {said}")
        if status >= 400:
            raise StudioDoubtError(self._unreachable(f"status {status}"))
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise StudioDoubtError(
                self._unreachable(
                    f"it answers with {answer.headers.get('content-type', 'nothing known')[:60]}, not JSON"
                )
            ) from None

    def _unreachable(self, why: str) -> str:
        return (
            f"no usable answer from {self.url} ({why}); is a Label Studio running there, and nothing between? "
            "`toonsift annotate serve` starts one; then run the same command again, what was done is kept"
        )

    def _bad_token(self, said: str) -> str:
        return (
            f"{self.url} refuses our token ({said}): it was revoked, has expired, or belongs to another server; take a new "
            "one from Account & Settings and give it in TOONSIFT_LABEL_STUDIO_TOKEN"
        )

    def _object(self, method: str, path: str, params: Json | None = None, body: Any = None) -> Json:
        return as_object(self._ask(method, path, params, body))

    def _rows(self, path: str, params: Json | None = None) -> list[Json]:
        """A list that comes bare or in pages, depending on the server."""
        answer = self._ask("GET", path, params)
        rows = answer.get("results") if isinstance(answer, dict) else answer
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise StudioDoubtError(self._unreachable(f"{path} is no list"))
        return rows

    def _pages(self, path: str, key: str) -> Iterator[Json]:
        page, seen = 1, 0
        while True:
            answer = self._object("GET", path, {"page": page, "page_size": 100})
            rows = answer.get(key)
            if not isinstance(rows, list):
                raise StudioDoubtError(self._unreachable(f"{path} is no list"))
            yield from (as_object(row) for row in rows)
            seen, page = seen + len(rows), page + 1
            if not rows or seen >= number_in(answer, "count"):
                return

    def _tasks(
        self, project: int, conditions: Sequence[Json], params: Json, advance: Callable[[int], None] | None = None,
        page: int = PAGE,
    ) -> Iterator[Json]:  # fmt: skip
        """Tasks that meet all conditions, in the order of their numbers; pages end by the total, the next one is a 404."""
        query = json.dumps({"filters": {"conjunction": "and", "items": list(conditions)}, "ordering": ["tasks:id"]})
        number, seen = 1, 0
        while True:
            here = {"project": project, "query": query, "page": number, "page_size": page} | params
            answer = self._object("GET", "/api/tasks", here)
            rows = answer.get("tasks")
            if not isinstance(rows, list):
                raise StudioDoubtError(self._unreachable("its list of tasks is none"))
            yield from (as_object(row) for row in rows)
            if advance:
                advance(len(rows))
            seen, number = seen + len(rows), number + 1
            if not rows or seen >= number_in(answer, "total"):
                return

    def _count(self, project: int, conditions: Sequence[Json]) -> int:
        query = json.dumps({"filters": {"conjunction": "and", "items": list(conditions)}})
        here = {"project": project, "query": query, "page": 1, "page_size": 1, "include": "id"}
        return number_in(self._object("GET", "/api/tasks", here), "total")
