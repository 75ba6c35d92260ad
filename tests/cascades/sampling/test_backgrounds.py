from pathlib import Path

import cv2
import numpy as np
import pytest

from cascades.sampling.backgrounds import find_backgrounds, sample_video
from cascades.sampling.samples import SampleOptions, gather_samples
from cascades.truth.labelled import Picture, Rejected, Truth, TruthBox
from cascades.truth.reading import join_truths, read_truth
from pipeline.core.errors import TruthError, UsageError
from pipeline.core.images import decode_rgb
from pipeline.core.progress import Silent
from tests.cascades.drawing import clutter, draw_face, write_backgrounds, write_scenes

FEW = SampleOptions(positives=60)


def write_video(path: Path, drawings: int, held: int, faces: bool = False) -> Path:
    """A video of `drawings` pictures, each held for `held` frames, 10 frames a second."""
    random = np.random.default_rng(3)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (200, 140))
    for _ in range(drawings):
        image = clutter(random, 200, 140)
        if faces:
            draw_face(image, 60, 40, 50, random)
        for _ in range(held):
            video.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    video.release()
    return path


def sampled(path: Path, fps: float, most_bytes: int = 1 << 30) -> list[str]:
    return [name for name, _ in sample_video(path, fps, most_bytes, [], [], Silent())]


