"""Tasks to a real Label Studio, answers back."""

from typing import Any

import pytest

from annotate import studio as asked
from annotate.answering import pull_all, status_of
from annotate.asking import Order, ask
from annotate.options import AnnotateOptions, Kind
from annotate.server.access import Access
from annotate.studio import Studio
from annotate.sync.projects import find_project
from annotate.tasks.drafts import choice
from pipeline.core.errors import LabelError, NotFoundError, StudioGoneError
from pipeline.core.places import Place
from pipeline.core.records import Crop, Label, Task
from pipeline.core.workspace import Workspace
from tests.annotate.conftest import NewWorkspace

pytestmark = pytest.mark.labelstudio
OPTIONS = AnnotateOptions(emotions=("happy", "sad"), characters=("ann", "bo"), batch=4)


def emotions(workspace: Workspace, studio: Studio, **more: Any) -> dict[str, Any]:
    return ask(workspace, studio, Order(kind=Kind.emotions, **more), OPTIONS)[0]


def bring(workspace: Workspace, studio: Studio, access: Access, *, full: bool = False) -> dict[str, Any]:
    return pull_all(workspace, studio, access, [], OPTIONS, full=full)


def tasks_of(workspace: Workspace, studio: Studio, name: str = "emotions") -> dict[str, int]:
    """Our key -> the server's number, of every task; fails where a key is there twice."""
    found = find_project(workspace, studio, name)
    assert found is not None
    listed = list(studio.all_tasks(found.there.id))
    assert len({one.ref for one in listed}) == len(listed)
    return {one.ref: one.id for one in listed}


def said(value: str, character: str = "") -> list[dict[str, Any]]:
    return [choice("emotion", "face", value)] + ([choice("character", "face", character)] if character else [])


def standing(workspace: Workspace) -> list[Label]:
    return [label for label in workspace.catalogue.all(Label) if not label.withdrawn]


