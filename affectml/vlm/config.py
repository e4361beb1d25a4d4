"""What `affectml ask` is asked for, and how replies are read: the options of the commands, and of the functions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge

from affectml._options import Help, Seed
from affectml.errors import BadInput

Answer = Literal["sets", "shares", "ranking"]
PEOPLE = 20  # of whom shares are asked: as many as MultiEmo-Bench asked about each image (arXiv 2605.14635)


def parse_body(words: Iterable[str], *, option: str = "--body") -> dict[str, Any]:
    """Fields of a request's body from KEY=VALUE: values are JSON where they can be read so; a dot in KEY nests.

    >>> parse_body(["reasoning.effort=low", "top_p=0.9", "stop=null"])
    {'reasoning': {'effort': 'low'}, 'top_p': 0.9, 'stop': None}
    """
    body: dict[str, Any] = {}
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        *path, last = name.split(".")
        if not (equals and last and all(path)):
            raise BadInput(f"{option} {word}: expected KEY=VALUE, e.g. {option} reasoning_effort=low")
        at = body
        for part in path:
            at = at.setdefault(part, {}) if isinstance(at, dict) else at
        if not isinstance(at, dict) or last in at:
            raise BadInput(f"{option} {word}: {name} is set twice; leave one out")
        try:
            at[last] = json.loads(text, parse_constant=str)
        except ValueError:
            at[last] = text
    return body


@dataclass(frozen=True)
class AskConfig:
    """What `affectml ask` was asked for.

    A data set without a target has its own `taxonomy`, whose labels are asked. temperature: None leaves it to the
    server. body: further fields of the body of each request. More than max_requests or max_megabytes makes several
    files.
    """

    model: Annotated[str, Help("Name that the server knows the model by.")]
    answer: Annotated[
        Answer, Help("What to ask for: sets (of labels), shares (of 20 people, how many choose each label), ranking.")
    ] = "sets"
    samples: Annotated[int, Ge(1), Help("Requests for each image and wording.")] = 1
    target: Annotated[str | None, Help("Target whose question and labels are asked; without any, the taxonomy.")] = None
    split: Annotated[str, Help("Images to ask about: test, val or all.")] = "test"
    question: Annotated[str | None, Help("Question to ask.", default="what people were asked")] = None
    wording: Annotated[
        str | None,
        Help(
            "File of wordings to ask instead, separated by lines of ---; {labels} is where the labels go.",
            "one",
            path=True,
        ),
    ] = None
    temperature: Annotated[float | None, Ge(0), Help("Sampling temperature; none leaves it out.", most=2)] = 1.0
    body: Annotated[
        Mapping[str, Any],
        Help("Field of each request's body, such as top_p=0.9; several times.", metavar="KEY=VALUE", read=parse_body),
    ] = field(default_factory=dict)
    image_urls: Annotated[bool, Help("Send the images' urls, not pictures.")] = False
    side: Annotated[int, Ge(16), Help("Longer side of a picture, in pixels.")] = 768
    json_schema: Annotated[
        bool, Help("Send the answer's JSON schema as response_format; for servers that refuse it, --no-json-schema.")
    ] = True
    max_requests: Annotated[int, Ge(1), Help("Requests in one file.")] = 50_000
    max_megabytes: Annotated[float, Ge(0.001), Help("Megabytes of one file.")] = 200
    seed: Seed = 0


@dataclass(frozen=True)
class ReadConfig:
    """How a file of replies is read.

    shape: None takes what was asked, or what the answers look like. A table's columns are found by their names, and an
    empty cell is no answer.
    """

    shape: Annotated[
        str | None,
        Help("What a file's answers are: sets, ranked, rates or distribution.", default="what they look like"),
    ] = None
    mapping: Annotated[
        Mapping[str, str],
        Help(
            "Label that a word of a file stands for, or that an ambiguous label becomes in another taxonomy; may be "
            "given several times.",
            metavar="FROM=TO",
        ),
    ] = field(default_factory=dict)
