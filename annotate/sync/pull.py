"""Answers on the server -> labels in the catalogue: every annotator's, every skip, every change, nothing overwritten.

The first pull takes the server's export, the full truth. Later ones ask only for what changed since; where the server's
number of answers then is not what it should be, something was deleted or left out, and the export is taken again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from annotate.agreement.answers import evidence
from annotate.options import AnnotateOptions, split_name
from annotate.server.access import Access, annotator_of
from annotate.studio import Studio
from annotate.sync.answers import Annotation, Question, Saying, UnusableError, moment_of, read_annotation
from annotate.sync.homes import Homes
from annotate.sync.projects import OurProject, characters_of, choices_in
from annotate.sync.state import State, keep_state, read_state
from annotate.told import Json, number_in
from pipeline.core.files import digest_of
from pipeline.core.progress import Progress, Silent
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace, now

OVERLAP_SECONDS = 300
"""asked for again at the next pull: a request that began before the newest answer may have ended after it"""


@dataclass(slots=True)
class Pulled:
    """What a pull brought."""

    pulled: int = 0
    """answers new or changed since the last pull, skips not counted"""
    skipped: int = 0
    """skips new since the last pull"""
    labels: int = 0
    """labels added: a sheet's answer makes one for each of its crops, a frame's one for each box"""
    withdrawn: int = 0
    """labels whose answer was deleted or changed to be about something else"""
    gone: int = 0
    """answers whose task was deleted on the server; their labels stay"""
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    """answers that are none to our question, each with `annotation`, `task`, `ref`, `annotator` and `reason`"""
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    """crops whose annotators differ: `crop`, `answers` {annotator: emotion}"""
    full: bool = False
    """whether every answer was read"""
    interface_changed: bool = False
    """whether somebody changed the project's interface on the server"""


def pull(
    workspace: Workspace, studio: Studio, access: Access, project: OurProject, options: AnnotateOptions, *,
    full: bool = False, progress: Progress | None = None,
) -> Pulled:  # fmt: skip
    """Brings the catalogue to what the server says. Call while `alone` with the project.

    Args:
        workspace: where labels are kept.
        studio: the server.
        access: whose own account answers for the one that a replica is named after.
        project: whose answers.
        options: the lists that answers are from; choices of the interface as it was sent count too.
        full: take every answer even where the changes would do.
        progress: of the reading.
    """
    return _Pull(workspace, studio, access, project, options).run(full=full, progress=progress or Silent())


