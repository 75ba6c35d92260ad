from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.options import as_plain, read_settings, resolve


@dataclass(frozen=True, kw_only=True)
class Inner:
    names: tuple[str, ...] = ("a",)
    share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    fps: float = 4.0
    count: int = 3
    inner: Inner = field(default_factory=Inner)


def test_flags_win_over_the_file_and_the_file_over_defaults() -> None:
    settings = {"fps": 8, "count": 5, "inner": {"names": ["x", "y"]}}
    got = resolve(Outer, settings, {"fps": 2.0, "count": None}, "mine")
    assert got == Outer(fps=2.0, count=5, inner=Inner(names=("x", "y")))
    assert as_plain(got) == {"fps": 2.0, "count": 5, "inner": {"names": ["x", "y"], "share": 0.5}}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"fsp": 3}, r"\[mine\] has no option 'fsp'; it has fps, count, inner"),
        ({"count": "3"}, r"\[mine\] count must be int, got '3'"),
        ({"count": True}, r"\[mine\] count must be int, got True"),
        ({"inner": 3}, r"\[mine\] inner is a table of options"),
        ({"inner": {"shares": 1}}, r"\[mine.inner\] has no option 'shares'"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(Outer, settings, {}, "mine")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == {}
    (tmp_path / "toonsift.toml").write_text("[mine\nfps = 3")
    with pytest.raises(UsageError, match=r"toonsift\.toml: .*correct the file"):
        read_settings(tmp_path)
