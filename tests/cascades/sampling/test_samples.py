import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascades.learning.sheets import shrink
from cascades.sampling.augment import AugmentOptions, Region, Variation, cut_window, region_around, vary
from cascades.sampling.redraw import Backdrops, cut_redrawn, with_line_weight
from cascades.sampling.samples import SampleOptions, gather_samples
from cascades.sampling.window_shape import shape_for, shape_of_patches
from cascades.truth.reading import read_truth
from pipeline.core.errors import TruthError
from pipeline.core.files import write_bytes
from pipeline.core.images import encode_png
from tests.cascades.drawing import clutter, face_windows, write_backgrounds, write_scenes

FEW = SampleOptions(positives=60)


@given(st.integers(0, 10_000))
def test_variations_stay_within_their_bounds(seed: int) -> None:
    options = AugmentOptions()
    drawn = vary(np.random.default_rng(seed), options)
    assert abs(drawn.right) <= options.shift_fraction
    assert abs(drawn.down) <= options.shift_fraction
    assert abs(drawn.scale - 1) <= options.scale_fraction
    assert abs(drawn.degrees) <= options.rotation_degrees
    assert abs(drawn.contrast - 1) <= options.contrast_fraction
    assert abs(drawn.brightness) <= options.brightness_levels
    assert abs(math.log(drawn.gamma)) <= options.gamma_fraction + 1e-9
    assert -options.line_fraction / 4 <= drawn.line <= options.line_fraction


def test_without_mirror_no_variation_is_mirrored() -> None:
    random = np.random.default_rng(0)
    assert not any(vary(random, AugmentOptions(mirror=False)).mirrored for _ in range(50))
    assert {vary(random, AugmentOptions()).mirrored for _ in range(50)} == {True, False}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(8, 90), st.integers(8, 90), st.sampled_from([1.0, 1.5, 0.7]))
def test_a_region_is_the_smallest_of_its_aspect_around_the_box(x: int, y: int, w: int, h: int, aspect: float) -> None:
    region = region_around(x, y, x + w, y + h, aspect, 0.0)
    assert region.width / region.height == pytest.approx(aspect)
    assert (region.x, region.y) == (x + w / 2, y + h / 2)
    assert region.width == pytest.approx(w) or region.height == pytest.approx(h)
    assert region.width >= w - 1e-9
    assert region.height >= h - 1e-9


def test_cutting_at_the_window_s_own_size_copies_the_pixels() -> None:
    image = clutter(np.random.default_rng(0))
    region = Region(x=40 + 12, y=30 + 12, width=24, height=24)
    assert (cut_window(image, region, 24, 24) == image[30:54, 40:64]).all()
    assert (cut_window(image, region, 24, 24, Variation(mirrored=True)) == image[30:54, 40:64][:, ::-1]).all()
    shifted = cut_window(image, region, 24, 24, Variation(right=0.25, down=-0.125))
    assert (shifted == image[27:51, 46:70]).all()


def test_few_boxes_become_as_many_windows_as_asked(tmp_path: Path) -> None:
    samples = gather_samples(read_truth(write_scenes(tmp_path, 8)), [], None, FEW)
    assert samples.positives.shape == (60, 24, 24)
    assert len(samples.scenes) == 8
    assert (len(samples.held_out), samples.faces) == (0, 8)  # so few are all needed to fit to
    assert samples.face == (0.0, 0.0, 1.0, 1.0)


def test_the_same_seed_gives_the_same_windows_and_another_seed_others(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 6))
    first, again = (gather_samples(truth, [], None, FEW) for _ in range(2))
    other = gather_samples(truth, [], None, SampleOptions(positives=60, seed=1))
    assert (first.positives == again.positives).all()
    assert (first.positives != other.positives).any()


def test_other_characters_are_hard_negatives_and_no_scene_keeps_them_out(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 6, second="ben"))
    everyone, ann = gather_samples(truth, [], None, FEW), gather_samples(truth, [], "ann", FEW)
    assert len(everyone.hard) == 0
    assert all(s.faces is not None and len(s.faces) == 2 for s in everyone.scenes)
    assert len(ann.hard) == 6 * 8
    assert all(s.faces is not None and len(s.faces) == 1 for s in ann.scenes)


