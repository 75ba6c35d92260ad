"""How a server is asked, and the only importer of the SDK, which is loaded when the first call is made.

The SDK repeats a request that failed, and Label Studio has no keys: a POST whose answer was lost is there twice. So its
repeating is off. What reads, or puts a value in place of another, is repeated here; what adds or deletes is asked once and
ends in one of three ways: done, refused (`StudioRefusedError`), or in doubt (`StudioDoubtError`), and then the caller looks
before it asks again.

A personal access token is exchanged for access tokens that live for five minutes. One that ran out is renewed before the
next request; one that the server does not know any more (another clock, another secret) after it said so.
"""

import json
import logging
import time
import weakref
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from annotate.told import Json, as_object, number_in
from pipeline.core.errors import (
    MissingToolError,
    StudioDoubtError,
    StudioGoneError,
    StudioRefusedError,
    StudioTokenError,
)

_log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REPEATED = ("GET", "PATCH")
"""methods that do no harm when they are done twice"""
BUSY = (408, 429)
"""refusals that say nothing about the request: too slow, too often"""


def is_near(url: str) -> bool:
    """Whether that server runs on this machine: a proxy for the way out must not come between."""
    return urlsplit(url).hostname in LOOPBACK


class Wire:
    """The way to one server with one token. Use from one thread.

    What asks raises StudioTokenError where the token is refused, StudioRefusedError on another refusal and
    StudioDoubtError where no usable answer came, for what may be repeated only after `patience_seconds` of trying.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float, patience_seconds: float) -> None:
        self.url = url
        self.timeout_seconds = timeout_seconds
        self.patience_seconds = patience_seconds
        self._token = token
        self._sdk: Any = None

    def is_up(self) -> bool:
        """Whether a Label Studio answers there; asks once, without a token."""
        httpx, _, _ = _loaded()
        try:
            answer = httpx.get(f"{self.url}/health", timeout=10.0, trust_env=not is_near(self.url))
            return bool(answer.status_code == 200 and answer.json().get("status") == "UP")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
            return False

    def wait_until_up(self) -> None:
        """Returns when the server answers. Raises StudioDoubtError when it does not within the patience."""
        deadline = time.monotonic() + self.patience_seconds
        while not self.is_up():
            if time.monotonic() > deadline:
                raise StudioDoubtError(self.unreachable("it does not answer"))
            time.sleep(0.2)

    def ask(
        self, method: str, path: str, params: Json | None = None, body: Any = None, seconds: float | None = None
    ) -> Any:
        """What the server answers, decoded. What may be repeated is, while there is patience; all else is asked once.

        `seconds` is how long to wait for an answer where it is more than `timeout_seconds`.
        """
        deadline = time.monotonic() + (self.patience_seconds if method in REPEATED else 0.0)
        pause = 0.2
        while True:
            try:
                return self._ask_once(method, path, params, body, seconds)
            except StudioDoubtError:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def object(self, method: str, path: str, params: Json | None = None, body: Any = None) -> Json:
        """The same, where an object is expected."""
        return as_object(self.ask(method, path, params, body))

    def rows(self, path: str, params: Json | None = None) -> list[Json]:
        """A list that comes bare or in pages, depending on the server."""
        answer = self.ask("GET", path, params)
        rows = answer.get("results") if isinstance(answer, dict) else answer
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise StudioDoubtError(self.unreachable(f"{path} is no list"))
        return rows

    def pages(self, path: str, params: Json) -> Iterator[Json]:
        """The rows of a listing that comes in numbered pages; they end by the count, because the next page is a 404."""
        page, seen = 1, 0
        while True:
            answer = self.object("GET", path, params | {"page": page, "page_size": 100})
            rows = answer.get("results")
            if not isinstance(rows, list):
                raise StudioDoubtError(self.unreachable(f"{path} is no list"))
            yield from (as_object(row) for row in rows)
            seen, page = seen + len(rows), page + 1
            if not rows or seen >= number_in(answer, "count"):
                return

    def unreachable(self, why: str) -> str:
        """What to say where no usable answer came."""
        return (
            f"no usable answer from {self.url} ({why}); is a Label Studio running there, and nothing between? "
            "`toonsift annotate serve` starts one; then run the same command again, what was done is kept"
        )

    def _client(self) -> Any:
        if self._sdk is None:
            httpx, sdk, _ = _loaded()
            transport = httpx.Client(
                timeout=self.timeout_seconds, follow_redirects=False, trust_env=not is_near(self.url)
            )
            weakref.finalize(self, transport.close)
            self._sdk = sdk(
                base_url=self.url, api_key=self._token, httpx_client=transport, timeout=self.timeout_seconds,
                max_retries=0,
            )  # fmt: skip
        return self._sdk

    def _ask_once(self, method: str, path: str, params: Json | None, body: Any, seconds: float | None) -> Any:
        httpx, _, exchange_error = _loaded()
        try:
            client = self._client()  # refuses a personal token that has expired
            answer = self._send(client, method, path, params, body, seconds)
            if answer.status_code == 401:
                # an access token that the server does not know was not acted upon
                client._client_wrapper._tokens_client._access_token = None
                answer = self._send(client, method, path, params, body, seconds)
        except httpx.HTTPError as error:
            raise StudioDoubtError(self.unreachable(type(error).__name__)) from error
        except exchange_error as error:
            raise self._not_exchanged(error.status_code, error.body) from None
        except ValueError as error:
            raise StudioDoubtError(self.unreachable("it answers with something else than JSON")) from error
        return self._decoded(answer, method, path)

    def _send(self, client: Any, method: str, path: str, params: Json | None, body: Any, seconds: float | None) -> Any:
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        options = {"max_retries": 0} | ({"timeout_in_seconds": seconds} if seconds else {})
        return client._client_wrapper.httpx_client.request(
            path, method=method, params=params, content=content, headers={"Content-Type": "application/json"},
            request_options=options,
        )  # fmt: skip

    def _not_exchanged(self, status: int | None, body: Any) -> Exception:
        """Why no access token came for our personal one: refused, or nobody knows."""
        said = str(body.get("detail") or "")[:120] if isinstance(body, dict) else ""
        if status is not None and status < 500 and status not in BUSY:
            return StudioTokenError(self._bad_token(f"{status}: {said}" if said else f"{status}"))
        return StudioDoubtError(self.unreachable(f"status {status} to our token"))

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
        if 400 <= status < 500 and status not in BUSY:
            raise StudioRefusedError(f"{self.url} refused {method} {path}: {status} {said}")
        if status >= 400:
            raise StudioDoubtError(self.unreachable(f"status {status}"))
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise StudioDoubtError(
                self.unreachable(
                    f"it answers with {answer.headers.get('content-type', 'nothing known')[:60]}, not JSON"
                )
            ) from None

    def _bad_token(self, said: str) -> str:
        return (
            f"{self.url} refuses our token ({said}): it was revoked, has expired, or belongs to another server; take a new "
            "one from Account & Settings and give it in TOONSIFT_LABEL_STUDIO_TOKEN"
        )


def _loaded() -> tuple[Any, Any, Any]:
    """httpx, the SDK's client, and its error where a personal token is not exchanged."""
    try:
        import httpx
        from label_studio_sdk import LabelStudio
        from label_studio_sdk.core.api_error import ApiError
    except ImportError as error:
        raise MissingToolError(
            f"annotating needs the package {error.name}: pip install 'toonsift[annotate]'"
        ) from error
    return httpx, LabelStudio, ApiError
