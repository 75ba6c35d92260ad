"""`toonsift cascade ...` and `toonsift detect`. Nothing heavy is imported until a command runs."""

import typer

from cascades.commands import detect as detecting
from cascades.commands import export, fit, look, studio

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Fit, score and list the cascades that find faces.")
app.command("fit")(fit.fit)
app.command("evaluate")(studio.evaluate)
app.command("cross-validate")(studio.cross_validate)
app.command("list")(look.list_)
app.command("show")(look.show)
app.command("export")(export.export)
app.command("suspects")(studio.suspects)
app.command("rounds")(studio.rounds)

detect = detecting.detect