def test_crowds_are_neither_positive_nor_negative(tmp_path: Path) -> None:
    path = write_scenes(tmp_path, 5)
    coco = json.loads(path.read_text())
    coco["annotations"].append({"id": 99, "image_id": 0, "category_id": 1, "bbox": [100, 5, 60, 60], "iscrowd": 1})
    path.write_text(json.dumps(coco))
    samples = gather_samples(read_truth(path), [], "ann", FEW)
    assert sorted(len(s.keep_out) for s in samples.scenes) == [0, 0, 0, 0, 1]
    assert all(s.faces is not None and len(s.faces) == 1 for s in samples.scenes)
    assert len(samples.hard) == 0


def test_held_out_windows_come_from_other_scenes(tmp_path: Path) -> None:
    patches = face_windows(40)
    np.savez(tmp_path / "a.npz", patches)
    write_backgrounds(tmp_path / "neg", 2)
    options = SampleOptions(positives=30, held_out_fraction=0.2)
    samples = gather_samples(read_truth(tmp_path / "a.npz"), [tmp_path / "neg"], None, options)
    fitted = {w.tobytes() for w in samples.positives}
    assert len(samples.held_out) == 8
    assert samples.faces == 32
    assert len(samples.positives) == 30
    assert not fitted & {w.tobytes() for w in samples.held_out}


def test_windows_too_flat_for_the_detector_are_left_out_and_counted(tmp_path: Path) -> None:
    patches = np.concatenate([face_windows(20), np.full((10, 24, 24), 99, dtype=np.uint8)])
    np.savez(tmp_path / "a.npz", patches)
    write_backgrounds(tmp_path / "neg", 2)
    options = SampleOptions(positives=30, held_out_fraction=0.0)
    samples = gather_samples(read_truth(tmp_path / "a.npz"), [tmp_path / "neg"], None, options)
    assert (len(samples.positives), samples.flat) == (20, 10)


def test_bad_negatives_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", face_windows(20))
    folder = write_backgrounds(tmp_path / "neg", 2)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not looked at")
    write_bytes(folder / "tiny.png", encode_png(np.zeros((10, 10, 3), dtype=np.uint8)))
    samples = gather_samples(read_truth(tmp_path / "a.npz"), [folder], None, FEW)
    assert len(samples.scenes) == 2
    assert sorted(Path(r.row).name for r in samples.rejected) == ["broken.png", "tiny.png"]


