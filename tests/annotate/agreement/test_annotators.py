"""Each annotator's record: with others, with known answers, with suggestions, with himself; and the summary of all."""

from pathlib import Path

import pytest

from annotate.agreement.annotators import Annotator
from annotate.agreement.honeypots import find_honeypots, read_honeypots
from annotate.agreement.propagation import members_to_verify, propagation
from annotate.agreement.suggestions import read_suggestions
from annotate.agreement.summary import agreement_of, document, read_agreement
from pipeline.core.errors import LabelError
from pipeline.core.records import NOT_A_FACE, UNSURE, Label
from pipeline.core.workspace import Workspace
from tests.records import label

LATER = "2026-02-01T00:00:00+00:00"


def record(labels: list[Label], name: str, **more: object) -> Annotator:
    found = agreement_of(labels, **more)  # type: ignore[arg-type]
    return next(one for one in found.annotators if one.name == name)


def sheet(via: str, count: int, emotion: str, annotator: str) -> list[Label]:
    return [
        label(f"{via}{n:02d}", emotion, annotator, via=via, id=f"{via}{n}{annotator}{emotion}", seconds=4.0)
        for n in range(count)
    ]


def test_answers_skips_unsure_and_time_are_counted() -> None:
    labels = [label("c1", "happy", "ann", seconds=2.0), label("c2", "", "ann", seconds=9.0)]
    labels += [label("c3", UNSURE, "ann", seconds=4.0), label("c4", NOT_A_FACE, "ann")]
    ann = record(labels, "ann")
    assert (ann.answers, ann.skips, ann.unsure, ann.skip_share) == (2, 1, 1, 0.25)
    assert ann.median_seconds == 4.0
    assert ann.estimated_right is None, "nobody else answered: there is nothing to estimate from"
    assert (ann.shared, ann.agreement) == (0, None)


def test_a_sheet_counts_once_with_its_time() -> None:
    ann = record([*sheet("s", 30, "happy", "ann"), label("c1", "sad", "ann", seconds=2.0)], "ann")
    assert ann.answers == 2
    assert ann.median_seconds == 3.0


def test_agreement_with_others_is_the_mean_share_of_those_who_said_the_same() -> None:
    labels = [label("c1", e, a) for e, a in (("happy", "ann"), ("happy", "bo"), ("sad", "cy"))]
    labels += [label("c2", "sad", a) for a in ("ann", "bo")] + [label("c3", "sad", "ann"), label("c3", UNSURE, "bo")]
    ann = record(labels, "ann")
    assert ann.shared == 2
    assert ann.agreement == pytest.approx(0.75)
    assert ann.agreement_interval is not None
    assert record(labels, "cy").agreement == 0


@pytest.mark.parametrize(
    ("right", "of", "verdict"),
    [(30, 30, "passed"), (10, 30, "failed"), (3, 3, "open"), (0, 0, "open"), (24, 30, "open")],
)
def test_honeypots_are_passed_failed_or_open(right: int, of: int, verdict: str) -> None:
    labels = [label(f"h{n}", "happy" if n < right else "sad", "ann") for n in range(of)] + [label("c", "sad", "ann")]
    passed = record(labels, "ann", known={f"h{n}": "happy" for n in range(40)}).honeypots
    assert passed is not None
    assert (passed.answered, passed.right, passed.verdict) == (of, right, verdict)


def test_without_honeypots_nobody_is_judged_by_them() -> None:
    assert record([label("c", "sad", "ann")], "ann").honeypots is None


def test_anchoring_compares_with_what_others_said_who_were_not_shown_it() -> None:
    labels = [label(f"c{n}", "happy", "ann", prediction="m1") for n in range(8)]
    labels += [label(f"c{n}", "sad", "ann", prediction="m1") for n in (8, 9)]
    labels += [label(f"c{n}", "happy" if n < 4 else "sad", "bo") for n in range(10)]
    labels += [label("x", "happy", "ann", prediction="forgotten")]
    suggested = {("m1", f"c{n}"): "happy" for n in range(10)}
    anchoring = record(labels, "ann", suggested=suggested).anchoring
    assert (anchoring.shown.hits, anchoring.shown.of) == (8, 10)
    assert (anchoring.others.hits, anchoring.others.of) == (4, 10)
    assert record(labels, "bo", suggested=suggested).anchoring.shown.of == 0


def test_being_asked_again_is_another_annotation_and_no_correction() -> None:
    labels = [label("c1", "happy", "ann", annotation="1"), label("c1", "sad", "ann", annotation="1", created=LATER)]
    assert record(labels, "ann").repeats.of == 0
    labels += [label("c1", "sad", "ann", annotation="2", id="again"), label("c2", "sad", "ann", annotation="3")]
    labels += [
        label("c2", "happy", "ann", annotation="4"),
        label("c3", "happy", "ann"),
        label("c3", "sad", "ann", source="b"),
    ]
    repeats = record(labels, "ann").repeats
    assert (repeats.hits, repeats.of) == (1, 2)
    assert repeats.interval is not None


