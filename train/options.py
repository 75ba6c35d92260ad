"""What a training run may be told, checked before any work begins."""

import difflib
import math
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pipeline.core.errors import UsageError

Setting = int | float | bool | str | None

USUAL_LEARNING_RATE = {"adadelta": 1.0, "adagrad": 0.01, "adam": 0.001, "rmsprop": 0.001, "sgd": 0.01}
"""what each optimiser starts from when nothing is said (Keras' defaults; Adadelta: Zeiler 2012)"""
SMALLEST_IMAGE, LARGEST_IMAGE = 20, 1024
TRUE, FALSE, UNSET = ("true", "on", "yes", "1"), ("false", "off", "no", "0"), ("auto", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a net is trained. Raises UsageError when a value makes no sense."""

    target: Literal["emotion", "character_emotion"] = "emotion"
    """what is told apart: the emotion, or character and emotion together (`tom/angry`)"""
    image_size: int = 60
    """side of the square the net sees, pixels"""
    epochs: int = 50
    """passes over the training examples, at most"""
    batch_size: int = 32
    """examples per step"""
    optimizer: Literal["adadelta", "adagrad", "adam", "rmsprop", "sgd"] = "adadelta"
    """the rule that turns gradients into steps"""
    learning_rate: float | None = None
    """step size; none: the optimiser's usual one"""
    momentum: float = 0.9
    """share of the last step that is kept; for sgd alone"""
    weight_decay: float = 0.0
    """L2 penalty on the weights"""
    dropout: float = 0.5
    """share of the features that is dropped in training"""
    label_smoothing: float = 0.0
    """share of the target that is spread over all classes"""
    soft_labels: bool = False
    """train on the shares of the annotators' answers, not on the winning class alone"""
    class_balance: Literal["none", "weights", "sampler"] = "none"
    """against uneven classes: weigh the loss, or draw every class equally often"""
    augment: bool = True
    """train on randomly mirrored, moved, turned, scaled and recoloured pictures"""
    patience: int = 0
    """stop after so many epochs without a better validation macro-F1; 0: never"""
    seed: int = 0
    """of all that is random"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where the arithmetic is done; auto: CUDA when there is one"""
    amp: bool = False
    """bfloat16 autocast; on CUDA alone"""
    deterministic: bool = True
    """only algorithms that give the same bits each time; the CPU always does"""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(TrainOptions).items():
            _require(_fits(getattr(self, name), hint), name, _words(hint), getattr(self, name))
        _between(self, "image_size", SMALLEST_IMAGE, LARGEST_IMAGE)
        _between(self, "epochs", 1, 100_000)
        _between(self, "batch_size", 1, 65_536)
        _between(self, "patience", 0, 100_000)
        _between(self, "seed", 0, 2**63 - 1)
        for share in ("momentum", "dropout", "label_smoothing"):
            _require(0.0 <= getattr(self, share) < 1.0, share, "from 0 up to but not including 1", getattr(self, share))
        rate, decay = self.learning_rate, self.weight_decay
        _require(rate is None or (rate > 0 and math.isfinite(rate)), "learning_rate", "positive and finite", rate)
        _require(decay >= 0 and math.isfinite(decay), "weight_decay", "0 or more and finite", decay)

    def resolved(self) -> "TrainOptions":
        """The same options with the learning rate that will be used."""
        rate = USUAL_LEARNING_RATE[self.optimizer] if self.learning_rate is None else self.learning_rate
        return replace(self, learning_rate=rate)

    def with_settings(self, settings: Sequence[str]) -> "TrainOptions":
        """These options changed by `KEY=VALUE` texts, the last one winning.

        Raises:
            UsageError: no such key (the message lists the known ones), or the value does not fit it.
        """
        hints = get_type_hints(TrainOptions)
        changes: dict[str, Any] = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise UsageError(f"--set {setting}: write it as KEY=VALUE, such as --set epochs=20")
            if key not in hints:
                near = difflib.get_close_matches(key, hints, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"--set {setting}: there is no option {key!r}; {hint}known are {', '.join(hints)}")
            changes[key] = _parsed(key, text, hints[key])
        return replace(self, **changes)

    def identity(self) -> dict[str, Setting]:
        """What makes two runs the same: the values that differ from the defaults.

        Where the work is done is left out, and so are defaults, so that options added later keep the ids of old runs.
        """
        usual = {field.name: field.default for field in fields(self)}
        return {k: v for k, v in asdict(self.resolved()).items() if k != "device" and v != usual[k]}


def _between(options: TrainOptions, name: str, low: int, high: int) -> None:
    _require(low <= getattr(options, name) <= high, name, f"from {low} to {high}", getattr(options, name))


def _require(good: bool, name: str, wanted: str, found: object) -> None:
    if not good:
        raise UsageError(f"{name} must be {wanted}, got {found!r}")


def _parsed(key: str, text: str, hint: object) -> Setting:
    """The value of `text` for an option of that type. Raises UsageError."""
    lowered = text.strip().lower()
    kinds = _kinds(hint)
    if type(None) in kinds and lowered in UNSET:
        return None
    if bool in kinds and lowered in TRUE + FALSE:
        return lowered in TRUE
    try:
        if int in kinds:
            return int(lowered)
        if float in kinds:
            return float(lowered)
    except ValueError:
        pass
    if text in get_args(hint):
        return text
    raise UsageError(f"--set {key}={text}: {key} must be {_words(hint)}, got {text!r}")


def _kinds(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = _kinds(hint)
    if isinstance(value, bool) or value is None:
        return type(value) in kinds
    return type(value) in kinds or (isinstance(value, int) and float in kinds)


def _words(hint: object) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    kinds = _kinds(hint)
    if bool in kinds:
        return "true or false"
    return ("a whole number" if int in kinds else "a number") + (" or none" if type(None) in kinds else "")
