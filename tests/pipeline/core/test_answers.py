from pipeline.core.answers import counting
from tests import records

EARLY, LATE = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00.500000+00:00"


def test_the_latest_answer_of_each_annotator_counts() -> None:
    labels = [records.label("c1", "sad", created=LATE), records.label("c1", "happy", created=EARLY)]
    assert [label.emotion for label in counting([*labels, records.label("c1", "angry", annotator="ann")])] == [
        "angry",
        "sad",
    ]


def test_a_withdrawn_answer_lets_the_one_before_it_count() -> None:
    labels = [records.label("c1", "sad", created=LATE, withdrawn=LATE), records.label("c1", "happy", created=EARLY)]
    assert [label.emotion for label in counting(labels)] == ["happy"]


def test_a_later_skip_takes_an_answer_back() -> None:
    labels = [records.label("c1", "sad", created=EARLY), records.label("c1", "", created=LATE)]
    assert [label.emotion for label in counting(labels)] == [""]
