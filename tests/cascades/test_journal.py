import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cascades.fit
from cascades.fit import fit_cascade
from cascades.journal import FOLDER, Journal, decode, encode
from cascades.make import make_cascade
from cascades.model import Node, Tree
from cascades.sampling.samples import Samples
from cascades.xml import write_xml
from pipeline.core.errors import DiskFullError, TruthError, WorkspaceBusyError
from pipeline.core.workspace import Workspace
from tests.cascades.conftest import SMALL
from tests.cascades.drawing import write_backgrounds, write_scenes

QUICK = replace(SMALL, stages=4, features_per_stage=400, positives=200, negatives_per_stage=300)


class Stopped(Exception):
    """Stands for a kill: nothing catches it."""


def stop_after(stages: int, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException] = Stopped) -> None:
    """Boosting fails once `stages` are finished."""
    original = cascades.fit.CascadeBuilder.add_stage

    def add_stage(self, negatives):  # type: ignore[no-untyped-def]
        if len(self.stages) == stages:
            raise kind
        return original(self, negatives)

    monkeypatch.setattr(cascades.fit.CascadeBuilder, "add_stage", add_stage)


@pytest.mark.parametrize("stages", [1, 3])
def test_a_fit_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    stages: int, ann_samples: Samples, workspace: Workspace
) -> None:
    whole = fit_cascade(ann_samples, QUICK)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        stop_after(stages, patch)
        fit_cascade(ann_samples, QUICK, None, Journal(workspace, "ann", ann_samples, QUICK))
    resumed = fit_cascade(ann_samples, QUICK, None, Journal(workspace, "ann", ann_samples, QUICK))
    assert resumed.resumed_stages == stages
    assert write_xml(resumed.model) == write_xml(whole.model)
    same = ("weak", "hit_rate", "false_alarm", "held_out_hit_rate", "negatives", "windows_seen")
    for ours, theirs in zip(resumed.stages, whole.stages, strict=True):
        assert [getattr(ours, name) for name in same] == [getattr(theirs, name) for name in same]
    assert (resumed.reason, resumed.false_alarm) == (whole.reason, whole.false_alarm)


