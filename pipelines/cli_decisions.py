"""Commands that serve a decision: divide a budget."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from atlas import summary
from pipelines.terminal import EXIT_FAILED, EXIT_USAGE, HomeOption, JsonOption, fail, home_of, terminal

app = typer.Typer()


@app.command()
def allocate(
    budget: Annotated[str, typer.Option(help="Dollars to divide; spent to the cent.")],
    minimum: Annotated[str, typer.Option(help="Smallest award in dollars: nothing, or at least this.")] = "0",
    cap: Annotated[str, typer.Option(help="Greatest award as a share of the budget, 0.2 for a fifth.")] = "1",
    hold_harmless: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Least amounts of some counties: geo_id, amount.")
    ] = None,
    rule: Annotated[str, typer.Option(help="need, yhdp, title_i or under_18.")] = "need",
    population: Annotated[str | None, typer.Option(help="Whose count is the need, by the rule need.")] = None,
    home: HomeOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write every county to this CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Divide a budget among the counties by a declared rule, and say how sure each award is (docs/allocation.md)."""
    from models.decisions.allocation import request
    from models.decisions.allocation_rules import RuleError
    from models.decisions.award import AwardError
    from pipelines import allocating
    from pipelines.indexing import FileError

    try:
        asked = request(budget, minimum, cap, rule, population)
    except (AwardError, RuleError) as error:
        raise fail(str(error), EXIT_USAGE) from None
    try:
        outcome = allocating.run(home_of(home), asked, hold_harmless)
        if output is not None:
            allocating.write_csv(outcome, output)
    except (summary.NotPublishedError, FileError, AwardError, RuleError) as error:
        raise fail(str(error), EXIT_FAILED) from None
    if as_json:
        print(outcome.as_json())
        return
    console = terminal()
    console.print(allocating.as_table(outcome, is_terminal=console.is_terminal))
    if output is not None:
        console.print(f"written  {escape(str(output))}  {outcome.frame.height} rows", soft_wrap=True)
