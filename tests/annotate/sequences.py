"""Random faults between us and a real server while pushes and pulls go on and a person answers: what must hold at the end.

Nothing here is asked again without faults: a push or a pull that gave up is called again through the same bad network, as
a user would, until it says that it is done.
"""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotate.answering import pull_all
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import OurProject, find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import StudioDoubtError, StudioTokenError
from pipeline.core.records import Crop, Label
from pipeline.core.workspace import Workspace
from tests import records
from tests.annotate.conftest import crops_of
from tests.annotate.proxy import FAULTS, FaultProxy

OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann",), batch=3)
CROPS = 7
RATES = (0.1, 0.2, 0.3)
"""parts of all requests that meet a fault, one of them for each sequence"""
TIMEOUT_SECONDS = 5.0
"""so long that an answer which nobody holds back comes in time, also on a busy machine"""
MOST_CALLS = 40
"""of one command until it is done; each goes on where the last one gave up"""
AT_ONCE = 6
"""sequences; most of their time they wait for slow answers and between two tries"""


@dataclass(slots=True)
class Outcome:
    """Of one sequence."""

    faults: int = 0
    """that requests met"""
    calls: int = 0
    """of push and pull until both were done"""
    swept: int = 0
    """tasks there twice that a push took away"""
    doubled: int = 0
    """tasks there twice that stay, because the person answered both"""
    given: dict[int, str] = field(default_factory=dict)
    """the server's number of each answer -> what it says last; empty for a skip"""


class Sequence:
    """One workspace, one project, one bad network."""

    def __init__(
        self, seed: int, rates: tuple[float, ...], workspace: Workspace, proxy: FaultProxy, access: Access
    ) -> None:
        self.random = random.Random(seed)
        self.workspace, self.proxy, self.access = workspace, proxy, access
        self.direct = Studio(access.url, access.token, timeout_seconds=60)
        self.rate = self.random.choice(rates)
        self.done = Outcome()
        proxy.slow_seconds = TIMEOUT_SECONDS + 0.5
        proxy.plan = lambda method, path: self.random.choice(FAULTS) if self.random.random() < self.rate else ""

    def run(self) -> Outcome:
        """Raises AssertionError where a task is missing or doubled, or an answer lost, doubled or another."""
        self.push()
        tasks = self.tasks()
        assert {ref for ref, _ in tasks} == set(self.crops()), "a push that is done left tasks out"
        self.answer(2, tasks)
        self.push()
        while self.twins_to_sweep():
            self.push()
        self.pull()
        self.check_labels()
        self.change_answers()
        self.pull()
        self.check_labels()
        self.done.faults = sum(bool(fault) for *_, fault in self.proxy.seen)
        return self.done

    def push(self) -> None:
        """Until it is done; where it gave up, a person may answer what is there, the second of two twins as well."""

        def once() -> None:
            self.done.swept += ask(self.workspace, self.studio(), Order(kind=Kind.emotions), OPTIONS)[0]["swept"]

        self.until_done(once, lambda: self.answer(1, self.tasks()) if self.random.random() < 0.3 else None)

    def pull(self) -> None:
        self.until_done(lambda: pull_all(self.workspace, self.studio(), self.access, [], OPTIONS), lambda: None)

    def until_done(self, call: Callable[[], Any], between: Callable[[], Any]) -> None:
        for _ in range(MOST_CALLS):
            self.done.calls += 1
            try:
                call()
                return self.proxy.settle()
            except (StudioDoubtError, StudioTokenError):
                self.proxy.settle()
                between()
        raise AssertionError(f"not done after {MOST_CALLS} calls")

    def studio(self) -> Studio:
        """The server behind the proxy; slow answers are slower than this waits."""
        return Studio(self.proxy.url, self.access.token, timeout_seconds=TIMEOUT_SECONDS, patience_seconds=15)

    def crops(self) -> list[str]:
        return self.workspace.catalogue.ids(Crop)

    def tasks(self) -> list[tuple[str, int]]:
        project = self.project()
        return [(one.ref, one.id) for one in self.direct.all_tasks(project.there.id)] if project else []

    def project(self) -> OurProject | None:
        """As the command finds it, which knows it by the proxy's address, but without faults."""
        clear = self.studio()
        clear.wire = self.direct.wire
        return find_project(self.workspace, clear, "emotions")

    def twins_to_sweep(self) -> bool:
        """Whether a task is there twice and nobody answered one of the two. Fails where a crop has none."""
        tasks = self.tasks()
        often = Counter(ref for ref, _ in tasks)
        assert set(often) == set(self.crops())
        self.done.doubled = len(tasks) - len(often)
        return any(often[ref] > 1 and not self.direct.task(id)["annotations"] for ref, id in tasks)

    def answer(self, count: int, tasks: list[tuple[str, int]]) -> None:
        for _, id in self.random.sample(tasks, min(count, len(tasks))):
            emotion = self.random.choice(("happy", "sad", ""))
            result = [choice("emotion", "face", emotion)] if emotion else []
            self.done.given[self.direct.annotate(id, result, skip=not emotion)] = emotion

    def change_answers(self) -> None:
        for id, emotion in list(self.done.given.items()):
            if emotion and self.random.random() < 0.5:
                self.done.given[id] = {"happy": "sad", "sad": "happy"}[emotion]
                self.direct.change_annotation(id, [choice("emotion", "face", self.done.given[id])])

    def check_labels(self) -> None:
        project = self.project()
        assert project is not None
        labels = self.workspace.catalogue.all(Label, source=project.source)
        assert not any(label.withdrawn for label in labels)
        last: dict[int, Label] = {}
        for label in sorted(labels, key=lambda one: (one.created, one.id)):
            last[int(label.annotation.rpartition("/")[2])] = label
        said = {id: label.emotion for id, label in last.items()}
        assert said == self.done.given, f"labels say {said}, given was {self.done.given}"
        moments = [(label.annotation, label.created) for label in labels]
        assert len(set(moments)) == len(moments), "an answer is there twice"


def play(seed: int, rates: tuple[float, ...], folder: Path, access: Access) -> Outcome:
    """Plays one sequence in a workspace of its own. Raises AssertionError with the seed."""
    workspace = Workspace(folder / f"sequence {seed}")
    try:
        workspace.catalogue.put([records.episode(path="/nowhere/e1.mp4")])
        workspace.catalogue.put(crops_of(workspace, CROPS))
        with FaultProxy(access.url) as proxy:
            done = Sequence(seed, rates, workspace, proxy, access).run()
        with (folder / "played.txt").open("a") as told:
            told.write(f"{seed} {done}\n")
        return done
    except Exception as error:
        raise AssertionError(f"sequence {seed}: {type(error).__name__}: {error}") from error
    finally:
        workspace.close()


def play_all(seeds: range, folder: Path, access: Access, rates: tuple[float, ...] = RATES) -> list[Outcome]:
    """Plays them, some at once, against one server. Raises AssertionError of the first that fails, after all ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(play, seed, rates, folder, access) for seed in seeds]
    return [one.result() for one in running]
