"""The server's pages that people use to sign up and to log in, used as a browser does: accounts with a password are made
nowhere else in the open-source edition (its API makes accounts that nobody can log in to)."""

import contextlib
from collections.abc import Iterator
from typing import Any

from annotate.wire import is_near
from pipeline.core.errors import StudioDoubtError, StudioRefusedError

TIMEOUT_SECONDS = 60.0


def sign_up(url: str, invitation: str, email: str, password: str) -> None:
    """Makes an account.

    Args:
        url: of the server.
        invitation: the token of its invitation link; servers may be closed without it.
        email: of the account.
        password: of the account; 8 characters or more.

    Raises:
        StudioRefusedError: the server wants no such account.
        StudioDoubtError: nobody knows whether it was made.
    """
    with _browser(url) as browser:
        answer = _sent(browser, "/user/signup/", {"token": invitation}, {"email": email, "password": password})
    if answer.status_code not in (301, 302):
        raise StudioRefusedError(
            f"{url} made no account {email} (status {answer.status_code}); is signing up with its invitation link allowed there?"
        )


@contextlib.contextmanager
def logged_in(url: str, email: str, password: str) -> Iterator[Any]:
    """An httpx.Client that is logged in as a browser would be.

    Raises:
        StudioRefusedError: wrong e-mail or password.
        StudioDoubtError: no usable answer came.
    """
    with _browser(url) as browser:
        answer = _sent(browser, "/user/login/", {}, {"email": email, "password": password, "persist_session": "on"})
        if answer.status_code not in (301, 302):
            raise StudioRefusedError(f"{url} does not let {email} in with that password")
        yield browser


@contextlib.contextmanager
def _browser(url: str) -> Iterator[Any]:
    import httpx

    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=not is_near(url)) as browser:
        try:
            yield browser
        except httpx.HTTPError as error:
            raise StudioDoubtError(f"no usable answer from {url} ({type(error).__name__}); try again") from error


def _sent(browser: Any, page: str, params: dict[str, str], fields: dict[str, str]) -> Any:
    """The answer to a form of that page, sent with the page's own token against forgery."""
    shown = browser.get(page, params=params)
    if shown.status_code >= 500:
        raise StudioDoubtError(f"{browser.base_url} cannot show {page} now (status {shown.status_code}); try again")
    forgery = {"csrfmiddlewaretoken": browser.cookies.get("csrftoken") or ""}
    answer = browser.post(page, params=params, data=fields | forgery, headers={"Referer": str(shown.url)})
    if answer.status_code >= 500:
        raise StudioDoubtError(f"{browser.base_url} failed at {page} (status {answer.status_code}); try again")
    return answer
