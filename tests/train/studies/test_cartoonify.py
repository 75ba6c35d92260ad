"""Photographs made to look drawn."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipeline.console import Session
from pipeline.core.errors import DatasetError, UsageError
from pipeline.core.images import RGB, encode_png, read_rgb
from pipeline.core.manifest import Dataset
from pipeline.core.progress import Silent
from tests.train.faces import draw_face
from tests.train.studies.looks import photographed, photographed_dataset
from train.studies import cli, restyle
from train.studies.cartoonify import METHODS, Method, cartoonified
from train.studies.restyle import Look, in_look, restyled

app = typer.Typer()
app.command("cartoonify")(cli.cartoonify)
app.command("again")(cli.cartoonify)


@pytest.fixture(scope="module")
def photo() -> RGB:
    draw = np.random.default_rng(0)
    return photographed(draw_face("happy", draw).repeat(2, axis=0).repeat(2, axis=1), draw)


@pytest.fixture(scope="module")
def photos(toy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return photographed_dataset(toy, tmp_path_factory.mktemp("photos") / "photos")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_changes_a_photograph_the_same_way_each_time(method: Method, photo: RGB) -> None:
    before = photo.copy()
    drawn = cartoonified(photo, method)
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    assert np.abs(drawn.astype(int) - photo).mean() > 1
    np.testing.assert_array_equal(drawn, cartoonified(photo, method))
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(cartoonified(photo, method, 0.0), photo)


@pytest.mark.parametrize("method", METHODS)
def test_more_strength_changes_more(method: Method, photo: RGB) -> None:
    little, much = (np.abs(cartoonified(photo, method, s).astype(int) - photo).mean() for s in (0.15, 1.0))
    assert much > little > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (700, 300)])
def test_any_size_is_taken(method: Method, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    drawn = cartoonified(picture, method)
    assert max(drawn.shape[:2]) <= 256
    assert drawn.shape[2] == 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("textured", [0, 2, 30])
def test_red_stays_red(method: Method, textured: int) -> None:
    red = np.full((40, 40, 3), (200, 30, 20), dtype=np.uint8)
    red[10:20, 10:12] += np.uint8(textured)
    mean = cartoonified(red, method).reshape(-1, 3).mean(axis=0)
    assert mean[0] > max(mean[1], mean[2]) + 80


def test_flat_colours_are_few_and_lines_are_dark(photo: RGB) -> None:
    assert len(np.unique(cartoonified(photo, "colours", 1.0).reshape(-1, 3), axis=0)) <= 4
    lined, flat = cartoonified(photo, "edges", 1.0), cartoonified(photo, "smooth", 1.0)
    assert (lined.max(axis=2) < 20).mean() > (flat.max(axis=2) < 20).mean() + 0.01


def test_a_method_or_strength_that_is_none_is_refused(photo: RGB) -> None:
    with pytest.raises(UsageError, match="no method 'oil'.*edges, stylization, smooth, colours"):
        cartoonified(photo, "oil")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="strength must be from 0 to 1, got 1.5"):
        cartoonified(photo, "edges", 1.5)
    with pytest.raises(UsageError, match="strength"):
        Look(method="edges", strength=float("nan"))


def test_styles_by_lot_differ_from_picture_to_picture_and_not_from_time_to_time(photo: RGB) -> None:
    look = Look(method=None, strength=1.0)
    made = [in_look(photo, look, digest) for digest in "abcdef"]
    assert len({one.tobytes() for one in made}) == 6
    np.testing.assert_array_equal(made[0], in_look(photo, look, "a"))


def test_training_pictures_are_made_once_and_the_test_split_stays(
    photos: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, made = Look(method="edges"), []
    original = restyle.in_look
    monkeypatch.setattr(restyle, "in_look", lambda *words: made.append(1) or original(*words))
    first = restyled(photos, look, tmp_path, Silent())
    assert len(made) == sum(e.split != "test" for e in photos.examples)
    again = restyled(photos, look, tmp_path, Silent())
    assert len(made) == sum(e.split != "test" for e in photos.examples)
    assert again.manifest.digest == first.manifest.digest != photos.manifest.digest
    for before, after in zip(photos.examples, first.examples, strict=True):
        assert (before.sha256 == after.sha256) == (before.split == "test")
    one = next(e for e in first.examples if e.split == "train")
    expected = in_look(read_rgb(photos.folder / one.file), look, "")
    np.testing.assert_array_equal(read_rgb(first.image_path(one)), expected)
    (next(tmp_path.iterdir()) / "made.json").write_text('{"a": "../../../etc/passwd"}')
    assert restyled(photos, look, tmp_path, Silent()).manifest.digest == first.manifest.digest


def test_a_damaged_source_picture_is_named(toy: Dataset, tmp_path: Path) -> None:
    broken = replace(toy, examples=(replace(toy.examples[0], sha256="0" * 64, split="train"), *toy.examples[1:]))
    with pytest.raises(DatasetError, match="differs from what was exported"):
        restyled(broken, Look(method="smooth"), tmp_path, Silent())


def test_the_sheet_shows_every_method_and_names_what_is_no_picture(photo: RGB, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(photo))
    (tmp_path / "b.png").write_bytes(b"no picture")
    words = ["cartoonify", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--out", str(tmp_path / "sheet.png")]
    result = CliRunner().invoke(app, words, obj=Session(root=tmp_path, json=True))
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["images"] == 1
    assert [Path(one["path"]).name for one in document["failed"]] == ["b.png"]
    assert read_rgb(tmp_path / "sheet.png").shape == (18 + 160, 13 * 160, 3)
