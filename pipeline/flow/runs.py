"""What was done, with which options: the Run records that make every stage resumable."""

import json
from typing import Any

from pipeline.core.catalogue import Catalogue
from pipeline.core.files import digest_of
from pipeline.core.records import Run
from pipeline.core.workspace import now

STAGE_VERSIONS = {"mine": 2, "dedupe": 2, "repeats": 1, "import": 1, "export": 2}
"""raised when a stage gives another result for the same options, so that its old results are redone"""


def run_digest(stage: str, inputs: Any) -> str:
    """What makes a result reusable: the stage, its version, its resolved options and inputs."""
    return digest_of([stage, STAGE_VERSIONS[stage], inputs])


def finished(catalogue: Catalogue, stage: str, item: str, digest: str) -> Run | None:
    """The run that already did this, or None."""
    run = catalogue.get(Run, f"{stage}:{item}")
    return run if run and run.status == "done" and run.digest == digest else None


def run_of(
    stage: str, item: str, digest: str, options: Any, counts: dict[str, Any], seconds: float, reason: str = ""
) -> Run:
    """The record of a run that ended now; it failed when there is a reason."""
    return Run(
        id=f"{stage}:{item}", stage=stage, item=item, options=json.dumps(options, sort_keys=True), digest=digest,
        status="failed" if reason else "done", reason=reason, counts=json.dumps(counts, sort_keys=True),
        seconds=round(seconds, 3), finished=now(),
    )  # fmt: skip
