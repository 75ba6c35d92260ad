from pathlib import Path

import pytest

from annotate.agreement.honeypots import find_honeypots, read_honeypots
from annotate.agreement.suggestions import keep_suggestions, read_suggestions
from annotate.items import keep_honeypots, known_honeypots, mixed, read_guesses, read_items
from pipeline.core.errors import LabelError
from pipeline.core.workspace import Workspace


@pytest.mark.parametrize(
    "text",
    [
        "crop,priority\na,1\nb,3\nc,2\n",
        '[{"crop": "a", "priority": 1}, {"crop": "b", "priority": 3}, {"crop": "c", "priority": 2}]',
        '{"crop": "b", "priority": 3}\n{"crop": "c", "priority": 2}\n{"crop": "a"}\n',
        "b\nc\na\n",
    ],
)
def test_items_come_by_priority_whatever_the_format(tmp_path: Path, text: str) -> None:
    path = tmp_path / "items"
    path.write_text(text)
    assert read_items(path) == ["b", "c", "a"]


def test_a_file_without_crops_is_named(tmp_path: Path) -> None:
    path = tmp_path / "items"
    path.write_text("crop,priority\n")
    with pytest.raises(LabelError, match="no crops in it"):
        read_items(path)
    path.write_text("crop,priority\na,high\n")
    with pytest.raises(LabelError, match="priority is no number"):
        read_items(path)


def test_guesses_need_a_probability(tmp_path: Path) -> None:
    path = tmp_path / "guesses.csv"
    path.write_text("crop,emotion,probability,model\na,happy,0.75,run-1\n")
    assert read_guesses(path)["a"].probability == 0.75
    path.write_text("crop,emotion,probability,model\na,happy,75,run-1\n")
    with pytest.raises(LabelError, match="between 0 and 1"):
        read_guesses(path)


def test_honeypots_are_mixed_in_the_same_way_every_time(tmp_path: Path, workspace: Workspace) -> None:
    path = tmp_path / "known.csv"
    path.write_text("crop,emotion\nh1,happy\nh2,sad\n")
    assert keep_honeypots(workspace, path) == ["h1", "h2"]
    assert known_honeypots(workspace) == {"h1": "happy", "h2": "sad"}
    kept = find_honeypots(workspace.root)
    assert kept is not None, "annotate agreement finds them"
    assert read_honeypots(kept) == known_honeypots(workspace)
    items = [str(i) for i in range(50)]
    order = mixed(items, ["h1", "h2"], "seed")
    assert order == mixed(items, ["h1", "h2"], "seed")
    assert [item for item in order if item not in ("h1", "h2")] == items
    assert order.index("h1") not in (0, 51) or order.index("h2") not in (0, 51)


def test_what_was_suggested_is_kept_and_a_later_suggestion_of_the_same_model_counts(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.csv"
    keep_suggestions(path, {})
    assert not path.exists()
    keep_suggestions(path, {("run a", "c1"): "happy", ("run a", "c2"): "sad"})
    keep_suggestions(path, {("run a", "c2"): "angry", ("run b", "c1"): "sad"})
    assert read_suggestions(path) == {("run a", "c1"): "happy", ("run a", "c2"): "angry", ("run b", "c1"): "sad"}