def test_a_finished_journal_gives_the_same_cascade_without_another_stage(
    ann_samples: Samples, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit_cascade(ann_samples, QUICK, None, Journal(workspace, "ann", ann_samples, QUICK))
    stop_after(4, monkeypatch)
    again = fit_cascade(ann_samples, QUICK, None, Journal(workspace, "ann", ann_samples, QUICK))
    assert again.resumed_stages == 4
    assert write_xml(again.model) == write_xml(first.model)


def test_leftovers_of_other_options_data_or_code_are_told_apart_and_not_used(
    ann_samples: Samples, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        stop_after(2, patch)
        fit_cascade(ann_samples, QUICK, None, Journal(workspace, "ann", ann_samples, QUICK))
    assert Journal(workspace, "ann", ann_samples, QUICK).load() is not None
    other_options = Journal(workspace, "ann", ann_samples, replace(QUICK, seed=1))
    other_data = Journal(workspace, "ann", replace(ann_samples, positives=ann_samples.positives[1:]), QUICK)
    monkeypatch.setattr("cascades.journal.code_digest", lambda: "another version")
    other_code = Journal(workspace, "ann", ann_samples, QUICK)
    for journal, part in ((other_options, "options"), (other_data, "data"), (other_code, "code")):
        assert journal.load() is None
        assert len(journal.others()) == 1
        assert f"an unfinished fit of ann (2 stages) is of other {part}" in journal.others()[0]
    assert Journal(workspace, "an", ann_samples, QUICK).others() == []


def test_a_damaged_journal_is_told_and_the_fit_begins_anew(
    ann_samples: Samples, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(workspace, "ann", ann_samples, QUICK)
    fit_cascade(ann_samples, replace(QUICK, stages=1), None, journal)
    content = journal.path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no zip at all"):
        journal.path.write_bytes(damaged)
        assert journal.load() is None
        assert "the fit begins anew" in caplog.text
        caplog.clear()


def test_what_a_journal_keeps_comes_back_bit_for_bit_and_nothing_else_is_made() -> None:
    kept = [(Tree((Node(0, -1, 3, 0.1 + 0.2, (-1, 7)),), (-1e-30, 1.0)), np.float32(0.1).item()), ((), -0.0)]
    assert decode(encode(kept)) == kept
    with pytest.raises(ValueError, match=r"os\.system is nothing that a journal holds"):
        decode({"dataclass": ["os", "system"], "fields": {}})
    with pytest.raises(ValueError, match="nothing that a journal holds"):
        decode({"dataclass": ["cascades.journal", "decode"], "fields": {}})
    with pytest.raises(TypeError, match="cannot keep object"):
        encode(object())


def test_ctrl_c_says_what_is_kept(ann_samples: Samples, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(2, monkeypatch, KeyboardInterrupt)
    journal = Journal(workspace, "ann", ann_samples, QUICK)
    with pytest.raises(KeyboardInterrupt) as told:
        fit_cascade(ann_samples, QUICK, None, journal)
    assert "stopped in stage 3; the 2 finished stages are kept in" in str(told.value)
    assert journal.path.is_file()


def test_a_full_disk_stops_the_fit_with_one_line_and_running_again_finishes_it(
    ann_samples: Samples, workspace: Workspace
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(workspace, "ann", ann_samples, QUICK)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(DiskFullError, match="is full; free some space"):
        patch.setattr(os, "fsync", full)
        fit_cascade(ann_samples, QUICK, None, journal)
    assert list(journal.folder.iterdir()) == []
    assert write_xml(fit_cascade(ann_samples, QUICK, None, journal).model) == write_xml(
        fit_cascade(ann_samples, QUICK).model
    )


def test_the_journal_is_gone_once_the_cascade_is_stored(tmp_path: Path, workspace: Workspace) -> None:
    truth = write_scenes(tmp_path / "pictures", 10)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        stop_after(1, patch)
        make_cascade(workspace, "ann", truth, options=QUICK, take_lock=True)
    assert len(list((workspace.root / FOLDER).iterdir())) == 1
    made = make_cascade(workspace, "ann", truth, options=replace(QUICK, stages=2), take_lock=True)
    assert "is of other options" in made.notes[0]
    assert not (workspace.root / FOLDER).exists()


def test_the_lock_is_held_only_while_storing_and_waited_for(tmp_path: Path, workspace: Workspace) -> None:
    truth, options = write_scenes(tmp_path / "pictures", 10), replace(QUICK, stages=1)
    other = Workspace(workspace.root)
    with other.writing("something else"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("cascades.make.PATIENCE_SECONDS", 0.0)
        with pytest.raises(WorkspaceBusyError, match="what was fitted is kept; the same command stores it"):
            make_cascade(workspace, "ann", truth, options=options, take_lock=True)
    held = threading.Event()

    def hold() -> None:
        with Workspace(workspace.root).writing("something short"):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    made = make_cascade(workspace, "ann", truth, options=options, take_lock=True)
    thread.join()
    assert made.fitted.resumed_stages == 1
    assert made.record.id == "ann"


def test_nothing_is_stored_when_the_truth_is_of_no_use(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(TruthError):
        make_cascade(workspace, "ann", write_scenes(tmp_path / "p", 1), options=QUICK, out=tmp_path / "ann.xml")
    assert not (tmp_path / "ann.xml").exists()
    assert not (workspace.root / FOLDER).exists()


FIT = """
import sys
from pathlib import Path
import cascades.fit
from cascades.fit import FitOptions
from cascades.make import make_cascade
from pipeline.core.workspace import Workspace
original = cascades.fit.CascadeBuilder.add_stage
def add_stage(self, negatives):
    stage = original(self, negatives)
    print(len(self.stages), flush=True)
    return stage
cascades.fit.CascadeBuilder.add_stage = add_stage
folder = Path(sys.argv[1])
options = FitOptions(stages=4, positives=200, negatives_per_stage=300, features_per_stage=400)
make_cascade(Workspace(folder / "ws"), "ann", folder / "pictures" / "truth.json",
             negatives=[folder / "neg"], options=options, out=folder / "ann.xml", take_lock=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_a_stage_it_ends_with_the_same_bytes(how: signal.Signals, tmp_path: Path) -> None:
    write_scenes(tmp_path / "pictures", 12)
    write_backgrounds(tmp_path / "neg", 30)
    command = [sys.executable, "-c", FIT, str(tmp_path)]
    where = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.strip() == "2":  # the second stage is boosted, perhaps not kept yet
                process.send_signal(how)
                break
        said = process.stderr.read()
    assert process.returncode != 0
    assert not (tmp_path / "ann.xml").exists()
    if how == signal.SIGINT:
        assert "finished stages are kept in" in said
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
    went_on_with = done.stdout.split()
    resumed = (tmp_path / "ann.xml").read_bytes()
    (tmp_path / "ann.xml").unlink()
    whole = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
    stages = whole.stdout.split()
    assert len(stages) >= 3
    assert went_on_with in (stages[1:], stages[2:])
    assert (tmp_path / "ann.xml").read_bytes() == resumed
