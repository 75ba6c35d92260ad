"""What several annotators say together: votes, weighed votes, sheets, and who is left out."""

import pytest

from annotate.agreement.answers import evidence, judgements
from annotate.agreement.consensus import DAWID_SKENE, consensus
from pipeline.core.answers import standing
from pipeline.core.records import NOT_A_FACE, UNSURE, Label
from tests.records import label

BOTH = pytest.mark.parametrize("method", ["majority", DAWID_SKENE])
EXCLUDE = (NOT_A_FACE, UNSURE)
LATER = "2026-02-01T00:00:00+00:00"


def sheet(members: str, emotion: str, annotator: str, via: str = "sheet") -> list[Label]:
    return [
        label(f"c{member}", emotion, annotator, via=via, id=f"{member}{annotator}{via}{emotion}") for member in members
    ]


@BOTH
def test_all_of_one_mind_are_believed(method: str) -> None:
    agreed, left_out = consensus([label("c1", "happy", a) for a in "abc"], EXCLUDE, method)
    assert (agreed["c1"].label, agreed["c1"].shares, agreed["c1"].annotators) == ("happy", {"happy": 1.0}, 3)
    assert not left_out


@BOTH
def test_a_tie_is_a_conflict_and_skips_say_nothing(method: str) -> None:
    labels = [label("c1", "happy", "a"), label("c1", "sad", "b"), label("c1", "", "c"), label("c2", "", "a")]
    agreed, left_out = consensus(labels, EXCLUDE, method)
    assert not agreed
    assert left_out == {"conflict": 1, "no emotion said": 1}


@BOTH
def test_withdrawn_answers_never_count(method: str) -> None:
    labels = [
        label("c1", "happy", "a"),
        label("c1", "sad", "b", withdrawn=LATER),
        label("c2", "sad", "b", withdrawn=LATER),
    ]
    agreed, left_out = consensus(labels, EXCLUDE, method)
    assert agreed["c1"].shares == {"happy": 1.0}
    assert set(agreed) == {"c1"}
    assert not left_out


@BOTH
def test_an_answer_that_was_withdrawn_gives_way_to_the_one_before(method: str) -> None:
    labels = [label("c1", "happy", "a"), label("c1", "sad", "a", created=LATER, withdrawn=LATER)]
    assert consensus(labels, EXCLUDE, method)[0]["c1"].label == "happy"


@BOTH
def test_no_face_and_unsure_are_no_classes(method: str) -> None:
    labels = [label("c1", NOT_A_FACE, a) for a in "abc"] + [label("c2", UNSURE, a) for a in "ab"]
    labels += [label(f"d{n}", "happy", a) for n in range(9) for a in "abc"]
    agreed, left_out = consensus(labels, EXCLUDE, method)
    assert left_out == {NOT_A_FACE: 1, UNSURE: 1}
    assert all(set(found.shares) == {"happy"} for found in agreed.values())


def test_unsure_is_a_vote_by_majority_and_none_by_dawid_and_skene() -> None:
    labels = [label("c1", UNSURE, "a"), label("c1", UNSURE, "b"), label("c1", "sad", "c")]
    labels += [label(f"d{n}", "sad", a) for n in range(9) for a in "abc"]
    by_votes, left_out = consensus(labels, EXCLUDE)
    assert "c1" not in by_votes
    assert left_out == {UNSURE: 1}
    weighed, left_out = consensus(labels, EXCLUDE, DAWID_SKENE)
    assert weighed["c1"].label == "sad"
    assert not left_out


