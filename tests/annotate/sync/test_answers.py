import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.options import Kind
from annotate.sync.answers import Question, Saying, UnusableError, read_annotation
from pipeline.core.places import Place
from pipeline.core.records import NOT_A_FACE

CHOICES = Question(kind=Kind.emotions, emotions=frozenset({"happy", "sad"}), characters=frozenset({"ann"}))
BOXES = Question(kind=Kind.faces, emotions=frozenset(), characters=frozenset({"ann"}))
SHEETS = Question(kind=Kind.sheets, emotions=frozenset({"happy"}), characters=frozenset())


def task(**data: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"ref": "e1.c5.0.0.9.9", "suggested_by": "cascade ann"} | data}


def row(result: Any, **more: Any) -> dict[str, Any]:
    fields = {"id": 3, "completed_by": 1, "result": result, "was_cancelled": False, "lead_time": 1.5}
    return fields | {"updated_at": "2026-11-21T13:08:35.282902Z"} | more


def chosen(control: str, *values: Any) -> dict[str, Any]:
    return {"from_name": control, "type": "choices", "value": {"choices": list(values)}}


def rectangle(x: float, y: float, width: float, height: float, label: str = "ann", **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]} | more
    return {"from_name": "face", "original_width": 640, "original_height": 360, "value": value}


def frame(**more: Any) -> dict[str, Any]:
    return task(ref="e1.f5", episode="e1", pts=5, **more)


def test_an_answer_tells_who_what_when_how_long_and_what_was_suggested() -> None:
    read = read_annotation(task(), row([chosen("emotion", "sad"), chosen("character", "ann")]), CHOICES)
    assert read.said == {"e1.c5.0.0.9.9": Saying(emotion="sad", character="ann")}
    assert (read.account, read.seconds, read.prediction) == (1, 1.5, "cascade ann")
    assert read.moment == "2026-11-21T13:08:35.282902+00:00"


def test_who_answered_may_be_a_number_or_an_account() -> None:
    read = read_annotation(task(), row([chosen("emotion", "sad")], completed_by={"id": 4, "email": "a@b"}), CHOICES)
    assert (read.account, read.email) == (4, "a@b")


def test_a_sheet_speaks_for_each_of_its_crops() -> None:
    read = read_annotation(task(ref="e1.t5:abc", members=["a", "b"]), row([chosen("emotion", "happy")]), SHEETS)
    assert (list(read.said), read.via) == (["a", "b"], "e1.t5")


def test_boxes_become_places_and_suggested_ones_that_are_gone_no_faces() -> None:
    kept, gone = "e1.p5.64.36.128.72", "e1.p5.400.200.460.260"
    read = read_annotation(frame(shown=[kept, gone]), row([rectangle(10, 10, 10, 10)]), BOXES)
    assert read.said == {kept: Saying(emotion="", character="ann"), gone: Saying(emotion=NOT_A_FACE, character="")}


def test_a_frame_without_faces_is_an_answer_too() -> None:
    assert read_annotation(frame(), row([]), BOXES).said == {"e1.f5": Saying(emotion=NOT_A_FACE, character="")}


@given(st.integers(0, 600), st.integers(0, 320), st.integers(1, 40), st.integers(1, 40))
def test_a_box_comes_back_as_it_was_sent(left: int, top: int, width: int, height: int) -> None:
    drawn = rectangle(100 * left / 640, 100 * top / 360, 100 * width / 640, 100 * height / 360)
    (id,) = read_annotation(frame(), row([drawn]), BOXES).said
    place = Place.read(id)
    assert place is not None
    assert (place.box.left, place.box.top, place.box.width, place.box.height) == (left, top, width, height)


@pytest.mark.parametrize(
    ("question", "result", "why"),
    [
        (CHOICES, [], "empty, and no skip"),
        (CHOICES, [chosen("emotion", "furious")], "emotion 'furious' is no choice"),
        (CHOICES, [chosen("emotion", "sad", "happy")], "not one choice"),
        (CHOICES, "sad", "no list"),
        (BOXES, [rectangle(0, 0, 10, 10, "bob")], "character 'bob' is no label"),
        (BOXES, [rectangle(0, 0, 10, 10, rotation=30)], "turned"),
        (BOXES, [rectangle(0, 0, 0, 10)], "holds no pixel"),
        (BOXES, [rectangle(float("nan"), 0, 1, 1)], "cannot be"),
    ],
)
def test_what_is_no_answer_is_named(question: Question, result: Any, why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        read_annotation(frame() if question is BOXES else task(), row(result), question)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["id", "result", "completed_by", "updated_at", "lead_time", "prediction"]), JSON),
    JSON,
)
def test_nothing_that_a_server_sends_gets_past_the_reading(fields: dict[str, Any], data: Any) -> None:
    for question in (CHOICES, BOXES, SHEETS):
        try:
            read = read_annotation({"id": 1, "data": data}, row([]) | fields, question)
        except UnusableError:
            continue
        json.dumps(read.moment)
        assert all(isinstance(item, str) for item in read.said)
