"""What `annotate agreement` and `annotate queue` need of the other folders; each is loaded when it is used."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from annotate.rooms import Rooms
from pipeline.core.errors import MissingToolError

if TYPE_CHECKING:
    from annotate.queueing.order import Classifier
    from pipeline.core.progress import Progress
    from pipeline.core.workspace import Workspace


def group_duplicates(workspace: "Workspace", progress: "Progress") -> None:
    """Groups near-duplicates anew where crops came since. Hold the workspace for writing."""
    from pipeline.flow.deduping import dedupe_if_stale

    dedupe_if_stale(workspace, progress)


def load_classifier(workspace: "Workspace", run: str) -> "Classifier":
    """The model of a finished training run, by its id or folder.

    Raises:
        NotFoundError: no such run.
        CheckpointError: it is not finished, or damaged.
        MissingToolError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise MissingToolError("--run needs torch; install with: pip install 'toonsift[train]', or leave --run out")
    from train.runs import find_run

    folder = find_run(workspace.runs, run)
    from annotate.queueing.order import Classifier
    from train.predict import load_run

    model = load_run(folder)
    return Classifier(model.run.id, model.classes, model.classify)


ROOMS = Rooms(group_duplicates=group_duplicates, load_classifier=load_classifier)
