"""Options: flags over `toonsift.toml` over the defaults of the dataclass that owns them."""

import dataclasses
import tomllib
import types
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.core.errors import UsageError

FILE_NAME = "toonsift.toml"
Options = TypeVar("Options")


def read_settings(folder: Path) -> dict[str, Any]:
    """The tables of `toonsift.toml` in `folder`; empty when there is none.

    Raises:
        UsageError: it is not valid TOML.
    """
    path = folder / FILE_NAME
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}; correct the file or move it away") from error


def resolve(kind: type[Options], settings: dict[str, Any], flags: dict[str, Any], where: str = "") -> Options:
    """An options object: `flags` that are not None, over `settings` (a TOML table), over the defaults.

    A nested options dataclass is a nested table of the same name.

    Raises:
        UsageError: an unknown key, a value of the wrong type, or one that the dataclass refuses.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(settings) - set(names))
    if unknown:
        raise UsageError(f"{FILE_NAME}: [{where}] has no option {unknown[0]!r}; it has {', '.join(names)}")
    values: dict[str, Any] = {}
    for name in names:
        hint = hints[name]
        given = settings.get(name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if given is not None and not isinstance(given, dict):
                raise UsageError(f"{FILE_NAME}: [{where}] {name} is a table of options, got {given!r}")
            values[name] = resolve(hint, given or {}, {}, f"{where}.{name}")
        elif flags.get(name) is not None:
            values[name] = flags[name]
        elif given is not None:
            values[name] = _typed(given, hint, f"{FILE_NAME}: [{where}] {name}")
    return kind(**values)


def shares_of(text: str | None) -> tuple[float, float, float] | None:
    """What `--split 0.8,0.1,0.1` says; None where nothing was said. Raises UsageError."""
    if text is None:
        return None
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--split needs three numbers like 0.8,0.1,0.1; got {text!r}") from None
    return train, val, test


def as_plain(options: Any) -> dict[str, Any]:
    """The options as nested plain values, for JSON and digests: the same options give the same text."""
    return {key: _plain(value) for key, value in dataclasses.asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _typed(value: Any, hint: Any, what: str) -> Any:
    allowed = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for kind in allowed:
        if get_origin(kind) is tuple and isinstance(value, list):
            inner = get_args(kind)[0]
            return tuple(_typed(item, inner, what) for item in value)
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
    raise UsageError(f"{what} must be {getattr(hint, '__name__', hint)}, got {value!r}")
