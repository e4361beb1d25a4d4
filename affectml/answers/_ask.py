"""The question that people were asked, for a model: a batch request per image, wording and sample. No network is used.

Lines are those of OpenAI's Batch API (https://platform.openai.com/docs/api-reference/batch/request-input), which vLLM's
`run-batch`, Azure, Together and others take as well. A file holds at most 50,000 requests and 200 MB, OpenAI's limits.
"""

import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, get_args
from urllib.parse import quote

import pandas as pd

from affectml._files import replacing, try_file
from affectml._html import data_uri
from affectml._options import check_choice, check_range
from affectml._progress import Progress, Say
from affectml.answers._config import Answer, AskConfig
from affectml.answers._names import custom_id, shuffle_of
from affectml.answers._parts import check_part, parts_of, store_of, target_of
from affectml.answers._wording import QUESTIONS, Form, read_wordings
from affectml.data import Asked as Put
from affectml.data import Dataset, was_asked
from affectml.encoders import read_image
from affectml.errors import AffectmlError, BadInput, option


@dataclass(frozen=True)
class Asked:
    """What was written. files: of requests, then index: custom_id, image_id, sample, wording, answer, shuffle, labels
    as shown.

    left_out: image_id -> why it is not asked about. prompt: the words, with the labels in their own order; of several
    wordings apart by a line of ---.
    """

    files: tuple[Path, ...]
    index: Path
    requests: int
    images: int
    prompt: str
    left_out: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "files": [str(file) for file in self.files], "index": str(self.index)}


def ask(dataset: str | Path, config: AskConfig, out: Path, *, say: Say = print) -> Asked:
    """Write batch requests to `out`, one image after the other, all of them or, after an error, none.

    The order of the labels is another for each request, drawn from the seed, the image, the sample and the wording, so
    that a liking for the first label evens out; the index beside the requests keeps it.

    Args:
        dataset: the data set's folder.
        config: what to ask, see AskConfig.
        out: requests.jsonl; where one file is not enough, requests-002.jsonl and so on. None of them may exist.
        say: called with what one should know.

    Raises:
        BadInput: for an option or a place that cannot be used, and where no image can be sent.
        BadDataset: for a data set without a fitting target or a taxonomy of its own.
    """
    _check(config)
    wordings = None if config.wording is None else read_wordings(Path(config.wording))
    index = out.with_name(f"{out.stem}-index.jsonl")
    for file in (out, index, *sorted(out.parent.glob(f"{out.stem}-[0-9][0-9][0-9]{out.suffix}"))):
        try_file(file)
    data = Dataset.open(dataset)
    images, labels, one, question = _asking(data, config, say)
    form, table = Form(config.answer, one), data.images.set_index("image_id")
    wordings, shuffle = wordings or [form.wording(question)], shuffle_of(labels, config.seed)
    left: dict[str, str] = {}
    with ExitStack() as stack, Progress("writing requests", len(images), "images") as bar:
        parts = _Files(stack, out, config)
        order = stack.enter_context(stack.enter_context(replacing(index)).open("w", encoding="utf-8"))
        for image in images:
            bar.advance()
            try:
                url = _url(data, table.loc[image], config)
            except AffectmlError as error:
                left[image] = str(error)
                continue
            for (number, wording), sample in product(enumerate(wordings, 1), range(1, config.samples + 1)):
                shown = shuffled(labels, config.seed, image, sample, number)
                given = custom_id(image, sample, wording=number, answer=config.answer, shuffle=shuffle)
                body = _body(url, form.prompt(wording, shown), form.schema(shown), config)
                parts.write({"custom_id": given, "method": "POST", "url": "/v1/chat/completions", "body": body})
                entry = {"custom_id": given, "image_id": image, "sample": sample, "wording": number}
                more = {"answer": config.answer, "shuffle": shuffle, "labels": shown}
                order.write(json.dumps(entry | more) + "\n")
        if not parts.requests:
            first = next(iter(left.items()), ("", "no image in this part"))
            raise BadInput(f"{data.root}: no image can be sent; the first, {first[0]!r}: {first[1]}")
    if left:
        some = "; ".join(f"{image}: {why}" for image, why in list(left.items())[:5])
        say(f"{len(left)} images are left out: {some}{' ...' if len(left) > 5 else ''}")
    prompt = "\n---\n".join(form.prompt(wording, labels) for wording in wordings)
    return Asked(tuple(parts.paths), index, parts.requests, len(images) - len(left), prompt, left)