class _Pull:
    def __init__(
        self, workspace: Workspace, studio: Studio, access: Access, project: OurProject, options: AnnotateOptions
    ) -> None:
        self.workspace, self.studio, self.access, self.project = workspace, studio, access, project
        self.state = read_state(workspace, project.name)
        self.question = _question(workspace, project, options, self.state)
        self.emails = studio.accounts()
        self.homes = Homes(workspace)
        self.done = Pulled(interface_changed=bool(self.state.config) and self.state.config != project.there.config)
        self.known = _known(workspace, project.source)
        self.new: dict[str, Label] = {}
        self.aside = {row.get("annotation"): row for row in self.state.quarantined}

    def run(self, *, full: bool, progress: Progress) -> Pulled:
        with progress.step(f"pull {self.project.name}", None, "tasks") as step:
            if full or not self.state.watermark or not self._take_changes(step.advance):
                self._take_all(step.advance)
        with self.workspace.catalogue.transaction():
            self.workspace.catalogue.put(self.new.values())
        self.done.quarantined = self.state.quarantined = list(self.aside.values())
        keep_state(self.workspace, self.project.name, self.state)
        self.done.conflicts = conflicts_of(self.workspace.catalogue.all(Label))
        return self.done

    def _take_changes(self, advance: Callable[[int], None]) -> bool:
        """Takes what changed since the watermark; False where the server then has other answers than we know of."""
        since = datetime.fromisoformat(self.state.watermark) - timedelta(seconds=OVERLAP_SECONDS)
        tasks = self.studio.answered_since(self.project.there.id, since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        advance(len(tasks))
        of_task: dict[int, list[str]] = defaultdict(list)
        for id, number in self.state.annotations.items():
            of_task[number].append(id)
        for task in tasks:
            rows = _annotations(task)
            here = {str(row.get("id")) for row in rows}
            for id in of_task.get(number_in(task, "id"), []):
                if id not in here:
                    self._withdraw(int(id))
            self._take(task, rows)
        there = self.studio.project(self.project.there.id)
        return len(self.state.annotations) == there.answers + there.skips

    def _take_all(self, advance: Callable[[int], None]) -> None:
        self.done.full = True
        tasks = self.studio.export(self.project.there.id)
        advance(len(tasks))
        here = {row.get("id") for task in tasks for row in _annotations(task)}
        self.aside = {}
        missing = {key: rows for key, rows in self.known.items() if _number_of(key) not in here}
        for id in [int(a) for a in self.state.annotations if int(a) not in here]:
            self.state.annotations.pop(str(id))
        self._settle_missing(missing)
        for task in tasks:
            self._take(task, _annotations(task))
        if any(_is_miscounted(task) for task in tasks):
            self.state.watermark = ""  # what changes cannot be asked for: the next pull takes everything again

    def _settle_missing(self, missing: Mapping[str, dict[str, Label]]) -> None:
        """Answers that the server has no more: withdrawn where their task is still there, kept where it was deleted."""
        refs = {self._ref_of(label) for rows in missing.values() for label in rows.values() if not label.withdrawn}
        there = self._refs_there(sorted(refs))
        for key, rows in missing.items():
            standing = [label for label in rows.values() if not label.withdrawn]
            if standing and not any(self._ref_of(label) in there for label in standing):
                self.done.gone += 1
            elif standing:
                self._withdraw(_number_of(key))

    def _refs_there(self, refs: list[str]) -> set[str]:
        found: set[str] = set()
        for begin in range(0, len(refs), 100):
            found |= {one.ref for one in self.studio.with_refs(self.project.there.id, refs[begin : begin + 100])}
        return found

    def _ref_of(self, label: Label) -> str:
        return self.homes.ref_of(label, self.project.key)

    def _take(self, task: Json, rows: Iterable[Json]) -> None:
        for row in rows:
            id, number = row.get("id"), task.get("id")
            if isinstance(id, int) and isinstance(number, int):
                self.state.annotations[str(id)] = number
                self.aside.pop(id, None)
            try:
                self._store(read_annotation(task, row, self.question))
            except UnusableError as error:
                self._quarantine(task, row, str(error))

    def _quarantine(self, task: Json, row: Json, reason: str) -> None:
        """Keeps an answer aside. One that was taken as it is and whose choice went since stands as it was taken."""
        known = self.known.get(f"{self.project.key}/{row.get('id')}", {})
        if any(label.created == moment_of(row) for label in known.values()):
            return
        data = task.get("data")
        who = row.get("completed_by")
        self.aside[row.get("id")] = {
            "annotation": row.get("id"), "task": task.get("id"),
            "ref": str(data.get("ref") or "")[:200] if isinstance(data, dict) else "",
            "annotator": self.emails.get(who, "") if isinstance(who, int) else "", "reason": reason,
        }  # fmt: skip
        for label in list(known.values()):
            self._withdraw_one(label)  # what it said before it was changed to this

    def _store(self, one: Annotation) -> None:
        key = f"{self.project.key}/{one.id}"
        known = self.known.get(key, {})
        moved = {self.homes.home_of(item): saying for item, saying in one.said.items()}
        fresh = {item: s for item, s in moved.items() if not _says_so(known.get(item), s)}
        for item in known.keys() - moved.keys():
            self._withdraw_one(known[item])
        self.state.watermark = max(self.state.watermark, one.moment)
        if not fresh:
            return
        if one.skipped:
            self.done.skipped += 1
        else:
            self.done.pulled += 1
        for item, saying in fresh.items():
            label = self._label(one, key, item, saying)
            self.new[label.id] = label
            self.known.setdefault(key, {})[item] = label
            self.done.labels += 1

    def _label(self, one: Annotation, key: str, item: str, saying: Saying) -> Label:
        annotator = self._annotator(one)
        digest = digest_of([item, annotator, self.project.source, key, one.moment, saying.emotion, saying.character])
        return Label(
            id=f"l{digest[:12]}", crop=item, emotion=saying.emotion, character=saying.character, annotator=annotator,
            source=self.project.source, created=one.moment, seconds=one.seconds, annotation=key,
            prediction=one.prediction, via=one.via,
        )  # fmt: skip

    def _annotator(self, one: Annotation) -> str:
        """By name or e-mail; in a replica the account that toonsift made stands for the one it is named after."""
        email = one.email or self.emails.get(one.account, "") or f"account {one.account}"
        replica = split_name(self.project.name)[1]
        name = annotator_of(email)
        if replica and (email == self.access.user or name == replica.lower()):
            return replica
        return name[:80]

    def _withdraw(self, number: int) -> None:
        self.state.annotations.pop(str(number), None)
        for label in list(self.known.get(f"{self.project.key}/{number}", {}).values()):
            self._withdraw_one(label)

    def _withdraw_one(self, label: Label) -> None:
        """Marks every row of this annotation about this item, also those that were changed since."""
        moment = now()
        for row in self.workspace.catalogue.all(Label, annotation=label.annotation, crop=label.crop):
            if not row.withdrawn:
                self.new[row.id] = replace(row, withdrawn=moment)
                self.done.withdrawn += 1
        self.known.get(label.annotation, {}).pop(label.crop, None)


def conflicts_of(labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Crops of which annotators say different emotions: `crop`, `answers` {annotator: emotion}."""
    answers = {
        crop: {label.annotator: label.emotion for label in given if label.emotion}
        for crop, given in evidence(labels).items()
    }
    return [{"crop": crop, "answers": said} for crop, said in answers.items() if len(set(said.values())) > 1]


def _question(workspace: Workspace, project: OurProject, options: AnnotateOptions, state: State) -> Question:
    """What may be answered: the options' lists, and what our interface offered when it was last sent."""
    sent = choices_in(state.config)
    return Question(
        kind=split_name(project.name)[0],
        emotions=frozenset(options.emotions) | {value for control, value in sent if control == "emotion"},
        characters=frozenset(characters_of(workspace, options))
        | {value for control, value in sent if control in ("character", "face")},
    )


def _known(workspace: Workspace, source: str) -> dict[str, dict[str, Label]]:
    """Annotation -> item -> the latest standing label of it."""
    known: dict[str, dict[str, Label]] = defaultdict(dict)
    for label in sorted(workspace.catalogue.all(Label, source=source), key=lambda one: (one.created, one.id)):
        if not label.withdrawn:
            known[label.annotation][label.crop] = label
    return dict(known)


def _says_so(known: Label | None, saying: Saying) -> bool:
    return known is not None and (known.emotion, known.character) == (saying.emotion, saying.character)


def _is_miscounted(task: Json) -> bool:
    """Whether the counters by which the server lists tasks are not what its annotations say."""
    skips = sum(row.get("was_cancelled") is True for row in _annotations(task))
    counted = (task.get("total_annotations"), task.get("cancelled_annotations"))
    return None not in counted and counted != (len(_annotations(task)) - skips, skips)


def _annotations(task: Json) -> list[Json]:
    rows = task.get("annotations")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _number_of(key: str) -> int:
    return int(key.rpartition("/")[2] or 0)
