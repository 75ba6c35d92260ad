"""Figures as people read them."""

import re

THIN = "\u202f"
"""narrow no-break space, between a figure and its unit"""


def count(number: int) -> str:
    """`12,345`"""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 shot`, `1,200 shots`; `many` where an s does not do."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float, digits: int = 1) -> str:
    """`93.4 %` of a share between 0 and 1."""
    return f"{100 * share:.{digits}f}{THIN}%"


def duration(seconds: float) -> str:
    """`8.0 s`, `3 min 20 s`, `5 h 03 min`"""
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    return f"{whole // 3600:,}{THIN}h {whole // 60 % 60:02d}{THIN}min"


def size(number: int) -> str:
    """`482 kB`, `1.3 MB`"""
    for unit, bytes_ in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if number >= bytes_:
            value = number / bytes_
            return f"{value:.0f}{THIN}{unit}" if value >= 100 else f"{value:.1f}{THIN}{unit}"
    return f"{number}{THIN}B"


def plain(value: object) -> str:
    """A setting or a score of unknown kind, short: floats to four digits, lists joined, nothing as a dash."""
    if value is None or value == "" or value == []:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return shortened(", ".join(plain(item) for item in value[:20]), 160)
    if isinstance(value, dict):
        return shortened(", ".join(f"{key} {plain(item)}" for key, item in list(value.items())[:20]), 160)
    return shortened(str(value), 160)


def titled(name: str) -> str:
    """`macro_f1` -> `macro F1`, `hit_rate` -> `hit rate`, `f1` -> `F1`"""
    return re.sub(r"\bf1\b", "F1", name.replace("_", " "))


def shortened(text: str, longest: int) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"
