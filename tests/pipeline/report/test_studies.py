"""The page of a study, from a study.json that nobody vouches for."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import InputError
from pipeline.core.images import read_rgb
from pipeline.report.studies import DOCUMENT, build_study_page
from tests.pipeline.report.test_browser import browse, chromium

__all__ = ["chromium"]

CLASSES = ["anger", "happiness", "sadness"]


def line(name: str, macro_f1: float, *, seeds: int = 3) -> dict[str, Any]:
    figures = {
        key: value
        for metric in ("accuracy", "macro_f1")
        for key, value in (
            (metric, macro_f1),
            (f"{metric}_interval", [macro_f1 - 0.1, macro_f1 + 0.1] if seeds > 1 else None),
            (f"{metric}_shots_interval", [macro_f1 - 0.05, macro_f1 + 0.05]),
        )
    }
    scores = {"precision": 0.5, "recall": 0.5, "f1": macro_f1, "support": 9}
    group = {"examples": 9, "shots": 3, "accuracy": 0.5, "macro_f1": macro_f1}
    bins = [{"confidence": 0.5, "accuracy": 0.4, "examples": 9}, {"confidence": 0.9, "accuracy": 0.7, "examples": 9}]
    return figures | {
        "recipe": name, "seeds": seeds, "balanced_accuracy": 0.5, "per_class": dict.fromkeys(CLASSES, scores),
        "per_character": {"tom": group, "jerry": group}, "per_episode": {"e0": group},
        "confusion": [[6, 3, 0], [0, 9, 0], [0.5, 7, 1.5]], "ece": 0.12, "overconfidence": 0.1, "reliability": bins,
    }  # fmt: skip


def study() -> dict[str, Any]:
    pair = {"first": "all", "second": "plain", "metric": "macro_f1", "difference": 0.2, "p_shots": 0.001,
            "p_seeds": None, "p": 0.001, "p_corrected": 0.001}  # fmt: skip
    return {
        "format": 1, "kind": "shift", "id": "shift-a-b-12345678", "recipe": "hill", "source": "photos@1",
        "target": "comics@2", "classes": CLASSES, "map": {"joy": "happiness"}, "source_left_out": ["contempt"],
        "target_left_out": [], "seen": 3, "seeds": [0, 1, 2], "arms": [{"name": "plain", "settings": ["augment=false"]}],
        "test": {"examples": 27, "shots": 9}, "summary": [line("plain", 0.3), line("all", 0.5)],
        "source_summary": [line("plain", 0.8), line("all", 0.7)],
        "baselines": [line("majority", 0.2, seeds=1), line("nearest_pixels", 0.35, seeds=1)], "pairs": [pair],
        "beside_baseline": [pair | {"second": "nearest_pixels"}],
        "rows": [{"recipe": "plain", "seed": n, "accuracy": 0.3, "macro_f1": 0.25 + n / 20, "reason": ""} for n in range(3)]
        + [{"recipe": "all", "seed": 2, "reason": "the loss became nan in epoch 3"}],
        "shares": {"classes": CLASSES, "prior": [0.2, 0.6, 0.2], "truth": [0.3, 0.3, 0.4], "arms": [
            {"name": "plain", "predicted": [0.02, 0.96, 0.02], "distance": 0.66, "variety": 0.03},
            {"name": "all", "predicted": [0.3, 0.35, 0.35], "distance": 0.05, "variety": 0.4},
        ]},
        "findings": ["plain calls 96% of the target happiness"], "notes": ["few shots"],
    }  # fmt: skip


def page_of(folder: Path, document: object) -> str:
    (folder / DOCUMENT).write_text(json.dumps(document))
    return build_study_page(folder).read_text(encoding="utf-8")


def test_the_page_shows_findings_priors_scores_and_failures(tmp_path: Path) -> None:
    html = page_of(tmp_path, study())
    for words in (
        "plain calls 96% of the target happiness", "few shots", "Predictions beside priors", "the loss became nan",
        "nearest pixels", "Macro F1 of pairs", "more than luck", "contempt", "Macro F1 per character", "few shots",
        "expected calibration error 0.120", "Every training",
    ):  # fmt: skip
        assert words in html, words
    assert "Macro F1 per episode" not in html, "one episode alone is no comparison"
    bars = re.findall(r'<rect class="k0"[^>]*width="([\d.]+)"', html)
    assert float(bars[1]) > 10 * float(bars[0])


def test_a_comparison_has_no_priors(tmp_path: Path) -> None:
    document = study() | {"kind": "compare", "dataset": "toons@1", "held_out": ["tom", "jerry"]}
    for key in ("shares", "map", "source_summary", "arms"):
        del document[key]
    published = {"source": "Hill 2017", "data": "Tom", "reported": [{"recipe": "hill", "figures": "about .80"}]}
    html = page_of(tmp_path, document | {"published": published})
    assert "Predictions beside priors" not in html
    assert "recipes on toons@1" in html
    assert "about .80" in html


def many(count: int) -> dict[str, Any]:
    """A comparison of so many recipes, the last one the best, with a budget that one more did not fit into."""
    lines = [line(f"recipe{n:02d}", 0.1 + n / 50) | {"epochs": 40.0, "cpu_seconds": 19.4, "train_accuracy": 0.31,
             "remarks": ["under-trained", "random weights"]} for n in range(count)]  # fmt: skip
    pairs = [
        {"first": f"recipe{count - 1:02d}", "second": f"recipe{n:02d}", "metric": "macro_f1", "difference": 0.02 * (count - n),
         "p_shots": 0.0001, "p_seeds": 0.5 - n / 50, "p": 0.001, "p_corrected": 0.01 + n / 50}
        for n in range(count - 1)
    ]  # fmt: skip
    budget = {
        "seconds": 20.0,
        "allowances": [{"recipe": f"recipe{n:02d}", "epochs": 40, "frozen_epochs": 13} for n in range(count)],
        "left_out": [{"recipe": "giant", "reason": "one epoch takes about 190 s"}],
    }
    document = study() | {"kind": "compare", "dataset": "toons@1", "summary": lines, "pairs": pairs, "budget": budget}
    return {key: value for key, value in document.items() if key not in ("shares", "map", "source_summary", "arms")}


def test_many_recipes_are_ranked_with_what_they_cost_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    html = page_of(tmp_path, many(25))
    ranking = html[html.index("All of them") : html.index("Macro F1 of pairs")]
    names = re.findall(r'<th scope="row">([^<]+)</th>', ranking)
    assert names[:2] == ["recipe24", "recipe23"]
    assert names[-3:] == ["most frequent class", "nearest pixels", "giant"]
    for words in ("At a budget of 20 s", "under-trained, random weights, 13 of 40 epochs short", "40, 19", "31"):
        assert words in ranking, words
    assert "one epoch takes about 190 s" in ranking
    verdicts = re.findall(r"recipe24 is better, more than luck|may be luck", html)
    assert verdicts[:3] == ["recipe24 is better, more than luck", "recipe24 is better, more than luck", "may be luck"]
    assert "&lt; 0.001" in html
    assert "19 more" in html, "diagrams of the lower ranks are folded away"


def test_parts_have_a_row_for_each_recipe_and_the_largest_of_many_parts(tmp_path: Path) -> None:
    document = many(9)
    group = {"examples": 9, "shots": 3, "accuracy": 0.5, "macro_f1": 0.5}
    for one in document["summary"]:
        one["per_episode"] = {f"e{n:03d}": group | {"examples": n} for n in range(40)}
    html = page_of(tmp_path, document)
    episodes = html[html.index("Macro F1 per episode") :]
    assert "The 24 largest of 40." in episodes
    assert "e039 (39)" in episodes
    assert "e015 (15)" not in episodes
    assert re.findall(r'<th scope="row">([^<]+)</th>', episodes)[:2] == ["recipe08", "recipe07"]


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    text = json.dumps(study()).replace("happiness", "<script>x</script>").replace('"plain"', '"<b>plain"')
    html = page_of(tmp_path, json.loads(text))
    assert "<script>" not in html
    assert "<b>plain" not in html


def test_a_strange_document_breaks_nothing(tmp_path: Path) -> None:
    page_of(tmp_path, {"format": 1})
    original = study()
    for key in original:
        if key == "format":
            continue
        for strange in (None, 7, "x", [1, [2]], {"a": None}, [{"recipe": 3}]):
            page_of(tmp_path, deepcopy(original) | {key: strange})


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        build_study_page(tmp_path)
    for document in ({}, {"format": 2}):
        with pytest.raises(InputError, match="not of format 1"):
            page_of(tmp_path, document)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("document", [study(), many(25)], ids=["shift", "many"])
def test_a_browser_draws_it_without_an_error(
    chromium: str, tmp_path: Path, width: int, document: dict[str, Any]
) -> None:
    page_of(tmp_path, document)
    target = tmp_path / "page.png"
    browse(chromium, tmp_path, tmp_path / "index.html", width, f"--screenshot={target}")
    picture = read_rgb(target)
    assert picture.shape[1] == width
    dark = (picture.max(axis=2) < 90).mean()
    assert 0.005 < dark < 0.3
