"""What `teach` left: the upper blocks of EfficientNet-Lite0 after thousands of drawn expressions."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

TAUGHT_WEIGHTS = "expressions"
"""what the option `weights` of the recipe `best` says for them"""
ORIGIN = "taught to read faces drawn by train.expressions"
"""what summary.json says of them"""
WEIGHTS = Path(__file__).with_name("weights.safetensors")
"""what was added to ImageNet's weights, as float16, by the names of train.best.backbone.Lite0"""


def taught_weights(imagenet: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """ImageNet's weights with what was taught.

    Raises:
        CheckpointError: the file that belongs to the package is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return imagenet | {name: imagenet[name] + added.float() for name, added in load_file(WEIGHTS).items()}
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:  # the last two: it is of another net
        raise CheckpointError(f"{WEIGHTS}: cannot be read ({error}); install toonsift again") from error