def _check(config: AskConfig) -> None:
    check_range(config)
    if not config.model.strip():
        raise BadInput(f"{option('model', config.model)}: expected the name that the server knows the model by")
    check_choice(option("answer"), config.answer, get_args(Answer))
    if config.question and config.wording:
        raise BadInput(f"{option('question')} and {option('wording')} both say what to ask; leave one out")
    if own := config.body.keys() & {"model", "messages", "temperature"}:
        other = "the question and the image" if "messages" in own else option(min(own))
        raise BadInput(f"{option('body')}: not for {min(own)}, which {other} sets")
    try:
        json.dumps(dict(config.body), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{option('body')}: expected values that JSON can hold ({error})") from None
    if config.image_base and not config.image_base.startswith(("http://", "https://")):
        raise BadInput(f"{option('image_base', config.image_base)}: expected an address, such as https://example.org/")
    if config.image_base and config.image_urls:
        raise BadInput(f"{option('image_base')} and {option('image_urls', True)} both say addresses; leave one out")


def _asking(data: Dataset, config: AskConfig, say: Say) -> tuple[list[str], tuple[str, ...], bool, str]:
    """About which images and labels is asked, whether one label is chosen, and the question that people were asked.

    Without a target, what people are to be asked, who may choose several. Where nobody wrote a question down, it is one
    of our own about the same construct.
    """
    own = data.meta.resolve_taxonomy()
    if config.target is None and not data.meta.targets and own is not None:
        put, by = data.meta.judgements or Put("evoked"), str(data.root)
        images, labels, one = _images_of(data, config.split, say), own.labels, False
    else:
        targets = target_of(data, config.target)
        put, by = Put(targets.meta.construct, targets.meta.question), f"target {targets.name}"
        images = [str(image) for image in parts_of(data, targets, config.split, config.seed, store_of(data)).judged]
        labels, one = targets.taxonomy.labels, targets.kind in ("single", "distribution")
    question = config.question or (put.question if was_asked(put.question) else QUESTIONS[put.construct])
    if not (config.question or config.wording or was_asked(put.question)):
        say(
            f"{by} does not have the words that people were asked: asking {question!r} "
            f"({option('question')} asks another)"
        )
    return images, labels, one, question


def _images_of(data: Dataset, split: str, say: Say) -> list[str]:
    """The images of a part of a data set without a target; all of them where it has no split."""
    check_part(split)
    table, known = data.images, data.images.get("split")
    if split != "all" and (known is None or known.isna().all()):
        say(f"{data.root} has neither a target nor a split: asking about all of its images")
        split = "all"
    return (table if split == "all" else table[known == split])["image_id"].tolist()


def _body(url: str, prompt: str, schema: dict[str, Any], config: AskConfig) -> dict[str, Any]:
    content = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
    body: dict[str, Any] = {"model": config.model, "messages": [{"role": "user", "content": content}]}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    if config.json_schema:
        named = {"name": "answer", "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body | dict(config.body)


def _url(data: Dataset, row: Any, config: AskConfig) -> str:
    """The image as a data URL, upright and small, or its address."""
    url, file = row.get("url"), row.get("file")
    if config.image_urls:
        if not isinstance(url, str) or not url:
            raise BadInput("it has no url")
        return url
    if pd.isna(file) or not file:
        raise BadInput(f"it has no file ({option('image_urls', True)} sends urls)")
    if config.image_base:
        return f"{config.image_base.rstrip('/')}/{quote(str(file))}"
    return data_uri(read_image(data.image_path(str(file))), config.side)


class _Files:
    """Request files under temporary names, a new one where a limit is reached; all are named once the last is whole.

    paths: the names that they will have.
    """

    def __init__(self, stack: ExitStack, out: Path, config: AskConfig) -> None:
        self._stack, self._out = stack, out
        self._most, self._bytes = config.max_requests, int(config.max_megabytes * 1_000_000)
        self._handle: BinaryIO | None = None
        self._lines = self._size = self.requests = 0
        self.paths: list[Path] = []

    def write(self, request: dict[str, Any]) -> None:
        """Add a request; raises BadInput for one that no file can hold."""
        line = json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if len(line) > self._bytes:
            size = option("max_megabytes", self._bytes / 1_000_000)
            raise BadInput(
                f"{self._out}: a request of {len(line):,} bytes is more than {size}; take a smaller {option('side')}"
            )
        if self._handle is None or self._lines >= self._most or self._size + len(line) > self._bytes:
            self._handle = self._next()
        self._handle.write(line)
        self._lines, self._size, self.requests = self._lines + 1, self._size + len(line), self.requests + 1

    def _next(self) -> BinaryIO:
        if self._handle is not None:
            self._handle.close()
        number = len(self.paths) + 1
        path = self._out.with_name(f"{self._out.stem}-{number:03d}{self._out.suffix}") if number > 1 else self._out
        self.paths.append(path)
        self._lines = self._size = 0
        return self._stack.enter_context(self._stack.enter_context(replacing(path)).open("wb"))


def shuffled(labels: Sequence[str], seed: int, image_id: str, sample: int, wording: int = 1) -> tuple[str, ...]:
    """The order in which a request shows the labels: the same for the same seed, image, sample and wording."""
    order = list(labels)
    again = "" if wording == 1 else f"\0{wording}"
    random.Random(f"{seed}\0{sample}\0{image_id}{again}").shuffle(order)
    return tuple(order)
