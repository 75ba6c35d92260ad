import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.timeline.documents import COLUMNS, FORMAT, write_documents
from pipeline.timeline.plot import shares_svg
from pipeline.timeline.shares import asked_emotion, shares_of
from tests.pipeline.timeline.made import EMOTIONS, face, shot, timeline

HAPPY, SAD = (0.1, 0.8, 0.1), (0.05, 0.05, 0.9)


def test_json_and_csv_say_the_same_spans_with_exact_times(tmp_path: Path) -> None:
    made = timeline(face("tom", [1000, 1250, 1500], [HAPPY, HAPPY, SAD]), face("=cmd", [2000], [SAD]))
    write_documents(made, shares_of(made), tmp_path)
    document = json.loads((tmp_path / "timeline.json").read_text())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "timeline.csv").read_text())))
    assert document["format"] == FORMAT
    assert tuple(rows[0]) == COLUMNS
    spans = [span for spans in document["characters"].values() for span in spans]
    assert len(rows) == len(spans) == 3
    assert [row["emotion"] for row in rows] == ["happy", "sad", "sad"]
    for row in rows:
        assert float(row["start_seconds"]) == float(int(row["start_pts"]) * Fraction(row["time_base"]))
    assert rows[0]["start_timecode"] == "0:00:00.875"
    assert rows[2]["character"] == "'=cmd"  # no formula in a spreadsheet
    assert "=cmd" in document["characters"]
    assert [one["alone"] for one in document["tracks"][0]["faces"]] == ["happy", "happy", "sad"]


def test_the_happiest_is_who_shows_it_for_the_largest_share_of_its_time() -> None:
    shots = [shot(n * 1000, (n + 1) * 1000) for n in range(4)]
    always = [face("tom", [one.start_pts + 500], [HAPPY], one) for one in shots]
    never = [face("jerry", [one.start_pts + 250 * k for k in range(4)], [SAD] * 4, one) for one in shots]
    found = shares_of(timeline(*always, *never))
    assert (found.asked, found.answer, found.sure) == ("happy", "tom", 1.0)
    tom, jerry = found.characters
    assert [round(one.share, 3) for one in tom.shares] == [0.1, 0.8, 0.1]
    assert jerry.seconds > tom.seconds
    assert tom.shots == 4
    for character in found.characters:
        assert sum(one.share for one in character.shares) == pytest.approx(1)
        assert all(one.low - 1e-9 <= one.share <= one.high + 1e-9 for one in character.shares)


def test_an_answer_that_hangs_on_one_shot_is_not_sure() -> None:
    shots = [shot(n * 1000, (n + 1) * 1000) for n in range(6)]
    tom = [face("tom", [one.start_pts + 500], [HAPPY if n == 0 else SAD], one) for n, one in enumerate(shots)]
    jerry = [face("jerry", [one.start_pts + 500], [(0.8, 0.15, 0.05)], one) for one in shots]
    found = shares_of(timeline(*tom, *jerry))
    assert found.answer == "tom"
    assert 0.4 < found.sure < 0.9


def test_nobody_seen_gives_an_empty_answer_and_a_plot() -> None:
    found = shares_of(timeline())
    assert (found.answer, found.characters) == ("", ())
    assert "nobody was seen" in shares_svg(
        {"asked": "happy", "answer": "", "sure": 0.0, "characters": []}, EMOTIONS, "x"
    )


def test_the_plot_is_xml_whatever_the_names_are() -> None:
    from dataclasses import asdict
    from xml.etree import ElementTree

    made = timeline(face("<script>&\x01", [1000], [HAPPY]))
    text = shares_svg(asdict(shares_of(made)), EMOTIONS, 'a "title" <b>')
    assert "<script>" not in text
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_what_data_sets_call_happy_is_found() -> None:
    assert asked_emotion(("anger", "joy")) == "joy"
    assert asked_emotion(("angry", "sad")) == "angry"
    assert asked_emotion(("angry", "happy"), "angry") == "angry"
