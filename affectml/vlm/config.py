"""What `affectml ask` is asked for: the options of the command, and of the function."""

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
    """Fields of a request's body from JSON objects, a later one over an earlier one.

    >>> parse_body(['{"reasoning": {"effort": "low"}}', '{"top_p": 0.9}'])
    {'reasoning': {'effort': 'low'}, 'top_p': 0.9}
    """
    body: dict[str, Any] = {}
    for word in words:
        try:
            body |= json.loads(word)
        except (ValueError, TypeError):
            example = '{"top_p": 0.9}'
            raise BadInput(f"{option} {word}: expected a JSON object, e.g. {option} '{example}'") from None
    return body


@dataclass(frozen=True)
class AskConfig:
    """What `affectml ask` was asked for.

    A data set without a target has its own `taxonomy`, whose labels are asked. temperature: None leaves it to the
    server. body: further fields of the body of each request. More than max_requests or max_megabytes makes several
    files.

    Args:
        model: Name that the server knows the model by.
        answer: What to ask for: sets (of labels), shares (of 20 people, how many choose each label), ranking.
        samples: Requests for each image.
        target: Target whose question and labels are asked; without any, the taxonomy.
        split: Images to ask about: test, val or all.
        question: Question to ask. Default: what people were asked.
        temperature: Sampling temperature; none leaves it out.
        body: Further fields of each request's body, as a JSON object; several times.
        image_urls: Send the images' urls, not pictures.
        side: Longer side of a picture, in pixels.
        json_schema: Send the answer's JSON schema as response_format; for servers that refuse it, --no-json-schema.
        max_requests: Requests in one file.
        max_megabytes: Megabytes of one file.
    """

    model: str
    answer: Answer = "sets"
    samples: Annotated[int, Ge(1)] = 1
    target: str | None = None
    split: str = "test"
    question: str | None = None
    temperature: Annotated[float | None, Ge(0), Help(most=2)] = 1.0
    body: Annotated[Mapping[str, Any], Help(metavar="JSON", read=parse_body)] = field(default_factory=dict)
    image_urls: bool = False
    side: Annotated[int, Ge(16)] = 768
    json_schema: bool = True
    max_requests: Annotated[int, Ge(1)] = 50_000
    max_megabytes: Annotated[float, Ge(0.001)] = 200
    seed: Seed = 0