def test_the_careless_are_estimated_so_without_any_truth() -> None:
    words = ("angry", "happy", "sad")
    labels = [label(f"c{n}", words[n % 3], a) for n in range(60) for a in ("ann", "bo")]
    labels += [label(f"c{n}", words[n // 4 % 3], "cy") for n in range(60)]
    found = {one.name: one.estimated_right or 0.0 for one in agreement_of(labels).annotators}
    assert found["ann"] > 0.9
    assert found["cy"] < 0.6


def test_the_propagation_error_is_measured_on_members_answered_singly() -> None:
    labels = [*sheet("s", 10, "happy", "ann"), *sheet("t", 10, "sad", "ann")]
    before = propagation(labels)
    assert (before.sheets, before.members, before.checked, before.error) == (2, 20, 0, None)
    labels += [
        label("s03", "happy", "bo"),
        label("s04", "sad", "bo"),
        label("t05", "sad", "ann", id="own"),
        label("t06", "", "bo"),
    ]
    after = propagation(labels)
    assert (after.checked, after.wrong, after.differing) == (3, 1, ("s04",))
    assert after.interval is not None
    assert after.interval[0] < 1 / 3 < after.interval[1]


def test_members_to_verify_are_spread_over_the_sheets() -> None:
    labels = [*sheet("s", 9, "happy", "ann"), *sheet("t", 9, "sad", "ann"), *sheet("u", 1, "sad", "ann")]
    labels += [label("s00", "happy", "bo")]
    first, second, third = members_to_verify(labels, 3)
    assert first[1] == "t", "of s a member was verified already"
    assert {second[1], third[1]} == {"s", "t"}
    assert "s00" not in {crop for crop, _ in members_to_verify(labels, 100)}
    assert len(members_to_verify(labels, 100)) == 8 + 9
    assert members_to_verify(labels, 5) == members_to_verify(labels[::-1], 5)
    assert members_to_verify(labels, 5) != members_to_verify(labels, 5, seed=1)


def test_two_annotators_of_the_same_sheet_are_compared_once() -> None:
    labels = [*sheet("s", 30, "happy", "ann"), *sheet("s", 30, "sad", "bo"), label("s03", "sad", "cy")]
    found = agreement_of(labels)
    assert (found.items, found.several) == (2, 1)
    assert [(one.item, one.votes) for one in found.disputed] == [("s", {"happy": 1, "sad": 1})]


def test_the_most_disputed_come_first_and_ties_are_conflicts() -> None:
    labels = [label("c1", e, a) for e, a in zip(("happy", "happy", "sad"), "abc", strict=True)]
    labels += [label("c2", e, a) for e, a in zip(("happy", "sad"), "ab", strict=True)]
    labels += [label("c3", e, a) for e, a in zip(("happy", "sad", "angry"), "abc", strict=True)]
    labels += [label("c4", "sad", a) for a in "abc"]
    found = agreement_of(labels)
    assert [one.item for one in found.disputed] == ["c3", "c2", "c1"]
    assert [one.tie for one in found.disputed] == [True, True, False]
    printed = document(found)
    assert printed["conflicts"] == 2
    assert printed["unanimous"] == 1
    assert printed["disputed"][2] == {"item": "c1", "votes": {"happy": 2, "sad": 1}, "by": {"a": "happy", "b": "happy", "c": "sad"}, "tie": False}  # fmt: skip


def test_nothing_labelled_is_a_summary_of_nothing() -> None:
    found = document(agreement_of([]))
    assert (found["alpha"], found["items"], found["annotators"], found["disputed"]) == (None, 0, [], [])


def test_the_workspaces_own_files_are_found(workspace: Workspace) -> None:
    workspace.catalogue.put([label("c1", "happy", "ann", prediction="m"), label("c2", "sad", "ann")])
    folder = workspace.root / "annotate"
    folder.mkdir()
    (folder / "honeypots.csv").write_text("crop,emotion\nc1,happy\nc2,happy\n")
    (folder / "suggestions.csv").write_text("prediction,crop,emotion\nm,c1,happy\n")
    [ann] = read_agreement(workspace).annotators
    assert ann.honeypots is not None
    assert (ann.honeypots.right, ann.honeypots.answered) == (1, 2)
    assert ann.anchoring.shown.of == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop,emotion\nc1,happy\nc1,sad\n", "row 2: c1 is happy above and sad here"),
        ("crop,emotion\nc1,\n", "row 1: no emotion given"),
        ("crop,emotion\nc1,skip\n", "row 1: a honeypot needs a crop's id and its emotion"),
        ("video,frame,left,top,right,bottom,emotion\nv,1,0,0,9,9,happy\n", "a honeypot needs a crop's id"),
        ("", "empty"),
    ],
)
def test_bad_honeypots_are_refused_with_the_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "honeypots.csv"
    path.write_text(text)
    with pytest.raises(LabelError, match=message):
        read_honeypots(path)
    assert find_honeypots(tmp_path) is None


def test_bad_suggestions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.csv"
    assert read_suggestions(path) == {}
    path.write_text("crop,emotion\nc1,happy\n")
    with pytest.raises(LabelError, match="no column prediction"):
        read_suggestions(path)
    path.write_bytes(b"prediction,crop,emotion\n\xff\xfe\n")
    with pytest.raises(LabelError, match="cannot be read"):
        read_suggestions(path)
