"""A study's progress as one line: how many trainings are done, which one is under way, and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.progress import Step


class Within:
    """A Progress for what happens within a step: it never opens a second one, which not every terminal could show."""

    def __init__(self, outer: Step) -> None:
        self.outer, self.words = outer, ""

    def begin(self, words: str) -> None:
        """Says what is under way from now on."""
        self.words = words
        self.outer.note(words)

    @contextmanager
    def step(self, title: str, total: float | None, unit: str) -> Iterator[Step]:
        """A step whose notes become the outer one's."""
        del title, total, unit
        yield _Inner(self)


class _Inner:
    def __init__(self, within: Within) -> None:
        self.within = within

    def advance(self, amount: float = 1.0) -> None:
        del amount
        self.within.outer.advance(0.0)  # plain lines are shown when something advances

    def note(self, text: str) -> None:
        self.within.outer.note(f"{self.within.words}, {text}")

    def expect(self, total: float) -> None:
        del total