def test_crops_are_pushed_once_and_answers_come_back(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("once", 10)
    first = emotions(workspace, studio)
    assert (first["pushed"], first["already"]) == (10, 0)
    again = emotions(workspace, studio)
    assert (again["pushed"], again["already"]) == (0, 10)
    tasks = tasks_of(workspace, studio)
    assert sorted(tasks) == workspace.catalogue.ids(Crop)
    a, b, *_ = sorted(tasks)
    studio.annotate(tasks[a], said("happy", "bo"), seconds=2.5)
    studio.annotate(tasks[b], [], skip=True)
    got = bring(workspace, studio, access)
    assert (got["pulled"], got["skipped"], got["labels"]) == (1, 1, 2)
    labels = {label.crop: label for label in standing(workspace)}
    assert (labels[a].emotion, labels[a].character, labels[a].seconds) == ("happy", "bo", 2.5)
    assert labels[a].annotator == access.user
    assert labels[a].prediction.startswith("cascade")
    assert (labels[b].emotion, labels[b].character) == ("", "")
    assert bring(workspace, studio, access)["labels"] == 0


def test_a_changed_answer_is_added_and_a_deleted_one_withdrawn(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("changed", 4)
    emotions(workspace, studio)
    tasks = tasks_of(workspace, studio)
    a, b, c, _ = sorted(tasks)
    one, two = (studio.annotate(tasks[ref], said("happy")) for ref in (a, b))
    bring(workspace, studio, access)
    studio.change_annotation(one, said("sad"))
    got = bring(workspace, studio, access)
    assert (got["labels"], got["withdrawn"], got["projects"][0]["full"]) == (1, 0, False)
    assert sorted(label.emotion for label in standing(workspace) if label.crop == a) == ["happy", "sad"]
    studio.delete_annotation(one)
    studio.annotate(tasks[c], said("sad"))
    got = bring(workspace, studio, access)
    assert (got["labels"], got["withdrawn"]) == (1, 2)
    assert {(label.crop, label.emotion) for label in standing(workspace)} == {(b, "happy"), (c, "sad")}
    studio.delete_annotation(two)
    assert bring(workspace, studio, access)["withdrawn"] == 1
    assert {label.crop for label in standing(workspace)} == {c}


def test_an_answer_changed_back_counts_again(new_workspace: NewWorkspace, studio: Studio, access: Access) -> None:
    workspace = new_workspace("back", 2)
    emotions(workspace, studio)
    tasks = tasks_of(workspace, studio)
    ref = min(tasks)
    number = studio.annotate(tasks[ref], said("happy"))
    for value in ("sad", "happy"):
        bring(workspace, studio, access)
        studio.change_annotation(number, said(value))
    bring(workspace, studio, access)
    rows = sorted(standing(workspace), key=lambda label: label.created)
    assert [row.emotion for row in rows] == ["happy", "sad", "happy"]


def test_a_choice_that_is_none_is_kept_aside_and_named(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("aside", 3)
    emotions(workspace, studio)
    tasks = tasks_of(workspace, studio)
    a, b, c = sorted(tasks)
    wrong = studio.annotate(tasks[a], said("furious"))
    studio.annotate(tasks[b], said("sad"))
    studio.annotate(tasks[c], [])
    got = bring(workspace, studio, access)
    assert {(q["ref"], q["annotator"]) for q in got["quarantined"]} == {(a, access.user), (c, access.user)}
    assert any("emotion 'furious' is no choice (there are happy" in q["reason"] for q in got["quarantined"])
    assert [label.crop for label in standing(workspace)] == [b]
    studio.change_annotation(wrong, said("happy"))
    got = bring(workspace, studio, access)
    assert [q["ref"] for q in got["quarantined"]] == [c]
    assert not got["projects"][0]["full"]
    assert sorted(label.crop for label in standing(workspace)) == [a, b]


def test_a_deleted_task_is_asked_again_and_its_label_stays(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("gone", 5)
    emotions(workspace, studio)
    tasks = tasks_of(workspace, studio)
    a, b, *_ = sorted(tasks)
    studio.annotate(tasks[a], said("happy"))
    bring(workspace, studio, access)
    studio.delete_task(tasks[a])
    studio.delete_task(tasks[b])
    got = bring(workspace, studio, access)
    assert (got["withdrawn"], got["gone"]) == (0, 1)
    assert emotions(workspace, studio)["pushed"] == 2
    assert sorted(tasks_of(workspace, studio)) == workspace.catalogue.ids(Crop)
    assert [label.crop for label in standing(workspace)] == [a]


def test_a_project_deleted_on_the_server_is_named_and_made_anew_on_demand(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("deleted", 3)
    studio.delete_project(emotions(workspace, studio)["number"])
    with pytest.raises(StudioGoneError, match="emotions was deleted .* --anew"):
        emotions(workspace, studio)
    with pytest.raises(StudioGoneError, match="labels that were pulled are kept"):
        bring(workspace, studio, access)
    assert "deleted" in status_of(workspace, studio)["projects"][0]["trouble"]
    assert emotions(workspace, studio, anew=True)["pushed"] == 3


def test_an_interface_changed_behind_our_back_stops_a_push_and_is_told_by_a_pull(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("interface", 3)
    number = emotions(workspace, studio)["number"]
    theirs = studio.project(number).config.replace('value="happy"', 'value="glad"')
    studio.change_project(number, label_config=theirs)
    with pytest.raises(LabelError, match="changed on the server .* --change-interface"):
        emotions(workspace, studio)
    assert bring(workspace, studio, access)["projects"][0]["interface_changed"]
    emotions(workspace, studio, change_interface=True)
    assert 'value="happy"' in studio.project(number).config


def test_a_class_more_is_added_and_a_class_less_must_be_wanted(new_workspace: NewWorkspace, studio: Studio) -> None:
    workspace = new_workspace("classes", 3)
    number = emotions(workspace, studio)["number"]
    more = AnnotateOptions(emotions=("happy", "sad", "calm"), characters=("ann", "bo"))
    ask(workspace, studio, Order(kind=Kind.emotions), more)
    assert 'value="calm"' in studio.project(number).config
    with pytest.raises(LabelError, match="emotions offers calm, which toonsift.toml has no more"):
        emotions(workspace, studio)


def test_blind_replicas_have_the_same_tasks_and_their_own_answers(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("blind", 4)
    ask(workspace, studio, Order(kind=Kind.emotions, replicas=("zoe", "max")), OPTIONS)
    zoe, max_ = (tasks_of(workspace, studio, f"emotions.{name}") for name in ("zoe", "max"))
    assert zoe.keys() == max_.keys()
    ref = min(zoe)
    studio.annotate(zoe[ref], said("happy"))
    studio.annotate(max_[ref], said("sad"))
    got = bring(workspace, studio, access)
    assert {(one.annotator, one.emotion) for one in standing(workspace)} == {("zoe", "happy"), ("max", "sad")}
    assert got["conflicts"] == [{"crop": ref, "answers": {"max": "sad", "zoe": "happy"}}]


def test_a_sheet_is_answered_once_for_each_of_its_crops(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("sheets", 6)
    ask(workspace, studio, Order(kind=Kind.sheets), OPTIONS)
    tasks = tasks_of(workspace, studio, "sheets")
    assert len(tasks) == 3
    ref = min(tasks)
    studio.annotate(tasks[ref], [choice("emotion", "sheet", "sad")])
    assert bring(workspace, studio, access)["labels"] == 2
    labels = standing(workspace)
    assert {label.via for label in labels} == {"e1.t0"}
    assert {label.crop for label in labels} == {c.id for c in workspace.catalogue.all(Crop, track="e1.t0")}


def test_crops_mined_again_keep_their_answers(new_workspace: NewWorkspace, studio: Studio, access: Access) -> None:
    workspace = new_workspace("mined again", 4)
    emotions(workspace, studio)
    tasks = tasks_of(workspace, studio)
    a, b, *_ = sorted(tasks)
    studio.annotate(tasks[a], said("happy"))
    studio.annotate(tasks[b], said("sad"))
    old = workspace.catalogue.get(Crop, a)
    assert old is not None
    workspace.catalogue.delete(Crop, id=a)
    workspace.catalogue.delete(Crop, id=b)
    from dataclasses import replace

    near = replace(old, id=f"{old.episode}.c{old.pts}.1.1.61.61")
    workspace.catalogue.put([near])
    bring(workspace, studio, access)
    labels = {label.emotion: label.crop for label in standing(workspace)}
    assert labels["happy"] == near.id
    place = Place.read(labels["sad"])
    assert place is not None
    assert place.box.width < 60


def test_what_is_remembered_may_be_lost(new_workspace: NewWorkspace, studio: Studio, access: Access) -> None:
    workspace = new_workspace("forgetful", 9)
    emotions(workspace, studio, limit=5)
    studio.annotate(min(tasks_of(workspace, studio).values()), said("happy"))
    bring(workspace, studio, access)
    for task in workspace.catalogue.all(Task):
        workspace.catalogue.delete(Task, id=task.id)
    for path in (workspace.root / "annotate" / "projects").glob("*.json"):
        path.unlink()
    done = emotions(workspace, studio)
    assert (done["pushed"], done["already"]) == (4, 5)
    assert len(tasks_of(workspace, studio)) == 9
    assert bring(workspace, studio, access)["labels"] == 0


def test_tasks_there_twice_are_swept_but_never_an_answered_one(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("twice", 6)
    number = emotions(workspace, studio)["number"]
    tasks = tasks_of(workspace, studio)
    a, b, c, *_ = sorted(tasks)
    doubles = studio.import_tasks(number, [{"data": dict(studio.task(tasks[ref])["data"])} for ref in (a, b, c)])
    studio.annotate(doubles[0], said("happy"))
    for task in (tasks[b], doubles[1]):
        studio.annotate(task, said("sad"))
    done = emotions(workspace, studio)
    assert (done["pushed"], done["swept"], done["doubled"]) == (0, 2, [b])
    listed = sorted(one.ref for one in studio.all_tasks(number))
    assert listed == sorted([*tasks, b])
    assert bring(workspace, studio, access)["pulled"] == 3


def test_a_listing_in_pages_skips_nothing_when_others_delete_meanwhile(
    new_workspace: NewWorkspace, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = new_workspace("pages", 7)
    number = emotions(workspace, studio)["number"]
    monkeypatch.setattr(asked, "PAGE", 3)
    there = sorted(tasks_of(workspace, studio).values())
    assert len(there) == 7
    listing = studio.all_tasks(number)
    seen = [next(listing).id]
    studio.delete_task(there[0])
    assert seen + [one.id for one in listing] == there
    began = "2000-01-01T00:00:00.000000Z"
    for id in there[1:]:
        studio.annotate(id, [] if id == there[2] else said("sad"), skip=id == there[2])
    assert [task["id"] for task in studio.answered_since(number, began)] == there[1:]


def test_pictures_may_travel_with_the_tasks(new_workspace: NewWorkspace, studio: Studio) -> None:
    workspace = new_workspace("inline", 2)
    emotions(workspace, studio, inline=True)
    task = studio.task(min(tasks_of(workspace, studio).values()))
    assert task["data"]["image"].startswith("data:image/png;base64,iVBOR")


def test_without_crops_or_projects_the_next_step_is_named(
    new_workspace: NewWorkspace, studio: Studio, access: Access
) -> None:
    workspace = new_workspace("empty", 0)
    with pytest.raises(NotFoundError, match="toonsift mine"):
        emotions(workspace, studio)
    with pytest.raises(NotFoundError, match="annotate push"):
        bring(workspace, studio, access)
