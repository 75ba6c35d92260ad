"""Stands between a client and a server and does what networks do: each request may meet a fault."""

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FAULTS = ("500 before", "502 after", "dropped before", "dropped after", "slow before", "slow after", "html before", "html after", "401 before")  # fmt: skip
"""`before`: the server never sees the request, but for `slow before`, where it sees it late; `after`: it did what was asked"""
SLOW_SECONDS = 2.5
Plan = Callable[[str, str], str]
"""(method, path) -> a fault, or nothing"""
Rewrite = Callable[[str, bytes], bytes]
"""(path, what the server answered) -> what the client gets"""


class FaultProxy:
    """Listens on loopback and passes requests on to `target`, each after asking the plan for a fault."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.plan: Plan = lambda method, path: ""
        self.rewrite: Rewrite = lambda path, content: content
        self.seen: list[tuple[str, str, str]] = []
        self.slow_seconds = SLOW_SECONDS
        self._busy = 0
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                with proxy._at_work():
                    proxy._handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815 (the standard library's names)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # type: ignore[method-assign,assignment]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "FaultProxy":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def settle(self) -> None:
        """Returns when no request is under way, also none whose client went away."""
        while self._busy:
            time.sleep(0.02)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.plan(request.command, request.path)
        self.seen.append((request.command, request.path.partition("?")[0], fault))
        request.close_connection = True
        if fault == "slow before":
            time.sleep(self.slow_seconds)
        elif fault.endswith("before"):
            return self._fault(request, fault)
        try:
            status, headers, answer, more = self._forward(request, body)
        except (OSError, http.client.HTTPException):
            return self._answer(request, 502, "text/html", b"<h1>Bad Gateway</h1>")
        if fault == "slow after":
            time.sleep(self.slow_seconds)
        elif fault.endswith("after"):
            return self._fault(request, fault)
        self._answer(request, status, headers, self.rewrite(request.path, answer), more)
        return None

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes, list[tuple[str, str]]]:
        connection = http.client.HTTPConnection(str(self.target.hostname), self.target.port, timeout=60)
        headers = {
            k: v for k, v in request.headers.items() if k.lower() not in ("host", "connection", "accept-encoding")
        }
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        more = [(name, value) for name, value in answer.getheaders() if name in ("Set-Cookie", "Location")]
        return answer.status, answer.headers.get("Content-Type", "text/plain"), content, more

    def _fault(self, request: BaseHTTPRequestHandler, fault: str) -> None:
        kind = fault.split()[0]
        if kind == "dropped":
            request.connection.shutdown(2)
        elif kind == "html":
            self._answer(request, 200, "text/html", b"<html><body>Please log in to the hotel's network</body></html>")
        else:
            more = [("Location", "http://portal.invalid/")] if kind == "302" else []
            self._answer(request, int(kind), "application/json", b'{"detail": "a fault"}', more)

    def _answer(
        self, request: BaseHTTPRequestHandler, status: int, kind: str, content: bytes,
        more: Iterable[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Connection", "close")
        for name, value in more:
            request.send_header(name, value)
        request.end_headers()
        if content:
            request.wfile.write(content)
