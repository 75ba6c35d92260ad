"""The command reference in README.md, made from the command itself.

python .ci/command_reference.py --write   puts it there
python .ci/command_reference.py --check   fails when it is not what the command says
"""

import re
import sys
from pathlib import Path
from typing import Any

from pipeline.cli import command_tree

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- commands: made by `make reference` -->", "<!-- end of commands -->"


def rows(command: Any, path: str) -> list[str]:
    """A table row for each verb, groups opened."""
    if hasattr(command, "commands"):
        return [
            row for name, child in sorted(command.commands.items()) for row in rows(child, f"{path} {name}".strip())
        ]
    words = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            name = (parameter.metavar or parameter.name).upper().strip("[]").removesuffix("...")
            name += "..." if parameter.nargs == -1 else ""
            words.append(name if parameter.required else f"[{name}]")
        else:
            flag = max(parameter.opts, key=len)
            value = "" if parameter.is_flag else f" {(parameter.metavar or parameter.name.strip('_')).upper()}"
            words.append(f"{flag}{value}" if parameter.required else f"[{flag}{value}]")
    summary = " ".join((command.help or "").split("\n\n")[0].split())
    usage = f"{path} {' '.join(words)}".strip().replace("|", "\\|")
    return [f"| `{usage}` | {summary} |"]


def reference() -> str:
    """The block between the markers."""
    return "\n".join([BEGIN, "", "| command | what it does |", "| --- | --- |", *rows(command_tree(), ""), "", END])


def main() -> int:
    text = README.read_text(encoding="utf-8")
    found = re.search(re.escape(BEGIN) + ".*?" + re.escape(END), text, re.DOTALL)
    if found is None:
        print(f"{README} has no command reference: put the lines {BEGIN!r} and {END!r} into it")
        return 1
    if "--write" in sys.argv:
        README.write_text(text.replace(found[0], reference()), encoding="utf-8")
        return 0
    if found[0] != reference():
        print("README.md: the command reference is not what the command says; run `make reference`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
