import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.cli import main
from tests.cascades.drawing import write_scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a cascade for ann, and pictures."""
    folder = tmp_path_factory.mktemp("cli")
    write_scenes(folder / "pictures", 16, second="ben")
    write_scenes(folder / "other", 6, seed=9, second="ben")
    fit = ["cascade", "fit", "ann", "--truth", str(folder / "pictures/truth.json"), "--character", "ann"]
    small = ["--stages", "3", "--positives", "200", "--negatives-per-stage", "300", "--out", str(folder / "out.xml")]
    (folder / "fitted.json").write_text(called_alone(folder, *fit, *small))
    return folder


def called_alone(folder: Path, *words: str) -> str:
    """Standard output of the command in a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", "--json", "--quiet", "--workspace", str(folder / "ws"), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout


def call(folder: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, str]:
    """(exit code, the JSON object, standard error)"""
    code = 0
    try:
        main(["--json", "--quiet", "--workspace", str(folder / "ws"), *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_fit_says_what_the_contract_promises(folder: Path) -> None:
    result = json.loads((folder / "fitted.json").read_text())
    assert len(result["stages"]) == 3
    for stage in result["stages"]:
        assert {"weak", "hit_rate", "false_alarm", "windows_seen", "seconds"} <= set(stage)
    assert result["reason"] == "all 3 stages fitted"
    assert Path(result["xml"]) == folder / "out.xml"
    assert min(result["seconds"], result["cpu_seconds"], result["peak_mib"]) > 0
    stored = folder / "ws/objects" / result["sha256"][:2] / f"{result['sha256']}.xml"
    assert stored.read_bytes() == (folder / "out.xml").read_bytes()


def test_evaluate_scores_by_name_and_by_file_and_keeps_the_scores(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--truth", str(folder / "other/truth.json"), "--character", "ann"]
    code, by_name, _ = call(folder, "cascade", "evaluate", "ann", *words, capsys=capsys)
    assert code == 0
    names = {"precision", "recall", "f1", "false_positives_per_image", "average_precision", "curve"}
    assert names <= set(by_name)
    _, by_file, _ = call(folder, "cascade", "evaluate", str(folder / "out.xml"), *words, capsys=capsys)
    assert {n: by_file[n] for n in names} == {n: by_name[n] for n in names}
    _, shown, _ = call(folder, "cascade", "show", "ann", capsys=capsys)
    assert shown["card"]["scores"]["recall"] == by_name["recall"]


def test_list_and_show_tell_what_there_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, listed, _ = call(folder, "cascade", "list", capsys=capsys)
    assert [(c["name"], c["character"], c["stages"]) for c in listed["cascades"]] == [("ann", "ann", 3)]
    for wanted in ("ann", str(folder / "out.xml")):
        code, shown, _ = call(folder, "cascade", "show", wanted, capsys=capsys)
        assert (code, shown["stages"], shown["size"]) == (0, 3, [24, 24])
        with Image.open(shown["picture"]) as picture:
            assert picture.format == "PNG"


def test_detect_gives_boxes_and_names_what_it_cannot_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, broken = folder / "other/000.png", folder / "broken.png"
    broken.write_bytes(b"no picture")
    code, result, said = call(folder, "detect", str(picture), str(broken), "--cascade", "ann", capsys=capsys)
    assert code == 1
    assert [i["path"] for i in result["images"]] == [str(picture), str(broken)]
    for face in result["images"][0]["faces"]:
        assert set(face) == {"left", "top", "right", "bottom", "score", "character"}
    assert "not a readable image" in result["images"][1]["error"]
    assert "broken.png" in said
    assert call(folder, "detect", str(picture), "--cascade", "ann", capsys=capsys)[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["cascade", "fit", "x", "--truth", "none.json"], 1, "none.json: cannot be read"),
        (["cascade", "fit", "x", "--truth", "none.json", "--feature", "hog"], 2, "there are haar and lbp"),
        (["cascade", "fit", "x", "--truth", "none.json", "--size", "big"], 2, "--size is WIDTHxHEIGHT"),
        (["cascade", "fit", "../x", "--truth", "none.json"], 1, "cannot name a cascade"),
        (["cascade", "evaluate", "nobody", "--truth", "pictures/truth.json"], 1, "no cascade 'nobody'"),
        (["cascade", "show", "nobody"], 1, "no cascade 'nobody'"),
        (["detect", "x.png", "--cascade", "nobody"], 1, "no cascade 'nobody'"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(
    words: list[str],
    code: int,
    reason: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    ended, result, said = call(folder, *words, capsys=capsys)
    assert ended == code
    assert reason in said
    assert reason in result["error"]
    assert len(said.strip().splitlines()) == 1


def test_rejected_rows_are_told_and_the_rest_is_fitted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = write_scenes(tmp_path, 8)
    coco = json.loads(truth.read_text())
    coco["annotations"].append({"id": 99, "image_id": 0, "category_id": 77, "bbox": [0, 0, 20, 20]})
    truth.write_text(json.dumps(coco))
    words = [
        "cascade",
        "fit",
        "some",
        "--truth",
        str(truth),
        "--stages",
        "1",
        "--positives",
        "60",
        "--negatives-per-stage",
        "100",
    ]
    code, result, said = call(tmp_path, *words, capsys=capsys)
    assert code == 1
    assert result["rejected"] == [{"row": "annotation 99", "reason": "category_id 77 is none of the categories"}]
    assert Path(result["xml"]).is_file()
    assert "annotation 99" in said


def test_the_command_starts_without_anything_heavy() -> None:
    code = "import sys, cascades.cli; print([m for m in ('cv2', 'numba', 'numpy', 'torch') if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert told.stdout.strip() == "[]"
