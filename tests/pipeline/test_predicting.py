"""`predict`, `explain` and `onnx` on the demo's workspace: the whole way from an episode to who feels what when."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.cartoon import read_truth
from pipeline.core.records import Detection, Episode, Hold, Run, Shot, Track
from pipeline.core.workspace import Workspace
from pipeline.crops import CropOptions
from pipeline.frames import decode
from pipeline.predicting import classifier, dataset_of, emotions_of
from pipeline.timeline.building import MinedFaces, build_timeline, smoothed_anew
from pipeline.timeline.records import TimelineOptions
from pipeline.timeline.scoring import score_timeline
from tests.conftest import Toonsift
from tests.videos import encode, scenes
from train.predict import load_run
from train.temperature import temperature_of


@pytest.fixture(scope="module")
def work(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's workspace."""
    return Path(shutil.copytree(demo, tmp_path_factory.mktemp("predict") / "workspace"))


def run_of(work: Path) -> str:
    return next(iter((work / "runs").iterdir())).name


def held_out(work: Path) -> Episode:
    """The episode that nothing was fitted to."""
    return max(Workspace(work).catalogue.all(Episode), key=lambda e: e.name)


def test_an_episode_becomes_a_timeline_subtitles_a_video_and_an_answer(toonsift: Toonsift, work: Path) -> None:
    episode, words = held_out(work), ["--run", run_of(work)]
    done = toonsift("--json", "predict", episode.path, *words, workspace=work)
    assert done.code == 0, done.err
    found = done.json
    assert found["status"] == "made"
    assert found["answer"] in {"pim", "mara", "otto"}
    assert set(found["files"]) == {
        "timeline.json", "timeline.csv", "subtitles.srt", "subtitles.vtt", "shares.svg", "annotated.mp4",
    }  # fmt: skip
    times = [frame.pts * frame.time_base for frame in decode(Path(episode.path))]
    assert [f.pts * f.time_base for f in decode(Path(found["files"]["annotated.mp4"]))] == times
    document = json.loads(Path(found["files"]["timeline.json"]).read_text())
    assert sum(len(track["faces"]) for track in document["tracks"]) == found["faces"]
    before = {name: Path(path).stat().st_mtime_ns for name, path in found["files"].items()}
    again = toonsift("--json", "predict", episode.path, *words, workspace=work)
    assert again.json["status"] == "already"
    assert {name: Path(path).stat().st_mtime_ns for name, path in again.json["files"].items()} == before
    report = toonsift("--json", "report", workspace=work)
    assert report.code == 0, report.err
    assert "who is the most happy?" in (work / "reports" / "index.html").read_text()


@pytest.mark.slow
def test_other_options_make_it_anew_and_faces_below_the_confidence_stay_unsure(
    toonsift: Toonsift, work: Path, tmp_path: Path
) -> None:
    words = ["predict", held_out(work).path, "--run", run_of(work), "--no-video", "--out", tmp_path / "out"]
    sure = toonsift("--json", *words, "--min-confidence", "0", workspace=work)
    rows = (tmp_path / "out" / "timeline.csv").read_text()
    doubtful = toonsift("--json", *words, "--min-confidence", "0.999", workspace=work)
    assert (sure.json["status"], doubtful.json["status"]) == ("made", "made"), doubtful.err
    assert ",unsure," not in rows
    assert ",unsure," in (tmp_path / "out" / "timeline.csv").read_text()
    assert not (tmp_path / "out" / "annotated.mp4").exists()


@pytest.mark.slow
def test_an_episode_that_was_never_mined_is_mined_first_and_nobody_in_it_is_no_failure(
    toonsift: Toonsift, work: Path, tmp_path: Path
) -> None:
    video = encode(tmp_path / "new.mp4", scenes(2, 12))
    done = toonsift("--json", "predict", video, "--run", run_of(work), workspace=work)
    assert done.code == 0, done.err
    assert (done.json["tracks"], done.json["spans"], done.json["answer"]) == (0, 0, "")
    assert "new" in {episode.name for episode in Workspace(work).catalogue.all(Episode)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["/no/such.mp4", "--run", "RUN"], 1, "no such file"),
        (["EPISODE", "--run", "nothing"], 1, "no training run 'nothing'"),
        (["EPISODE", "--run", "RUN", "--emotion", "bored"], 2, "--emotion bored: the model knows afraid, angry"),
        (["EPISODE", "--run", "RUN", "--stay-seconds", "0"], 2, "stay_seconds must be > 0"),
        (["TEXT", "--run", "RUN"], 1, "not a video that ffmpeg can read"),
        (["EPISODE", "--run", "RUN", "--out", "TEXT"], 2, "--out"),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    toonsift: Toonsift, work: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video " * 100)
    meant = {"RUN": run_of(work), "EPISODE": held_out(work).path, "TEXT": str(text)}
    done = toonsift("predict", *(meant.get(word, word) for word in words), workspace=work)
    assert (done.code, said in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_against_the_drawings_exact_truth(work: Path) -> None:
    """Every frame of the held-out episode; the figures are printed."""
    workspace, episode = Workspace(work), held_out(work)
    truth = read_truth(next(work.rglob("truth.json"))).episode(episode.name)
    model = load_run(work / "runs" / run_of(work), "cpu")
    dataset = dataset_of(workspace, model.run.dataset_digest)
    assert dataset is not None
    run, of = workspace.catalogue.get(Run, f"mine:{episode.id}"), {"episode": episode.id}
    assert run is not None
    options, catalogue = json.loads(run.options), workspace.catalogue
    mined = MinedFaces(
        episode=episode, shots=list(catalogue.all(Shot, **of)), holds=list(catalogue.all(Hold, **of)),
        tracks=list(catalogue.all(Track, **of)), detections=list(catalogue.all(Detection, **of)),
        fps=options["fps"], crops=CropOptions(**options["crops"]),
    )  # fmt: skip
    emotions = emotions_of(model)
    found = {}
    for temperature in (1.0, temperature_of(model, dataset).value):
        ask = classifier(model, emotions, temperature)
        timeline = build_timeline(mined, Path(episode.path), emotions, ask, TimelineOptions(), "", {})
        found[temperature] = score_timeline(timeline, truth)
        print(f"temperature {temperature:.2f}: {found[temperature]}")
    scores = list(found.values())
    assert scores[0].faces > 500
    assert scores[0].alone > 0.25
    assert scores[0].smoothed > scores[0].alone - 0.05
    assert scores[-1].log_loss_alone < scores[0].log_loss_alone, "of single faces, which the temperature is learnt from"
    raw = score_timeline(smoothed_anew(timeline, mined, TimelineOptions(smooth=False)), truth)
    assert raw.smoothed == raw.alone == scores[-1].alone


@pytest.mark.slow
def test_explaining_writes_the_runs_page_and_a_queue(toonsift: Toonsift, work: Path) -> None:
    done = toonsift("--json", "explain", run_of(work), workspace=work)
    assert done.code == 0, done.err
    assert Path(done.json["queue"]).read_text().startswith("crop,priority,reason\n")
    page = Path(done.json["report"]).read_text()
    assert "Where the net looks" in page
    assert "Reliability" in page
    assert page.count("data:image/webp") >= 6
