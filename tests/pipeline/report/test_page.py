import re
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.core.errors import CheckpointError, NotFoundError
from pipeline.core.progress import Silent
from pipeline.core.records import Crop, Episode
from pipeline.core.workspace import Workspace
from pipeline.report import build_report, episodes, page
from pipeline.report.thumbnails import Gallery
from tests.pipeline.report.conftest import Elements
from tests.pipeline.report.stock import CLASSES, HOSTILE, Stock

SECTIONS = (
    "overview",
    "demo",
    "episodes",
    "crops",
    "duplicates",
    "cascades",
    "dataset",
    "agreement",
    "training",
    "insides",
    "mistakes",
)


def words(html: str) -> str:
    """The visible text, white space evened out."""
    return re.sub(r"\s+", " ", Elements(html).text)


def test_the_page_lies_in_the_reports_folder_and_a_second_run_replaces_it(stock: Stock) -> None:
    for _ in range(2):
        assert build_report(stock.workspace) == stock.workspace.reports / "index.html"
    assert [path.name for path in stock.workspace.reports.iterdir()] == ["index.html"]


def test_every_section_is_there_and_in_the_contents(elements: Elements) -> None:
    assert tuple(section["id"] for section in elements.all("section")) == SECTIONS
    links = [a["href"] for a in elements.all("a") if a["href"].startswith("#")]
    assert {f"#{name}" for name in SECTIONS} <= set(links)


