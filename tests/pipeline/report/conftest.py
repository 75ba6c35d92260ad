"""One stocked workspace and its page for the tests that only look."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.report import DemoScores, build_report
from tests.pipeline.report.stock import Stock, stock_up

DEMO = {
    "seed": 0,
    "stages": [{"name": "draw", "seconds": 2.5}, {"name": "train", "seconds": 61.0}],
    "detection": {"precision": 0.96, "recall": 0.9, "false_positives_per_image": 0.02},
    "test": {"accuracy": 0.87, "macro_f1": 0.84},
    "report": "/somewhere/index.html",
}


class Elements(HTMLParser):
    """Every start tag of a page with its attributes, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """Shared: only look at it."""
    return stock_up(tmp_path_factory.mktemp("report"))


@pytest.fixture
def own_stock(tmp_path: Path) -> Stock:
    """A fresh one, to be damaged."""
    return stock_up(tmp_path)


@pytest.fixture(scope="session")
def page(stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the shared workspace, with demo scores."""
    built = build_report(stock.workspace, demo=DemoScores.of(DEMO))
    return Path(
        shutil.copy(built, tmp_path_factory.mktemp("page") / built.name)
    )  # other tests write the workspace's own


@pytest.fixture(scope="session")
def elements(page: Path) -> Elements:
    return Elements(page.read_text(encoding="utf-8"))
