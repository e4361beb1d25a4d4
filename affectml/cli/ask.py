"""ask: the command around `affectml.answers`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json, Seed, _say


def ask(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    model: Annotated[str, typer.Option(help="Name that the server knows the model by.")],
    out: Annotated[Path, typer.Option(help="JSON lines file to write; more than one where it gets too large.")],
    samples: Annotated[int, typer.Option(min=1, help="Requests for each image.")] = 1,
    target: Annotated[
        str | None, typer.Option(help="Target whose question and labels are asked; without any, the taxonomy.")
    ] = None,
    split: Annotated[str, typer.Option(help="Images to ask about: test, val or all.")] = "test",
    question: Annotated[
        str | None, typer.Option(help="Question to ask.", show_default="what people were asked")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="Sampling temperature.")] = 1.0,
    image_urls: Annotated[bool, typer.Option("--image-urls", help="Send the images' urls, not pictures.")] = False,
    side: Annotated[int, typer.Option(min=16, help="Longer side of a picture, in pixels.")] = 768,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Have the server enforce the answer's form; not every server can.")
    ] = False,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in one file.")] = 50_000,
    max_megabytes: Annotated[float, typer.Option(help="Megabytes of one file.")] = 200,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent."""
    from affectml.answers import AskConfig
    from affectml.answers import ask as write
    from affectml.cli._print import print_json

    config = AskConfig(
        model=model, samples=samples, target=target, split=split, question=question, temperature=temperature,
        image_urls=image_urls, side=side, json_schema=json_schema, max_requests=max_requests,
        max_megabytes=max_megabytes, seed=seed,
    )  # fmt: skip
    asked = write(dataset, config, out, say=_say)
    if json:
        print_json(asked.to_json())
        return
    typer.echo(f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}")
    typer.echo(f"order of labels in each: {asked.index}\n\n{asked.prompt}")
