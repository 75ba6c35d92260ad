"""What every command shares: the global flags, the workspace, and the one way to say results.

With --json standard output is exactly one JSON object; all else goes to standard error.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pipeline.core.progress import Progress
    from pipeline.core.workspace import Workspace


@dataclass(slots=True, kw_only=True)
class Session:
    """One call of the command."""

    root: Path
    """the workspace's folder"""
    json: bool = False
    """print one JSON object instead of text"""
    quiet: bool = False
    """no progress"""
    debug: bool = False
    """show tracebacks"""
    emitted: bool = field(default=False, init=False)
    """whether the JSON object is out"""

    @property
    def progress(self) -> "Progress":
        """Where long work reports to."""
        from pipeline.core.progress import for_terminal

        return for_terminal(self.quiet)

    def workspace(self) -> "Workspace":
        """Opens the workspace. Raises WorkspaceError."""
        from pipeline.core.workspace import Workspace

        return Workspace(self.root)

    def emit(self, result: dict[str, Any], lines: Iterable[str] = ()) -> None:
        """Says the result: the JSON object with --json, else the lines for people."""
        if self.json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
            self.emitted = True
            return
        for line in lines:
            sys.stdout.write(f"{line}\n")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Shows a table to people; nothing with --json."""
        if self.json:
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(title) or None, title_justify="left")
        for column in columns:
            table.add_column(escape(column), overflow="fold")
        for row in rows:
            table.add_row(*(escape(f"{cell:.3f}" if isinstance(cell, float) else str(cell)) for cell in row))
        Console(width=None if sys.stdout.isatty() else 140).print(table)

    def warn(self, text: str) -> None:
        """One line on standard error."""
        sys.stderr.write(f"toonsift: {text}\n")


def session_of(ctx: typer.Context) -> Session:
    """The session that the top level made for this call."""
    session = ctx.find_root().obj
    assert isinstance(session, Session)
    return session
