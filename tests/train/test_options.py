import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import UsageError
from train.options import NO_IDENTITY, USUAL_LEARNING_RATE, TrainOptions


def test_settings_take_the_type_of_their_option() -> None:
    options = TrainOptions().with_settings(
        ["epochs=3", "learning_rate=1e-3", "augment=off", "optimizer=sgd", "weight_decay=1", "soft_labels=yes"]
    )
    assert (options.epochs, options.learning_rate, options.augment) == (3, 0.001, False)
    assert (options.optimizer, options.weight_decay, options.soft_labels) == ("sgd", 1.0, True)


def test_the_last_of_two_settings_wins() -> None:
    assert TrainOptions().with_settings(["epochs=3", "epochs=4"]).epochs == 4


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False), st.integers(0, 2**63 - 1))
def test_numbers_survive_being_written_as_settings(rate: float, seed: int) -> None:
    options = TrainOptions().with_settings([f"learning_rate={rate!r}", f"seed={seed}"])
    assert (options.learning_rate, options.seed) == (rate, seed)


@pytest.mark.parametrize("optimizer", USUAL_LEARNING_RATE)
def test_no_learning_rate_means_the_optimisers_usual_one(optimizer: str) -> None:
    options = TrainOptions().with_settings([f"optimizer={optimizer}", "learning_rate=auto"])
    assert options.learning_rate is None
    assert options.resolved().learning_rate == USUAL_LEARNING_RATE[optimizer]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "lerning_rate=1",
            r"there is no option 'lerning_rate'; did you mean learning_rate\? known are target, image_size",
        ),
        ("zzz=1", r"there is no option 'zzz'; known are target, image_size, epochs"),
        ("epochs", "write it as KEY=VALUE"),
        ("epochs=ten", "epochs must be a whole number, got 'ten'"),
        ("epochs=", "epochs must be a whole number, got ''"),
        ("epochs=1.5", "epochs must be a whole number, got '1.5'"),
        ("epochs=none", "epochs must be a whole number, got 'none'"),
        ("learning_rate=fast", "learning_rate must be a number or none, got 'fast'"),
        ("augment=perhaps", "augment must be true or false, got 'perhaps'"),
        ("optimizer=magic", "optimizer must be one of adadelta, adagrad, adam, adamw, rmsprop, sgd, got 'magic'"),
        ("device=tpu", "device must be one of auto, cpu, cuda, got 'tpu'"),
        ("epochs=0", "epochs must be from 1 to 100000, got 0"),
        ("batch_size=-4", "batch_size must be from 1 to 65536, got -4"),
        ("image_size=3", "image_size must be from 20 to 1024, got 3"),
        ("seed=-1", "seed must be from 0 to"),
        ("learning_rate=0", "learning_rate must be positive and finite, got 0.0"),
        ("learning_rate=nan", "learning_rate must be positive and finite, got nan"),
        ("learning_rate=inf", "learning_rate must be positive and finite, got inf"),
        ("weight_decay=-1", "weight_decay must be 0 or more and finite, got -1.0"),
        ("dropout=1", "dropout must be from 0 up to but not including 1, got 1.0"),
        ("ema=1", "ema must be from 0 up to but not including 1, got 1.0"),
        ("step_factor=0", "step_factor must be above 0 and at most 1, got 0.0"),
        ("gradient_clip=inf", "gradient_clip must be 0 or more and finite, got inf"),
        ("rotation_degrees=400", "rotation_degrees must be from 0 to 180, got 400.0"),
        ("brightness=nan", "brightness must be from 0 to 1, got nan"),
        ("label_smoothing=nan", "label_smoothing must be from 0 up to but not including 1, got nan"),
    ],
)
def test_nonsense_is_refused_with_what_was_found(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainOptions().with_settings([setting])


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(UsageError, match="epochs must be a whole number, got True"):
        TrainOptions(epochs=True)
    with pytest.raises(UsageError, match="augment must be true or false, got 1"):
        TrainOptions(augment=1)  # type: ignore[arg-type]


def test_a_text_option_is_taken_as_it_stands_and_none_empties_it() -> None:
    options = TrainOptions().with_settings(["weights=/Some/File.pt"])
    assert options.weights == "/Some/File.pt"
    assert options.with_settings(["weights=none"]).weights is None


def test_the_device_and_defaults_do_not_make_another_run() -> None:
    usual = TrainOptions().identity()
    assert usual == {"learning_rate": 1.0}
    assert TrainOptions(device="cpu", data="disk", learning_rate=1.0).identity() == usual
    assert TrainOptions(seed=1).identity() != usual


def test_every_option_that_matters_makes_another_run() -> None:
    others = {
        "target": "character_emotion", "image_size": 61, "epochs": 51, "batch_size": 33, "optimizer": "sgd",
        "learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.5, "dropout": 0.25, "label_smoothing": 0.5,
        "soft_labels": True, "class_balance": "weights", "augment": False, "patience": 1, "seed": 1, "amp": True,
        "deterministic": False, "schedule": "cosine", "warmup_epochs": 1, "step_epochs": 3, "step_factor": 0.5,
        "gradient_clip": 1.0, "frozen_epochs": 1, "backbone_rate": 0.1, "weights": "imagenet", "loss": "bce",
        "mixup": 0.2, "cutmix": 1.0, "ema": 0.9, "augment_strength": 2.0, "mirror": 0.0, "vertical_flip": 0.5,
        "shift": 0.1, "scale": 0.3, "rotation_degrees": 45.0, "crop": 0.2, "brightness": 0.1, "contrast": 0.1,
        "colour": 0.1, "hue": 0.1, "erasing": 0.5, "grey": True, "channels_last": False, "compile": True,
    }  # fmt: skip
    assert set(others) == {field.name for field in fields(TrainOptions)} - set(NO_IDENTITY)
    seen = {str(TrainOptions().identity())}
    for name, value in others.items():
        seen.add(str(TrainOptions(**{name: value}).identity()))  # type: ignore[arg-type]
    assert len(seen) == len(others) + 1


def test_options_hold_plain_finite_defaults() -> None:
    assert all(not isinstance(f.default, float) or math.isfinite(f.default) for f in fields(TrainOptions))
