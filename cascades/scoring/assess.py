"""Everything that can be said of a cascade on labelled pictures, put together and kept in its card."""

from dataclasses import dataclass, replace
from typing import Any

from cascades.detect import Detector, loosened
from cascades.looked_for import DetectOptions, LoadedCascade
from cascades.registry import card_of, update_card
from cascades.scoring.calibration import Calibration, ThresholdChoice, calibrate, choose_threshold
from cascades.scoring.evaluate import Scores, as_json, finder_of, scores_of
from cascades.scoring.examples import choose_examples, keep_examples
from cascades.scoring.matching import Search, outcomes_of, search
from cascades.scoring.stage_rates import StageRates, stage_rates
from cascades.studio.rounds import shared_pictures
from cascades.truth.labelled import Truth
from cascades.xml import read_xml
from pipeline.core.errors import CascadeError
from pipeline.core.progress import Progress
from pipeline.core.records import Cascade
from pipeline.core.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """A cascade on labelled pictures."""

    character: str | None
    """whose faces were wanted; None for everyone's"""
    iou: float
    scores: Scores
    found: Search
    stages: StageRates | None
    """None for a cascade whose windows cannot be judged one by one"""
    calibration: Calibration | None
    """None with too few finds"""
    choice: ThresholdChoice | None
    """None when no precision was asked for"""
    shared: int
    """pictures that it was fitted to: then nothing here is held out"""

    def as_json(self) -> dict[str, Any]:
        """What `cascade evaluate --json` prints, but for the cascade's name."""
        return (
            {"character": self.character or "", "iou": self.iou}
            | as_json(self.scores)
            | {
                "held_out": self.shared == 0,
                "shared_pictures": self.shared,
                "stages": self.stages.as_card()["stages"] if self.stages else [],
                "calibration": self.calibration.as_card() if self.calibration else None,
                "wanted_precision": self.choice.as_card() if self.choice else None,
            }
        )

    def keep(self, workspace: Workspace, name: str, truth_name: str) -> None:
        """Writes it into the card of that cascade of the workspace, with pictures; nothing for any other cascade.

        Probabilities and thresholds are kept only when they come from pictures that the cascade was not fitted to.
        Call under the writer's lock.
        """
        record = workspace.catalogue.get(Cascade, name)
        if record is None:
            return
        left_out = ("rejected", "stages", "calibration", "wanted_precision")
        scores = {key: value for key, value in self.as_json().items() if key not in left_out} | {"truth": truth_name}
        more: dict[str, Any] = {
            "scores": scores,
            "examples": keep_examples(workspace, choose_examples(self.found, self.iou)),
        }
        if self.stages is not None:
            more["held_out_stages"] = self.stages.as_card() | {"held_out": self.shared == 0}
        if self.calibration is not None and not self.shared:
            more["calibration"] = self.calibration.as_card()
        if self.choice is not None and not self.shared:
            kept = card_of(record).get("operating_points")
            points = kept if isinstance(kept, dict) else {}
            more["operating_points"] = points | {f"{self.choice.wanted:g}": self.choice.as_card()}
        update_card(workspace, name, more)


def assess(
    cascade: LoadedCascade,
    truth: Truth,
    card: dict[str, Any],
    *,
    character: str | None = None,
    iou: float = 0.5,
    wanted_precision: float | None = None,
    options: DetectOptions | None = None,
    truth_sha256: str = "",
    progress: Progress | None = None,
) -> Assessed:
    """Runs a cascade over every picture of `truth`, and its stages over windows of them.

    Args:
        cascade: what is scored.
        truth: boxes on pictures.
        card: of the cascade; empty for one from elsewhere.
        character: whose faces; None for the cascade's own character where the truth knows it, else everyone's.
        iou: overlap that counts as found.
        wanted_precision: choose the lowest score threshold that reaches it.
        options: how faces are looked for.
        truth_sha256: of the truth's file, to see whether it is the one fitted to.
        progress: told of every picture.

    Raises:
        TruthError: no such character, or not one picture can be read.
    """
    options = options or DetectOptions()
    who = character or (cascade.character if cascade.character in truth.characters else None)
    loose = Detector([replace(cascade, min_score=None)], loosened(options))
    found = search(finder_of(loose), truth, who, progress)
    counted = outcomes_of(found, iou)
    fit = card.get("options")
    margin = fit.get("margin_fraction", 0.0) if isinstance(fit, dict) else 0.0
    try:
        rates = stage_rates(
            read_xml(cascade.content, cascade.character or cascade.digest[:12]),
            truth,
            who,
            margin_fraction=float(margin) if isinstance(margin, int | float) else 0.0,
            smallest_px=options.min_face_px,
            progress=progress,
        )
    except CascadeError:
        rates = None
    return Assessed(
        character=who,
        iou=iou,
        scores=scores_of(found, iou, Detector([cascade], options).least),
        found=found,
        stages=rates,
        calibration=calibrate(counted),
        choice=None if wanted_precision is None else choose_threshold(counted, wanted_precision),
        shared=shared_pictures(card, truth, truth_sha256),
    )