def test_a_video_gives_a_frame_now_and_then_and_each_held_drawing_once(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", drawings=4, held=10)
    assert sampled(video, 1.0) == [f"v.avi at {i}.00 s" for i in range(4)]
    assert len(sampled(video, 5.0)) == 4
    assert len(sampled(video, 0.5)) == 2


def test_a_long_video_is_thinned_until_it_fits(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", drawings=9, held=1)
    assert len(sampled(video, 10.0)) == 9
    assert 1 <= len(sampled(video, 10.0, most_bytes=4 * 200 * 140)) <= 4


def test_what_a_damaged_video_gives_is_used_and_what_is_no_video_is_named(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", drawings=6, held=2)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    (tmp_path / "none.mp4").write_bytes(b"no video")
    rejected: list[Rejected] = []
    kept = sample_video(video, 10.0, 1 << 30, [], rejected, Silent())
    assert 1 <= len(kept) < 6
    assert sample_video(tmp_path / "none.mp4", 1.0, 1 << 30, [], rejected, Silent()) == []
    assert Path(rejected[-1].row).name == "none.mp4"


def test_folders_are_searched_for_pictures_and_videos(tmp_path: Path) -> None:
    write_backgrounds(tmp_path / "a", 2)
    write_video(tmp_path / "a" / "v.avi", 1, 1)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    images, videos = find_backgrounds([tmp_path / "a", tmp_path / "a" / "000.png"])
    assert [p.name for p in images] == ["000.png", "001.png"]
    assert [p.name for p in videos] == ["v.avi"]


@pytest.mark.parametrize("unsure", [False, True])
def test_videos_are_mined_in_and_believed_to_be_without_faces_unless_said_otherwise(
    unsure: bool, tmp_path: Path
) -> None:
    truth = read_truth(write_scenes(tmp_path, 6))
    options = SampleOptions(positives=60, unsure_negatives=unsure)
    samples = gather_samples(truth, [write_video(tmp_path / "v.avi", 3, 10)], None, options)
    assert [(s.name, s.labelled) for s in samples.scenes[-3:]] == [(f"v.avi at {i}.00 s", not unsure) for i in range(3)]
    assert all(s.labelled for s in samples.scenes[:-3])


def test_unlabelled_frames_of_a_labelled_video_are_told_of_and_those_like_a_labelled_one_left_out(
    tmp_path: Path,
) -> None:
    video = write_video(tmp_path / "v.avi", 4, 10, faces=True)
    box = TruthBox(left=60, top=40, right=110, bottom=90, character="ann")
    pictures = [Picture(name=str(i), path=video, frame=i * 10, group=str(i), boxes=(box,)) for i in (0, 2)]
    samples = gather_samples(Truth("t", tuple(pictures), None, ()), [video], None, FEW)
    assert [s.name for s in samples.scenes] == ["0", "2", "v.avi at 1.00 s", "v.avi at 3.00 s"]
    assert [s.labelled for s in samples.scenes] == [True, True, False, False]
    assert "v.avi is in the truth too: its frames without labels may show the character" in samples.notes[0]


def test_negatives_that_are_the_truth_s_own_pictures_are_mined_outside_their_boxes_only(tmp_path: Path) -> None:
    truth = write_scenes(tmp_path / "p", 6)
    samples = gather_samples(read_truth(truth), [tmp_path / "p"], None, FEW)
    assert len(samples.scenes) == 6
    assert samples.notes[0].startswith("6 of the negatives are pictures of the truth")


def test_pictures_are_found_by_their_time_exactly(tmp_path: Path) -> None:
    from pipeline.frames import decode

    video = write_video(tmp_path / "v.avi", 5, 1, faces=True)
    frames = list(decode(video))
    box = TruthBox(left=60, top=40, right=110, bottom=90, character="ann")
    wanted = [frames[3].pts, frames[1].pts, 99_999]
    pictures = tuple(Picture(name=str(p), path=video, frame=None, pts=p, group="", boxes=(box,)) for p in wanted)
    from cascades.truth.reading import open_pictures

    rejected: list[Rejected] = []
    opened = list(open_pictures(pictures, rejected))
    assert [picture.pts for picture, _ in opened] == [frames[1].pts, frames[3].pts]
    assert (opened[1][1] == frames[3].image).all()
    assert [(r.row, r.reason[:30]) for r in rejected] == [("99999", "no frame of the video has this")]


def test_what_people_rejected_is_a_hard_negative_before_all_others(tmp_path: Path) -> None:
    truth = read_truth(write_scenes(tmp_path, 6, second="ben"))
    first = truth.pictures[0]
    refused = TruthBox(left=5, top=80, right=45, bottom=120, character="", rejected=True)
    people = Truth("labels", (Picture(name="x", path=first.path, frame=None, group="", boxes=(refused,)),), None, ())
    joined = join_truths(truth, people)
    assert len(joined.pictures) == 6
    assert len(joined.pictures[0].boxes) == 3
    assert joined.characters == ("ann", "ben")
    samples = gather_samples(joined, [], "ann", FEW)
    assert samples.people_rejected == 8
    assert len(samples.hard) == 8 + 6 * 8
    image = decode_rgb(first.path.read_bytes(), "x")[80:120, 5:45, 0]
    assert abs(samples.hard[0].mean() - image.mean()) < 3


def test_a_folder_of_crops_is_truth_its_sub_folders_the_characters(tmp_path: Path) -> None:
    from pipeline.core.files import write_bytes
    from pipeline.core.images import encode_png

    random = np.random.default_rng(0)
    for who in ("ann", "ben"):
        for i in range(6):
            image = clutter(random, 60, 50)
            draw_face(image, 5, 0, 50, random, upside_down=who == "ben")
            write_bytes(tmp_path / "faces" / who / f"{i}.png", encode_png(image))
    (tmp_path / "faces" / "ann" / "broken.png").write_bytes(b"no picture")
    write_bytes(tmp_path / "faces" / "ann" / "tiny.png", encode_png(np.zeros((5, 5), dtype=np.uint8)))
    truth = read_truth(tmp_path / "faces")
    assert truth.characters == ("ann", "ben")
    assert [r.row for r in truth.rejected] == ["ann/broken.png", "ann/tiny.png"]
    samples = gather_samples(truth, [write_backgrounds(tmp_path / "neg", 3)], "ann", FEW)
    assert len(samples.scenes) == 3
    assert (len(samples.positives), len(samples.hard)) == (60, 6 * 8)
    with pytest.raises(TruthError, match="nothing to take negatives from"):
        gather_samples(truth, [], "ann", FEW)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TruthError, match="no image in it; give a folder of cut-out faces"):
        read_truth(tmp_path / "empty")


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="negatives_fps must be above 0"):
        SampleOptions(negatives_fps=0.0)
