"""Long work says how far it is, how fast, and how long it still takes: on a terminal as bars, elsewhere as plain lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Step(Protocol):
    """One piece of long work under way."""

    def advance(self, amount: float = 1.0) -> None:
        """Says that `amount` more units are done."""

    def note(self, text: str) -> None:
        """Shows a few words beside the figures."""

    def expect(self, total: float) -> None:
        """Says how many units there are in all, now that it is known better."""


class Progress(Protocol):
    """What a library function reports to; it never prints."""

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        """Opens a piece of work of `total` units (None: not known)."""
        ...


class _SilentStep:
    def advance(self, amount: float = 1.0) -> None:
        del amount

    def note(self, text: str) -> None:
        del text

    def expect(self, total: float) -> None:
        del total


class Silent:
    """Reports nothing: `--quiet`, and the default of every library function."""

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        del title, total, unit
        yield _SilentStep()


class _PlainStep:
    def __init__(self, title: str, total: float | None, unit: str, every_seconds: float) -> None:
        self.title, self.total, self.unit, self.every_seconds = title, total, unit, every_seconds
        self.done, self.words = 0.0, ""
        self.started = self.shown = time.monotonic()

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount
        if time.monotonic() - self.shown >= self.every_seconds:
            self.show()

    def note(self, text: str) -> None:
        self.words = text

    def expect(self, total: float) -> None:
        self.total = total

    def show(self) -> None:
        self.shown = time.monotonic()
        sys.stderr.write(
            describe(self.title, self.done, self.total, self.unit, self.shown - self.started, self.words) + "\n"
        )
        sys.stderr.flush()


class Plain:
    """A line every few seconds on standard error, and one at the end of each step."""

    def __init__(self, every_seconds: float = 5.0) -> None:
        self.every_seconds = every_seconds

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        step = _PlainStep(title, total, unit, self.every_seconds)
        yield step
        step.show()


class _BarStep:
    def __init__(self, bar: object, task: object) -> None:
        self.bar, self.task = bar, task

    def advance(self, amount: float = 1.0) -> None:
        self.bar.advance(self.task, amount)  # type: ignore[attr-defined]

    def note(self, text: str) -> None:
        self.bar.update(self.task, words=text)  # type: ignore[attr-defined]

    def expect(self, total: float) -> None:
        self.bar.update(self.task, total=total)  # type: ignore[attr-defined]


class Bars:
    """Live bars on standard error with count, rate and time left (rich)."""

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}", markup=False),
        )
        with RichProgress(*columns, console=Console(stderr=True)) as bar:
            yield _BarStep(bar, bar.add_task(title, total=total, unit=unit, words=""))


def describe(title: str, done: float, total: float | None, unit: str, seconds: float, words: str) -> str:
    """The plain line: `mine: 480 of 960 frames, 120/s, 4 s left, 12 faces`."""
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{done:g} of {total:g} {unit}" if total else f"{done:g} {unit}", f"{rate:.3g}/s"]
    if total and rate > 0 and done < total:
        parts.append(f"{(total - done) / rate:.0f} s left")
    else:
        parts.append(f"{seconds:.1f} s")
    return f"{title}: " + ", ".join(parts + ([words] if words else []))


def for_terminal(quiet: bool) -> Progress:
    """Silent when asked, bars on a terminal, plain lines elsewhere."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Plain()