def test_nothing_is_loaded_from_elsewhere(page: Path, elements: Elements) -> None:
    for tag, attributes in elements.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base"), tag
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert not attributes.get(name) or attributes[name].startswith(("data:", "#")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//cdn|url\(|@import", html)
    policy = next(m["content"] for m in elements.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_names_from_outside_are_shown_as_text(page: Path, elements: Elements) -> None:
    html = page.read_text(encoding="utf-8")
    assert HOSTILE not in html
    assert HOSTILE in elements.text
    assert "truncated <b>" in elements.text
    assert "ann <i> (project 7)" in elements.text
    assert "all 6 stages fitted <u>" in elements.text


def test_every_picture_is_inside_small_and_has_a_text(page: Path, elements: Elements) -> None:
    images = elements.all("img")
    assert len(images) > 20
    for image in images:
        assert image["src"].startswith("data:image/webp;base64,")
        assert image["alt"]
        assert image["loading"] == "lazy"
        assert int(image["width"]) <= 640
    assert page.stat().st_size < 2_000_000


def test_every_table_tells_its_columns(elements: Elements) -> None:
    assert all(cell.get("scope") in ("row", "col") for cell in elements.all("th"))
    assert len(elements.all("table")) == len(elements.all("thead"))


def test_shots_show_their_frame_with_the_faces_of_that_frame(elements: Elements) -> None:
    frames = [image["alt"] for image in elements.all("img") if image["alt"].startswith("Shot ")]
    assert [alt.split(",")[0] for alt in frames] == ["Shot 1", "Shot 2", "Shot 3"]
    # the sampled frame nearest to the middle of the shot is its 13th, and one tracked face is on each sampled frame
    assert [alt.split("at ")[1] for alt in frames] == [f"0:00:0{n}.500, 1 face found" for n in range(3)]
    boxes = [a for a in elements.all("rect") if a.get("width") == "60"]
    assert [box["x"] for box in boxes] == ["32", "32", "56", "56", "80", "80"]  # each with its halo


def test_an_episode_whose_file_is_gone_shows_its_crops(elements: Elements) -> None:
    assert re.search(r"The file is gone: \S+/gone/s01e02\.mp4 is not there any more", elements.text)
    assert any("s01e02 at 0:00:00.250" in image["alt"] for image in elements.all("img"))


def test_holds_are_told_as_on_twos(elements: Elements) -> None:
    labels = [a["aria-label"] for _, a in elements.tags if "hold-row" in a.get("class", "")]
    assert labels[0].replace("\u202f", " ").endswith("on ones 0 %, on twos 100 %, on threes 0 %, held longer 0 %")


def test_the_kept_crop_of_a_group_is_marked(elements: Elements) -> None:
    kept = [a for a in elements.all("figure") if a.get("class") == "face kept"]
    assert len(kept) == 1


def test_the_certificate_and_the_scores_are_told(page: Path) -> None:
    text = words(page.read_text(encoding="utf-8")).replace("\u202f", " ")
    assert "Nothing is shared between the splits." in text
    assert "≤ 8" in text
    assert "always the most frequent class" in text
    assert "10 % to 90 %" in text
    assert "1 of 2 test examples are wrong" in text
    assert "the test split comes from 1 shot(s) alone" in text
    assert "the card of cascade odd: not JSON" in text


def test_the_worst_mistake_says_what_it_is_where_and_how_sure(page: Path) -> None:
    text = words(page.read_text(encoding="utf-8")).replace("\u202f", " ").replace("\u00a0", " ")
    truth = CLASSES[1]
    assert re.search(rf"{truth} → angry 90 % truth 10 % ?(tom|jerry), s01e01 \S+ at 0:00:0", text)


def test_an_empty_workspace_names_the_commands_that_fill_it(workspace: Workspace) -> None:
    text = words(build_report(workspace).read_text(encoding="utf-8"))
    for command in (
        "mine FOLDER",
        "dedupe",
        "cascade fit NAME --truth FILE",
        "import labels FILE",
        "export NAME",
        "train DATASET",
    ):
        assert f"toonsift {command}" in text


def test_a_dataset_that_does_not_exist_is_an_error(stock: Stock) -> None:
    with pytest.raises(NotFoundError, match="no dataset 'nobody'"):
        build_report(stock.workspace, dataset="nobody")


def test_a_folder_that_is_no_run_is_an_error(stock: Stock, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no training run: it has no options\.json"):
        build_report(stock.workspace, run=tmp_path)


def test_damage_costs_one_section_not_the_page(own_stock: Stock) -> None:
    workspace = own_stock.workspace
    (workspace.root / "datasets/faces/0001/manifest.json").write_text("{")
    (own_stock.run / "predictions.parquet").write_bytes(b"no parquet")
    for crop in workspace.catalogue.all(Crop)[:3]:
        workspace.objects.path(crop.sha256, ".png").write_bytes(b"no png")
    own_stock.video.write_bytes(own_stock.video.read_bytes()[:-100])
    text = words(build_report(workspace).read_text(encoding="utf-8"))
    assert re.search(r"manifest\.json: not readable", text)
    assert re.search(r"predictions\.parquet: not readable", text)
    assert re.search(r"\d+ pictures are missing or damaged in the workspace", text)
    assert "is another file now than the one that was mined" in text


def test_a_run_under_way_shows_its_curves(own_stock: Stock) -> None:
    (own_stock.run / "summary.json").unlink()
    html = build_report(own_stock.workspace, run=own_stock.run).read_text(encoding="utf-8")
    assert "The run is not finished" in html
    assert "Loss per epoch" in html
    assert "There is no finished run to look at." in html


def test_mistakes_are_shown_without_their_dataset(own_stock: Stock) -> None:
    shutil.rmtree(own_stock.workspace.datasets)
    found = page.gather(own_stock.workspace, None, None, None, Silent())
    assert found.mistakes is not None
    (mistake,) = found.mistakes.mistakes
    assert mistake.picture is not None  # from the file store
    assert mistake.place.startswith("s01e01")


def test_of_many_episodes_some_are_shown_and_the_page_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episodes, "EPISODES_SHOWN", 3)
    workspace.catalogue.put(
        Episode(
            id=f"e{n:012d}",
            name=f"e{n:02d}",
            path=f"/nowhere/{n}.mp4",
            sha256=f"{n:064d}",
            size_bytes=1,
            width=16,
            height=16,
            time_base=Fraction(1, 24),
        )
        for n in range(9)
    )
    html = build_report(workspace).read_text(encoding="utf-8")
    assert "3 of 9 episodes shown." in html
    assert [f"e{n:02d}" for n in (0, 3, 6)] == re.findall(r"<h3>(e\d\d) <code>", html)


def test_a_page_that_is_full_says_what_it_left_out(own_stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "Gallery", lambda: Gallery(budget_bytes=20_000))
    path = build_report(own_stock.workspace)
    assert re.search(r"The page is full: \d+ pictures were left out", path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 120_000


def test_the_same_workspace_gives_the_same_page(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "now", lambda: "2026-01-31T12:00:00+00:00")
    first = build_report(stock.workspace).read_bytes()
    assert build_report(stock.workspace).read_bytes() == first
