"""affectml ablate: what a choice is worth, over seeds."""

from pathlib import Path
from typing import Annotated

from affectml._options import Help
from affectml.cli._command import App, Json, Verbose, say, there
from affectml.cli._print import print_json, show_result
from affectml.cross_evaluation.config import AblateConfig

app = App(no_args_is_help=True, help="Measure what a choice is worth, over several seeds.")


@app.callback()
def _main() -> None:
    """Keeps `prompts` a subcommand while it is the only one."""


@app.command()
def prompts(
    config: AblateConfig,
    out: Annotated[Path | None, Help("JSON file to write, with each seed's values.")] = None,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Train contrastive heads on each kind of prompt, and score them beside zero-shot with the same prompts."""
    there(datasets=[config.dataset])
    from affectml._files import try_file
    from affectml.cross_evaluation.ablate import ablate_prompts, write_ablation

    if out is not None:
        try_file(out)
    result = ablate_prompts(config, say=say)
    if out is not None:
        write_ablation(result, out)
    if json:
        print_json(result.to_json())
        return
    show_result(result.table(), verbose=verbose)
