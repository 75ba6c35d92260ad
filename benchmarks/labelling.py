"""`python -m benchmarks.labelling [--tasks N]`: what a push and a pull cost the Label Studio server, in its CPU seconds.

Beside them the bare call that does the same and looks at nothing: one import after the other of the same tasks, and the
server's own export. The server is a real one, started for this in a temporary folder. `--no-peer` leaves the bare import out: with
`--tasks 60000` it shows that so many work, how long they take, and what memory.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from annotate.options import AnnotateOptions
from annotate.server.process import Server, start, stop
from annotate.studio import Studio
from annotate.sync import pull as pulling
from annotate.sync.projects import OurProject, ensure_project, find_project
from annotate.sync.pull import pull
from annotate.sync.push import push
from annotate.tasks.drafts import Draft, Suggestion, choice
from pipeline.core.workspace import Workspace

OPTIONS = AnnotateOptions(characters=("ann", "bo"))
NEW_ANSWERS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--no-peer", action="store_true", help="leave the bare import out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        server = start(workspace)
        try:
            _measure(workspace, server, arguments.tasks, peer=not arguments.no_peer)
            print(
                f"memory at the most       server {_peak_mib(server.access.pid)} MiB, ours {_peak_mib(os.getpid())} MiB"
            )
        finally:
            stop(workspace)
            if server.process:
                server.process.wait(timeout=60)
            workspace.close()


def _measure(workspace: Workspace, server: Server, tasks: int, *, peer: bool) -> None:
    studio = Studio(server.access.url, server.access.token, timeout_seconds=600)
    drafts = [_draft(i) for i in range(tasks)]

    def import_bare() -> None:
        bare = studio.create_project("bare import", "", _project(workspace, studio, "emotions").there.config)
        for begin in range(0, tasks, OPTIONS.batch):
            studio.import_tasks(bare.id, [draft.as_json() for draft in drafts[begin : begin + OPTIONS.batch]])

    def push_all() -> None:
        push(workspace, studio, _project(workspace, studio, "emotions"), drafts, OPTIONS.batch)

    bare = _said("import, bare calls", server, import_bare, tasks) if peer else 0.0
    first = _said("push", server, push_all, tasks)
    again = _said("push again", server, push_all, tasks)
    if bare:
        print(f"push / bare import       {first / bare:.2f}  (wanted: at most 1.3)")
    print(f"push again / push        {again / first:.3f}  (wanted: at most 0.15)", flush=True)
    _measure_pull(workspace, server, studio, tasks, peer=peer)


def _measure_pull(workspace: Workspace, server: Server, studio: Studio, tasks: int, *, peer: bool) -> None:
    """Every task answered, then 100 more answers: everything beside what changed."""
    name = "emotions.answered"
    project = _project(workspace, studio, name)
    answered = [draft.as_json() | {"annotations": [{"result": [choice("emotion", "face", "happy")]}]} for draft in map(_draft, range(tasks))]  # fmt: skip
    for begin in range(0, tasks, OPTIONS.batch):
        studio.import_tasks(project.there.id, answered[begin : begin + OPTIONS.batch])
    if peer:
        export = f"/api/projects/{project.there.id}/export"
        _said("export, bare call", server, lambda: studio.wire.ask("GET", export, {"exportType": "JSON"}), tasks)
    # a pull asks again for the five minutes before the newest answer it has seen; here two seconds, in which one person
    # answers once: without it they would hold the end of the import, which is no answer of these 100
    pulling.OVERLAP_SECONDS = 2
    time.sleep(4)
    before, *numbers = [task.id for _, task in zip(range(NEW_ANSWERS + 1), studio.all_tasks(project.there.id), strict=False)]  # fmt: skip
    studio.annotate(before, [choice("emotion", "face", "sad")])
    full = _said("pull, everything", server, lambda: _pull(workspace, studio, server, name, full=True), tasks)
    for number in numbers:
        studio.annotate(number, [choice("emotion", "face", "sad")])
    cheap = _said(
        f"pull, {NEW_ANSWERS} new answers",
        server,
        lambda: _pull(workspace, studio, server, name, full=False),
        NEW_ANSWERS,
    )
    print(f"changes / whole          {cheap / full:.3f}  (wanted: at most 0.1)")


def _pull(workspace: Workspace, studio: Studio, server: Server, name: str, *, full: bool) -> None:
    found = find_project(workspace, studio, name)
    assert found is not None
    done = pull(workspace, studio, server.access, found, OPTIONS, full=full)
    assert done.full == full, "the pull read everything although little had changed"


def _project(workspace: Workspace, studio: Studio, name: str) -> OurProject:
    return ensure_project(workspace, studio, name, OPTIONS)


def _draft(i: int) -> Draft:
    picture = f"/data/local-files/?d=objects/{i % 256:02x}/{i:064x}.png"
    guess = Suggestion(by="a model", result=(choice("emotion", "face", "happy"),), confidence=0.5)
    data = {"image": picture, "context": picture, "where": "s01e01 0:00:01.000"}
    return Draft(ref=f"e0123456789ab.c{i}.100.100.200.200", item=f"crop {i}", data=data, suggestion=guess)


def _said(name: str, server: Server, work: Callable[[], None], tasks: int) -> float:
    """CPU seconds, user and system, that the server's process spends while `work` runs; printed with ours and the clock's."""
    before, ours, clock = _spent(server.access.pid), time.process_time(), time.monotonic()
    work()
    cpu = _spent(server.access.pid) - before
    print(
        f"{name:24} {cpu:7.2f} s  {1000 * cpu / tasks:6.3f} s per 1,000 tasks; ours {time.process_time() - ours:.1f} s, "
        f"by the clock {time.monotonic() - clock:.0f} s",
        flush=True,
    )
    return cpu


def _spent(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if stat.is_file():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _ticks()
    said = subprocess.run(["ps", "-p", str(pid), "-o", "time="], capture_output=True, text=True, check=True).stdout
    hours, minutes, seconds = (["0", "0", *said.strip().split(":")])[-3:]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> int:
    """Resident memory at the most; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
