"""The annotators' section of the report: on workspaces made up for it."""

import re
from pathlib import Path

import pytest

from pipeline.core.workspace import Workspace
from pipeline.report import build_report
from pipeline.report.agreement import DISPUTES_SHOWN
from tests.pipeline.report.conftest import Elements
from tests.records import crop, episode, label

HOSTILE = "cy <script>"


def words(path: Path) -> str:
    """The visible text, white space evened out."""
    return re.sub(r"\s+", " ", Elements(path.read_text(encoding="utf-8")).text.replace("\u202f", " "))


@pytest.fixture
def argued(workspace: Workspace) -> Workspace:
    workspace.catalogue.put([episode("e1")])
    for n in range(60):
        workspace.catalogue.put([crop(f"c{n:02d}", pts=n)])
        workspace.catalogue.put([label(f"c{n:02d}", ("happy", "sad")[n % 2], "ann", seconds=2.0, prediction="m")])
        workspace.catalogue.put([label(f"c{n:02d}", "happy", HOSTILE)])
    return workspace


def test_coefficients_pairs_and_disputes_are_told(argued: Workspace) -> None:
    page = build_report(argued)
    text = words(page)
    assert "Krippendorff's alpha-0.32" in text
    assert "raw agreement50.0 %" in text
    assert "ties, which give no label30" in text
    assert f"ann, {HOSTILE}60300.00" in text
    assert HOSTILE not in page.read_text(encoding="utf-8")
    shown = text.count("happy 1 cy")
    assert shown == min(30, DISPUTES_SHOWN)
    assert "Known answers" not in text, "what was not measured has no column"


def test_more_disputes_than_are_shown_are_counted(argued: Workspace) -> None:
    argued.catalogue.put([label(f"c{n:02d}", "angry", "bo") for n in range(60)])
    assert f"{DISPUTES_SHOWN} of 60 disputed items shown." in words(build_report(argued))


def test_sheets_honeypots_and_suggestions_are_told(argued: Workspace) -> None:
    argued.catalogue.put([crop(f"d{n}") for n in range(5)])
    argued.catalogue.put([label(f"d{n}", "happy", a, via="t1", id=f"{n}{a}") for n in range(5) for a in ("ann", "bo")])
    argued.catalogue.put([label("d1", "sad", "cy"), label("d2", "happy", "cy")])
    folder = argued.root / "annotate"
    folder.mkdir()
    (folder / "honeypots.csv").write_text("crop,emotion\n" + "".join(f"c{n:02d},happy\n" for n in range(60)))
    (folder / "suggestions.csv").write_text("prediction,crop,emotion\nm,c00,happy\nm,c01,happy\n")
    text = words(build_report(argued))
    assert "5 members of 1 sheet; 1 of 2 (9 % to 91 %) wrong" in text
    assert "30 of 60 (38 % to 62 %), failed" in text
    assert "60 of 60 (94 % to 100 %), passed" in text
    assert "50 % (100 %)" in text


def test_a_bad_file_of_honeypots_is_told_and_the_rest_is_shown(argued: Workspace) -> None:
    (argued.root / "annotate").mkdir()
    (argued.root / "annotate" / "honeypots.csv").write_text("crop,emotion\nc00,\n")
    text = words(build_report(argued))
    assert "honeypots.csv: row 1: no emotion given" in text
    assert "raw agreement50.0 %" in text


def test_one_annotator_alone_is_told_what_to_do(workspace: Workspace) -> None:
    workspace.catalogue.put([episode("e1"), crop("c1"), label("c1", "happy")])
    text = words(build_report(workspace))
    assert "Nothing was answered by two annotators" in text
    assert "toonsift annotate queue --count 100" in text


def test_without_labels_there_is_no_section(workspace: Workspace) -> None:
    assert 'id="agreement"' not in build_report(workspace).read_text(encoding="utf-8")