def test_an_annotator_who_is_often_wrong_is_outweighed_and_the_shares_say_how_surely() -> None:
    """Ann and bo agree throughout; cy and di say whatever comes next."""
    words = ("angry", "happy", "sad")
    labels = [label(f"c{n}", words[n % 3], a) for n in range(60) for a in ("ann", "bo")]
    labels += [label(f"c{n}", words[(n // k) % 3], a) for n in range(60) for k, a in ((4, "cy"), (7, "di"))]
    labels += [label("q", "happy", "ann"), label("q", "sad", "cy")]
    assert "q" not in consensus(labels, EXCLUDE)[0]
    agreed, _ = consensus(labels, EXCLUDE, DAWID_SKENE)
    assert agreed["q"].label == "happy"
    assert 0.8 < agreed["q"].shares["happy"] < 1
    assert sum(agreed["q"].shares.values()) == pytest.approx(1)
    assert all(agreed[f"c{n}"].label == words[n % 3] for n in range(60))


@BOTH
def test_too_little_agreement_leaves_a_crop_out(method: str) -> None:
    labels = [label("c1", "happy", "a"), label("c1", "happy", "b"), label("c1", "sad", "c"), label("c2", "sad", "a")]
    found = consensus(labels, EXCLUDE, method)[0]["c1"]
    assert found.label == "happy"
    assert found.agreement < 1
    agreed, left_out = consensus(labels, EXCLUDE, method, found.agreement + 0.001)
    assert "c1" not in agreed
    assert left_out["too little agreement"] == 2 - len(agreed)
    assert "c1" in consensus(labels, EXCLUDE, method, found.agreement)[0]


@BOTH
def test_a_members_own_answer_outranks_its_sheets(method: str) -> None:
    labels = [*sheet("1234", "happy", "a"), *sheet("1234", "happy", "b"), label("c2", "sad", "c"), label("c3", "", "c")]
    agreed, _ = consensus(labels, EXCLUDE, method)
    assert {crop: found.label for crop, found in agreed.items()} == {
        "c1": "happy",
        "c2": "sad",
        "c3": "happy",
        "c4": "happy",
    }
    assert agreed["c2"].annotators == 1


def test_a_sheet_of_many_members_is_one_judgement() -> None:
    """Ann is wrong on one sheet of forty members and right on the rest: she is not thought careless for it."""
    members = "".join(chr(0x4E00 + n) for n in range(40))
    labels = [*sheet(members, "sad", "ann"), *sheet(members, "happy", "bo"), *sheet(members, "happy", "cy")]
    labels += [label(f"i{n}", ("happy", "sad")[n % 2], a) for n in range(12) for a in ("ann", "bo", "cy")]
    labels += [label("q", "sad", "ann"), label("q", "happy", "di")]
    assert len([one for one in judgements(labels) if one.item == "sheet"]) == 3
    agreed, _ = consensus(labels, EXCLUDE, DAWID_SKENE)
    assert {agreed[f"c{member}"].label for member in members} == {"happy"}
    assert agreed["q"].label == "sad", "ann was right twelve times of thirteen, di was never seen before"
    singly = [one if not one.via else label(one.crop, one.emotion, one.annotator) for one in labels]
    assert consensus(singly, EXCLUDE, DAWID_SKENE)[0].get("q") != agreed["q"]


def test_a_character_asked_alone_does_not_hide_the_emotion() -> None:
    labels = [label("c1", "happy", "a", character="tom"), label("c1", "", "a", character="jerry", created=LATER)]
    agreed, left_out = consensus(labels, EXCLUDE)
    assert (agreed["c1"].label, agreed["c1"].character) == ("happy", "jerry")
    assert not left_out
    assert consensus([label("c1", "", "a", character="tom")], EXCLUDE) == ({}, {"no emotion said": 1})


def test_a_later_skip_takes_an_answer_back() -> None:
    labels = [label("c1", "happy", "a"), label("c1", "", "a", created=LATER)]
    assert consensus(labels, EXCLUDE)[1] == {"no emotion said": 1}


def test_the_order_of_the_labels_does_not_matter() -> None:
    labels = [
        label(f"c{n}", ("happy", "sad", "angry")[n * k % 3], a)
        for n in range(20)
        for k, a in ((1, "a"), (2, "b"), (5, "c"))
    ]
    labels += sheet("1234", "sad", "d")
    for method in ("majority", DAWID_SKENE):
        assert consensus(labels, EXCLUDE, method) == consensus(labels[::-1], EXCLUDE, method)
    assert standing(labels) == standing(labels[::-1])
    assert evidence(labels) == evidence(labels[::-1])