def test_what_cannot_be_fitted_is_said_before_fitting(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", face_windows(20))
    np.savez(tmp_path / "few.npz", np.full((20, 24, 24), 5, dtype=np.uint8))
    folder = write_backgrounds(tmp_path / "neg", 1)
    with pytest.raises(TruthError, match="nothing to take negatives from; give --negatives"):
        gather_samples(read_truth(tmp_path / "a.npz"), [], None, FEW)
    with pytest.raises(TruthError, match="no such file or folder; --negatives"):
        gather_samples(read_truth(tmp_path / "a.npz"), [tmp_path / "none"], None, FEW)
    with pytest.raises(TruthError, match="0 usable windows of 20 faces"):
        gather_samples(read_truth(tmp_path / "few.npz"), [folder], None, FEW)
    with pytest.raises(TruthError, match="nobody is called 'zoe' in it; there are ann"):
        gather_samples(read_truth(write_scenes(tmp_path / "s", 2)), [], "zoe", FEW)


def test_a_box_outside_its_picture_is_rejected_and_one_across_its_edge_is_used(tmp_path: Path) -> None:
    path = write_scenes(tmp_path, 4)
    coco = json.loads(path.read_text())
    coco["annotations"][0]["bbox"] = [500, 10, 40, 40]
    coco["annotations"][1]["bbox"] = [-10, -10, 60, 60]
    path.write_text(json.dumps(coco))
    samples = gather_samples(read_truth(path), [], None, SampleOptions(positives=60, held_out_fraction=0.0))
    assert samples.faces == 3
    assert [(r.row, "outside the 200x140 picture" in r.reason) for r in samples.rejected] == [("000.png", True)]


@pytest.mark.parametrize("scale", [1.0, 1.37, 2.6, 7.3])
def test_a_window_is_cut_as_the_detector_shrinks(scale: float) -> None:
    """What is fitted to is what is met: a cut from the picture against the same window of the shrunk picture."""
    random = np.random.default_rng(0)
    image = np.asarray(clutter(random, 900, 700))
    width, height = round(900 / scale), round(700 / scale)
    level = shrink(image, width, height)
    across, down = 900 / width, 700 / height
    for x, y in ((0, 0), (11, 7), (width - 24, height - 24)):
        region = Region(x=(x + 12) * across, y=(y + 12) * down, width=24 * across, height=24 * down)
        cut = cut_window(image, region, 24, 24).astype(int)
        off = np.abs(cut - level[y : y + 24, x : x + 24])
        # warpAffine's positions are rounded to 1/32 pixel: at a hard edge that is a few grey levels
        assert off.mean() < 0.8
        assert off.max() <= 16


@pytest.mark.parametrize(
    ("aspect", "size"), [(1.0, (24, 24)), (1.05, (24, 24)), (1.4, (28, 20)), (0.7, (20, 28)), (9.0, (34, 16))]
)
def test_the_window_has_the_boxes_shape_and_the_usual_area(aspect: float, size: tuple[int, int]) -> None:
    assert shape_for([aspect] * 3 + [5.0]) == size
    assert 530 <= size[0] * size[1] <= 26 * 26


def test_patches_of_a_usual_size_are_the_window() -> None:
    assert shape_of_patches(24, 24) == (24, 24)
    assert shape_of_patches(20, 30) == (30, 20)
    assert shape_of_patches(100, 140) == (28, 20)


def test_the_window_is_chosen_after_the_boxes_unless_a_size_is_given(tmp_path: Path) -> None:
    path = write_scenes(tmp_path, 6)
    coco = json.loads(path.read_text())
    for row in coco["annotations"]:
        row["bbox"][3] = round(row["bbox"][2] / 1.4)
    path.write_text(json.dumps(coco))
    chosen = gather_samples(read_truth(path), [], None, SampleOptions(positives=60, width=0, height=0))
    assert chosen.positives.shape[1:] == (20, 28)
    assert gather_samples(read_truth(path), [], None, FEW).positives.shape[1:] == (24, 24)


def test_lines_become_thicker_and_thinner() -> None:
    image = np.full((60, 60), 200, dtype=np.uint8)
    image[:, 28:32] = 20
    dark = [int((with_line_weight(image, pixels)[30] < 110).sum()) for pixels in (-1.0, 0.0, 1.0, 2.0)]
    assert dark == [2, 4, 6, 8]
    half = with_line_weight(image, 0.5)[30]
    assert 20 < half[27] < 200


def test_another_background_stands_behind_the_face_and_the_face_stays() -> None:
    random = np.random.default_rng(0)
    image = np.full((100, 100), 90, dtype=np.uint8)
    image[25:75, 25:75] = clutter(random, 50, 50)
    backdrops = Backdrops()
    backdrops.add(np.full((80, 80), 250, dtype=np.uint8), np.zeros((0, 4)))
    region = Region(x=50, y=50, width=50, height=50)
    plain = cut_window(image, region, 24, 24)
    other = cut_redrawn(image, region, (50, 50), (24, 24), Variation(backdrop=True), backdrops, random)
    assert (other[8:16, 8:16] == plain[8:16, 8:16]).all()
    assert other[0, 0] > 240
    assert other[-1, -1] > 240
    nowhere = cut_redrawn(image, region, (50, 50), (24, 24), Variation(backdrop=True), Backdrops(), random)
    assert (nowhere == plain).all()


def test_background_is_never_taken_from_where_a_face_is() -> None:
    image = np.zeros((100, 200), dtype=np.uint8)
    image[:, 90:] = 255
    backdrops = Backdrops()
    backdrops.add(image, np.array([[90.0, 0.0, 200.0, 100.0]]))
    random = np.random.default_rng(0)
    pieces = [backdrops.piece(30, 30, random) for _ in range(50)]
    assert {int(piece.max()) for piece in pieces if piece is not None} == {0}


def test_a_face_too_flat_is_not_made_usable_by_what_is_put_behind_it(tmp_path: Path) -> None:
    windows = np.concatenate([face_windows(12), np.full((12, 24, 24), 99, dtype=np.uint8)])
    np.savez(tmp_path / "a.npz", windows)
    write_backgrounds(tmp_path / "neg", 2)
    options = SampleOptions(positives=200, held_out_fraction=0.0, augment=AugmentOptions(background_share=1.0))
    samples = gather_samples(read_truth(tmp_path / "a.npz"), [tmp_path / "neg"], None, options)
    assert samples.flat >= 12
    assert len(samples.positives) > 80
