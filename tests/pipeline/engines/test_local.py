"""The engine of this machine: results, deaths, and nothing lost or done twice."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import DiskFullError, VideoError
from pipeline.engines.local import LocalEngine
from tests.pipeline.engines.works import big, counting, failing


class Desk:
    """Hands out items and takes what is sent."""

    def __init__(self, items: list[Any]) -> None:
        self.items, self.parts = items, {n: [] for n in range(len(items))}

    def item(self, position: int) -> Any:
        """What is left of an item: counting goes on after the last number received."""
        item = self.items[position]
        if isinstance(item, tuple) and self.parts[position]:
            return (self.parts[position][-1] + 1, *item[1:])
        return item

    def receive(self, position: int, part: Any) -> None:
        self.parts[position].append(part)

    def run(self, engine: Any, work: Any) -> dict[int, Any]:
        return dict(engine.run(work, len(self.items), self.item, self.receive))


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_that_is_sent_arrives_in_order(jobs: int) -> None:
    desk = Desk([(0, 5, ""), (0, 0, ""), (2, 9, "")])
    assert desk.run(LocalEngine(jobs), counting) == {0: 5, 1: 0, 2: 9}
    assert desk.parts == {0: [0, 1, 2, 3, 4], 1: [], 2: [2, 3, 4, 5, 6, 7, 8]}


def test_a_dead_worker_costs_its_own_item_nothing_that_was_handed_in(tmp_path: Path) -> None:
    (tmp_path / "1").touch()
    desk = Desk([(0, 6, str(tmp_path)), (10, 14, "")])
    assert desk.run(LocalEngine(2), counting) == {0: 6, 1: 14}
    assert desk.parts == {0: [0, 1, 2, 3, 4, 5], 1: [10, 11, 12, 13]}


def test_an_item_that_kills_every_worker_fails_alone(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / str(n)).touch()
    desk = Desk([(0, 6, str(tmp_path)), (10, 14, ""), (20, 22, "")])
    results = desk.run(LocalEngine(2), counting)
    assert (results[1], results[2]) == (14, 22)
    assert "its worker process died each time it was tried (signal 9)" in str(results[0])
    assert len(list(tmp_path.iterdir())) == 6
    assert desk.parts[0] == [0, 1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_its_items_own(jobs: int) -> None:
    results = Desk(["bad", "good", "odd"]).run(LocalEngine(jobs), failing)
    assert isinstance(results[0], VideoError)
    assert str(results[0]) == "this one is bad"
    assert results[1] is None
    assert isinstance(results[2], Exception)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_workspace_stops_everything(jobs: int) -> None:
    with pytest.raises(DiskFullError, match="no room"):
        Desk(["full", "good", "good"]).run(LocalEngine(jobs), failing)


def test_a_reader_that_fails_leaves_no_process_behind() -> None:
    desk = Desk([50, 50])

    def refuse(position: int, part: Any) -> None:
        raise DiskFullError("no room here")

    desk.receive = refuse  # type: ignore[method-assign]
    with pytest.raises(DiskFullError, match="no room here"):
        desk.run(LocalEngine(2), big)


def test_workers_wait_while_nobody_reads() -> None:
    desk = Desk([30, 30])
    pids = desk.run(LocalEngine(2), big)
    assert os.getpid() not in pids.values()
    assert [len(parts) for parts in desk.parts.values()] == [30, 30]
