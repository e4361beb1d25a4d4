"""affectml ablate: what a choice is worth, over seeds."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli._there import there
from affectml.cli.runs import Encoder, Json, Template, Threads, _say

app = typer.Typer(no_args_is_help=True, help="Measure what a choice is worth, over several seeds.")


@app.callback()
def _main() -> None:
    """Keeps `prompts` a subcommand while it is the only one."""


@app.command()
def prompts(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help="Kinds of prompt joined by +: sentiment, synonyms, captions; may be given several times.",
            show_default="every mix that the data set allows",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=2, help="How many seeds; each has a split, first weights and batches of its own.")
    ] = 5,
    target: Annotated[str | None, typer.Option(help="Target of the data set to learn.")] = None,
    encoder: Encoder = None,
    template: Template = None,
    hidden: Annotated[int, typer.Option(min=0, help="Units of the hidden layer; 0 for 512.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, with each seed's values.")] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Train contrastive heads on each kind of prompt, and score them beside zero-shot with the same prompts."""
    there(datasets=[dataset])
    from affectml._files import try_file
    from affectml.cli._print import print_json, print_table
    from affectml.cross_evaluation.ablate import AblateConfig, ablate_prompts, write_ablation

    if out is not None:
        try_file(out)
    config = AblateConfig(
        dataset=str(dataset), mixes=tuple(mix) if mix else None, seeds=seeds, target=target, encoder=encoder,
        templates=tuple(template or ()), hidden=hidden, threads=threads,
    )  # fmt: skip
    result = ablate_prompts(config, say=_say)
    if out is not None:
        write_ablation(result, out)
    if json:
        print_json(result.to_json())
        return
    table = result.table()
    print_table(table.title, table.columns, table.rows)
    print(f"  {table.note}")
