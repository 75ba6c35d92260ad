"""How answers that differ become the classes and soft labels of a version, and what that does to its digest."""

import json

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.core.images import encode_png
from pipeline.core.manifest import read_dataset
from pipeline.core.records import Label
from pipeline.core.workspace import Workspace
from pipeline.export import ExportOptions
from pipeline.flow.curation import export
from pipeline.flow.datasets import verify_dataset
from tests.conftest import Toonsift
from tests.records import crop, episode, label

WORDS = ("angry", "happy", "sad")
DEFAULT_OPTIONS = {"split", "exclude", "duplicates", "with_repeats", "allow_leaks"}
"""what the manifest of a version had before answers could be weighed"""


@pytest.fixture
def argued(workspace: Workspace) -> Workspace:
    """Thirty crops: ann and bo agree, cy says whatever comes next; on c27 to c29 ann and cy are alone, and differ."""
    random = np.random.default_rng(0)
    workspace.catalogue.put([episode("e1"), episode("e2")])
    for n in range(30):
        image = np.kron(random.integers(0, 255, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
        sha256 = workspace.objects.put(encode_png(image), ".png")
        workspace.catalogue.put([crop(f"c{n:02d}", episode=f"e{n % 2 + 1}", shot=f"s{n // 2}", pts=n, sha256=sha256)])
        workspace.catalogue.put([label(f"c{n:02d}", WORDS[n % 3], a) for a in ("ann", "bo") if n < 27 or a == "ann"])
        workspace.catalogue.put([label(f"c{n:02d}", WORDS[(n // 4 if n < 27 else n + 1) % 3], "cy")])
    return workspace


def test_a_version_by_majority_has_the_options_it_always_had(argued: Workspace) -> None:
    made = export(argued, "faces", ExportOptions()).made
    assert set(made.options) == DEFAULT_OPTIONS
    assert made.left_out == {"conflict": 3}
    said = export(argued, "faces", ExportOptions(consensus="majority", min_agreement=0.0))
    assert said.already, "what is the default anyway makes no new version"


def test_weighed_answers_decide_what_votes_cannot_and_the_parquet_keeps_how_surely(argued: Workspace) -> None:
    outcome = export(argued, "faces", ExportOptions(consensus="dawid-skene"))
    dataset = read_dataset(argued.dataset_folder("faces"))
    assert dataset.manifest.options["consensus"] == "dawid-skene"
    assert "min_agreement" not in dataset.manifest.options
    assert outcome.made.left_out == {}
    by_id = {example.id: example for example in dataset.examples}
    assert [by_id[f"c{n}"].label for n in (27, 28, 29)] == [WORDS[n % 3] for n in (27, 28, 29)]
    sure = by_id["c27"].soft_label
    assert len(sure) == 3
    assert sum(sure) == pytest.approx(1)
    assert 0.5 < max(sure) < 1
    assert verify_dataset(argued, "faces") == []
    assert export(argued, "faces", ExportOptions(consensus="dawid-skene")).already


def test_weighing_the_same_answers_gives_the_same_digest_whatever_their_order(argued: Workspace) -> None:
    first = export(argued, "faces", ExportOptions(consensus="dawid-skene"))
    labels = argued.catalogue.all(Label)
    argued.catalogue.delete(Label, source="test")
    argued.catalogue.put(labels[::-1])
    assert export(argued, "faces", ExportOptions(consensus="dawid-skene")).dataset == first.dataset


def test_the_least_agreement_leaves_out_what_is_disputed(argued: Workspace) -> None:
    made = export(argued, "sure", ExportOptions(min_agreement=0.9)).made
    assert made.options["min_agreement"] == 0.9
    assert "consensus" not in made.options
    assert all(max(example.soft_label) == 1 for example in made.examples)
    assert made.left_out["too little agreement"] + len(made.examples) + made.left_out["conflict"] == 30


def test_an_unknown_way_and_a_share_over_one_are_refused() -> None:
    with pytest.raises(UsageError, match="consensus must be one of majority, dawid-skene; got 'loudest'"):
        ExportOptions(consensus="loudest")
    with pytest.raises(UsageError, match=r"between 0 and 1; got 1\.5"):
        ExportOptions(min_agreement=1.5)


def test_the_command_takes_flags_and_settings(argued: Workspace, toonsift: Toonsift) -> None:
    argued.close()
    (argued.root.parent / "toonsift.toml").write_text('[export]\nconsensus = "dawid-skene"\n')
    done = toonsift("--json", "export", "faces", "--min-agreement", "0.6")
    assert done.code == 0, done.err
    options = json.loads((argued.root / "datasets" / "faces" / "0001" / "manifest.json").read_text())["options"]
    assert (options["consensus"], options["min_agreement"]) == ("dawid-skene", 0.6)
    votes = toonsift("--json", "export", "votes", "--consensus", "majority")
    assert votes.json["left_out"] == {"conflict": 3}
