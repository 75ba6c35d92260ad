"""What a training run may be told, checked before any work begins."""

import difflib
import math
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pipeline.core.errors import UsageError

Setting = int | float | bool | str | None

USUAL_LEARNING_RATE = {
    "adadelta": 1.0,
    "adagrad": 0.01,
    "adam": 0.001,
    "adamw": 0.001,
    "rmsprop": 0.001,
    "sgd": 0.01,
}
"""what each optimiser starts from when nothing is said (Keras' defaults; Adadelta: Zeiler 2012)"""
NO_IDENTITY = ("device", "data")
"""options that say where the work is done, not what comes out"""
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
    optimizer: Literal["adadelta", "adagrad", "adam", "adamw", "rmsprop", "sgd"] = "adadelta"
    """the rule that turns gradients into steps"""
    learning_rate: float | None = None
    """step size; none: the optimiser's usual one"""
    momentum: float = 0.9
    """share of the last step that is kept; for sgd alone"""
    weight_decay: float = 0.0
    """L2 penalty on the weights (adamw: decoupled from the gradient)"""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """how the step size goes over the run: as it is, down to nothing along a cosine, or down in steps"""
    warmup_epochs: int = 0
    """epochs in which the step size rises evenly to its full value"""
    step_epochs: int = 10
    """epochs between two steps down; for schedule=step alone"""
    step_factor: float = 0.1
    """what each step down multiplies the step size by; for schedule=step alone"""
    gradient_clip: float = 0.0
    """longest gradient, as the norm over all weights; longer ones are scaled down; 0: no limit"""
    frozen_epochs: int = 0
    """short retraining: the first so many epochs train the head alone, the backbone stands still"""
    backbone_rate: float = 1.0
    """what the backbone's step size is multiplied by in the long retraining that follows"""
    weights: str | None = None
    """what a net that transfers begins with: a file (state dict or safetensors) or the name of published weights"""
    dropout: float = 0.5
    """share of the features that is dropped in training"""
    loss: Literal["cross_entropy", "bce"] = "cross_entropy"
    """softmax over the classes, or a sigmoid for each class by itself (binary cross-entropy on one-hot targets)"""
    label_smoothing: float = 0.0
    """share of the target that is spread over all classes"""
    soft_labels: bool = False
    """train on the shares of the annotators' answers, not on the winning class alone"""
    class_balance: Literal["none", "weights", "sampler", "logit_adjustment"] = "none"
    """against uneven classes: weigh the loss, draw every class equally often, or add the logarithm of each class's
    share to its score while training (Menon et al. 2021)"""
    mixup: float = 0.0
    """blend pairs of pictures and their targets, by shares from Beta(mixup, mixup) (Zhang et al. 2018); 0: never"""
    cutmix: float = 0.0
    """paste a rectangle of another picture, its area from Beta(cutmix, cutmix) (Yun et al. 2019); 0: never; together
    with mixup each batch gets one of the two"""
    ema: float = 0.0
    """validate and keep the weights' moving average that forgets 1 - ema in each step, such as 0.999; 0: the weights"""
    augment: bool = True
    """train on pictures that are changed at random, as the following say"""
    augment_strength: float = 1.0
    """what the sizes of all changes below are multiplied by, chances left as they are"""
    mirror: float = 0.5
    """chance that left and right change places"""
    vertical_flip: float = 0.0
    """chance that top and bottom change places"""
    shift: float = 0.08
    """farthest move in each direction, share of the side"""
    scale: float = 0.12
    """0.12: from 1/1.12 to 1.12 times as large"""
    rotation_degrees: float = 12.0
    """largest turn about the centre, either way"""
    crop: float = 0.0
    """a random square is cut out and scaled up, its side smaller by up to this share; 0: never"""
    brightness: float = 0.2
    """0.2: from 0.8 to 1.2 times as bright"""
    contrast: float = 0.2
    """likewise about the picture's mean"""
    colour: float = 0.2
    """likewise about each pixel's grey"""
    hue: float = 0.0
    """farthest turn of the colour circle, either way; 0.5 is half the circle"""
    erasing: float = 0.0
    """chance that a rectangle (2 % to 20 % of the area) is filled with noise (Zhong et al. 2020)"""
    grey: bool = False
    """the net sees grey pictures alone, in training and ever after"""
    patience: int = 0
    """stop after so many epochs without a better validation macro-F1; 0: never"""
    seed: int = 0
    """of all that is random"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where the arithmetic is done; auto: CUDA when there is one"""
    data: Literal["auto", "device", "disk"] = "auto"
    """where the decoded pictures lie: in the device's memory, or in a file that is read as needed; auto: on the device
    when they fit into half of what is free"""
    amp: bool = False
    """bfloat16 autocast; on CUDA alone"""
    channels_last: bool = True
    """keep the channels of a pixel side by side in memory: faster convolutions on most machines"""
    compile: bool = False
    """let torch.compile make one program of the net; pays on a GPU for runs of many minutes"""
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
        _between(self, "warmup_epochs", 0, 100_000)
        _between(self, "step_epochs", 1, 100_000)
        _between(self, "frozen_epochs", 0, 100_000)
        for share in ("momentum", "dropout", "label_smoothing", "ema", "crop"):
            _require(0.0 <= getattr(self, share) < 1.0, share, "from 0 up to but not including 1", getattr(self, share))
        for chance in ("mirror", "vertical_flip", "erasing", "brightness", "contrast", "colour"):
            _between(self, chance, 0.0, 1.0)
        for name in ("weight_decay", "gradient_clip", "backbone_rate", "mixup", "cutmix", "scale", "augment_strength"):
            value = getattr(self, name)
            _require(value >= 0 and math.isfinite(value), name, "0 or more and finite", value)
        _between(self, "shift", 0.0, 0.5)
        _between(self, "hue", 0.0, 0.5)
        _between(self, "rotation_degrees", 0.0, 180.0)
        _require(0.0 < self.step_factor <= 1.0, "step_factor", "above 0 and at most 1", self.step_factor)
        rate = self.learning_rate
        _require(rate is None or (rate > 0 and math.isfinite(rate)), "learning_rate", "positive and finite", rate)

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
        return {k: v for k, v in asdict(self.resolved()).items() if k not in NO_IDENTITY and v != usual[k]}


def _between(options: TrainOptions, name: str, low: float, high: float) -> None:
    _require(
        low <= getattr(options, name) <= high,
        name,
        f"from {low:g} to {high:g}" if isinstance(low, float) else f"from {low} to {high}",
        getattr(options, name),
    )


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
    if str in kinds:
        return text
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
    if str in kinds:
        return "a text or none"
    return ("a whole number" if int in kinds else "a number") + (" or none" if type(None) in kinds else "")
