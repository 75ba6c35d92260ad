"""Accounts for annotators: made with a password that is shown once and kept nowhere."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from annotate.options import split_name
from annotate.pages import sign_up
from annotate.server.access import AT_HOME, USER, Access
from annotate.server.process import change_password
from annotate.studio import Studio
from annotate.sync.projects import known_projects
from annotate.sync.state import read_state
from pipeline.core.errors import StudioDoubtError, StudioError, StudioRefusedError, UsageError
from pipeline.core.workspace import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
EMAIL = re.compile(r"[^@\s,]{1,64}@[A-Za-z0-9.-]{1,190}")
PASSWORD_BYTES = 9
"""12 letters and digits"""
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An annotator and the account."""

    name: str
    """as it was asked for; labels bear it"""
    user: str
    """what to log in with"""
    password: str = field(default="", repr=False)
    """shown once; empty for an account that was there"""
    status: str
    """`made`, `already`, `new password`, or `failed`"""
    reason: str = ""
    """why it failed"""
    projects: tuple[str, ...] = ()
    """addresses of the projects that are named after the annotator"""


def invite(
    workspace: Workspace, studio: Studio, access: Access, names: Sequence[str], *, new_password: bool = False
) -> list[Invited]:
    """Makes an account for each name that has none yet; those that are there stay as they are.

    Args:
        workspace: whose projects they shall answer.
        studio: the server.
        access: how it is reached.
        names: `ann`, who becomes `ann@localhost`, or whole e-mail addresses.
        new_password: give new passwords to those that are there, of this workspace's own server.

    Raises:
        UsageError: a name is none, or new passwords are asked of somebody else's server.
        StudioError: the server refuses to tell its accounts, or gives no usable answer.
    """
    users = {name: _user_of(name) for name in names}
    if new_password and not access.ours:
        raise UsageError(f"only the administrator of {studio.url} can give new passwords there")
    known = {email.lower() for email in studio.accounts().values()}
    return [
        _invited(workspace, studio, name, user, there=user in known, new_password=new_password)
        for name, user in users.items()
    ]


def sign_up_link(studio: Studio) -> str:
    """Where people make accounts themselves; whoever has the link may."""
    return f"{studio.url}/user/signup/?token={studio.invitation()}"


def _invited(workspace: Workspace, studio: Studio, name: str, user: str, *, there: bool, new_password: bool) -> Invited:
    """One of them; a failure is told, not raised, for the passwords of the others must not be lost."""
    if there and not new_password:
        return Invited(name=name, user=user, status="already", projects=_projects(workspace, studio, name))
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        if there:
            change_password(workspace, user, password)
        else:
            _make(studio, user, password)
    except StudioError as error:
        return Invited(name=name, user=user, status="failed", reason=str(error))
    return Invited(
        name=name, user=user, password=password, status="new password" if there else "made",
        projects=_projects(workspace, studio, name),
    )  # fmt: skip


def _user_of(name: str) -> str:
    user = f"{name}{AT_HOME}" if NAME.fullmatch(name) else name
    if not EMAIL.fullmatch(user):
        raise UsageError(f"{name!r} cannot be an annotator: give a name of letters and digits, or an e-mail address")
    if user.lower() == USER:
        raise UsageError(f"{name!r} is the account that `annotate serve` made for you; it prints the password")
    return user.lower()


def _make(studio: Studio, user: str, password: str) -> None:
    """Signs up; a doubt is settled by looking whether the account is there: then it has this password."""
    invitation = studio.invitation()
    for attempt in range(ATTEMPTS):
        try:
            sign_up(studio.url, invitation, user, password)
        except StudioDoubtError:
            if attempt == ATTEMPTS - 1:
                raise
            studio.wait_until_up()
        if user in {email.lower() for email in studio.accounts().values()}:
            return
    raise StudioRefusedError(f"{studio.url} says that it made the account {user}, and has none; ask its administrator")


def _projects(workspace: Workspace, studio: Studio, name: str) -> tuple[str, ...]:
    mine = [project for project in known_projects(workspace) if split_name(project)[1].lower() == name.lower()]
    numbers = [read_state(workspace, project).number for project in mine]
    return tuple(f"{studio.url}/projects/{number}/data?labeling=1" for number in numbers if number)
