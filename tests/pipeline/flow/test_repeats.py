"""Repeats over a workspace: marked as episodes come in, never twice, whatever their order."""

from pathlib import Path

from pipeline.core.catalogue import Catalogue
from pipeline.core.records import Repeat
from pipeline.core.workspace import Workspace
from pipeline.flow.repeats import find_repeats, repeated_shots
from pipeline.repeats import RepeatOptions
from tests.pipeline.repeats.episodes import put_episode, titled
from tests.pipeline.shots.moving import Frames, scene

OPENING = [scene(900, 30), scene(901, 36)]
ENDING = [scene(902, 40)]


def story(seed: int) -> list[Frames]:
    return [scene(seed + n, 60 + n) for n in range(6)]


def episode(number: int) -> list[Frames]:
    recap = [story(100 * (number - 1))[3][:40]] if number > 1 else []
    return [*recap, *OPENING, *story(100 * number), *(ENDING if number % 2 else [titled(film) for film in ENDING])]


def marked(catalogue: Catalogue) -> dict[str, str]:
    return {mark.id: mark.kind for mark in catalogue.all(Repeat)}


def test_opening_ending_and_recap_are_marked_and_the_original_is_not_left_out(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    one, two, three = (put_episode(workspace, f"s01e0{n}", episode(n), noise=n) for n in (1, 2, 3))
    result = find_repeats(workspace, RepeatOptions())
    kinds = marked(workspace.catalogue)
    assert [kinds.get(shot, "") for shot in one] == ["opening"] * 2 + [""] * 3 + ["original"] + [""] * 2 + ["ending"]
    assert [kinds.get(shot, "") for shot in two][:3] == ["recap", "opening", "opening"]
    assert kinds[three[0]] == "recap"
    assert {kinds[shots[-1]] for shots in (one, two, three)} == {"ending"}
    assert (result["opening"], result["ending"], result["recap"], result["original"]) == (6, 3, 2, 2)
    assert set(repeated_shots(workspace.catalogue)) == {shot for shot, kind in kinds.items() if kind != "original"}


def test_a_second_run_compares_nothing_and_a_new_episode_only_itself(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    for number in (1, 2):
        put_episode(workspace, f"s01e0{number}", episode(number))
    assert find_repeats(workspace, RepeatOptions())["compared"] == 2
    before = workspace.catalogue.all(Repeat)
    assert find_repeats(workspace, RepeatOptions())["compared"] == 0
    assert workspace.catalogue.all(Repeat) == before
    put_episode(workspace, "s01e03", episode(3))
    assert find_repeats(workspace, RepeatOptions())["compared"] == 1
    assert find_repeats(workspace, RepeatOptions(tolerance=4))["compared"] == 3


def test_the_order_in_which_episodes_come_does_not_matter(tmp_path: Path) -> None:
    marks = []
    for name, order in (("a", (1, 2, 3, 4)), ("b", (3, 1, 4, 2))):
        workspace = Workspace(tmp_path / name)
        for number in order:
            put_episode(workspace, f"s01e0{number}", episode(number))
            find_repeats(workspace, RepeatOptions())
        marks.append(workspace.catalogue.all(Repeat))
    assert marks[0] == marks[1]


def test_an_episode_mined_again_with_other_cuts_is_marked_anew(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    put_episode(workspace, "s01e01", episode(1))
    gone = put_episode(workspace, "s01e02", episode(2))
    find_repeats(workspace, RepeatOptions())
    assert gone[1] in marked(workspace.catalogue)
    put_episode(workspace, "s01e02", story(200))
    find_repeats(workspace, RepeatOptions())
    assert marked(workspace.catalogue) == {}


def test_an_empty_workspace_has_no_repeats(tmp_path: Path) -> None:
    assert find_repeats(Workspace(tmp_path / "w"), RepeatOptions())["groups"] == 0
