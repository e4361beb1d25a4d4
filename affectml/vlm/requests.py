"""The question that people were asked, for a model: a batch request per image and sample. No network is used.

Lines are those of OpenAI's Batch API (https://platform.openai.com/docs/api-reference/batch/request-input), which vLLM's
`run-batch`, Azure, Together and others take as well. A file holds at most 50,000 requests and 200 MB, OpenAI's limits.
"""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, get_args

from affectml._files import replacing, try_file
from affectml._html import data_uri
from affectml._options import check_choice, check_range
from affectml._progress import Progress, Say
from affectml.data import Asked as Put
from affectml.data import Dataset, Targets, was_asked
from affectml.data.choose import choose_target
from affectml.data.splits import Split, split_dataset
from affectml.duplicates import same_pixels
from affectml.embeddings import EmbeddingStore
from affectml.encoders import read_image
from affectml.errors import AffectmlError, BadDataset, BadInput, few, option
from affectml.vlm.config import PEOPLE, Answer, AskConfig
from affectml.vlm.reply import custom_id, shuffle_of

QUESTIONS = {
    "evoked": "What does this image make you feel?",
    "expressed": "What do the people in this image seem to feel?",
    "intended": "What did the maker of this image want people to feel?",
    "query": "Which of these words describes the feeling of this image?",
}
PARTS = ("test", "val", "all")


@dataclass(frozen=True)
class Asked:
    """What was written.

    files: of requests. left_out: image_id -> why it is not asked about. prompt: the words, labels in their own order.
    """

    files: tuple[Path, ...]
    requests: int
    images: int
    prompt: str
    left_out: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "files": [str(file) for file in self.files]}


def ask(dataset: str | Path, config: AskConfig, out: Path, *, say: Say = print) -> Asked:
    """Write batch requests to `out`, one image after the other, all of them or, after an error, none.

    The order of the labels is another for each request, drawn from the seed, the image and the sample, so that a liking
    for the first label evens out.

    Args:
        dataset: the data set's folder.
        config: what to ask, see AskConfig.
        out: requests.jsonl; where one file is not enough, requests-002.jsonl and so on. None of them may exist.
        say: called with each line for the user.

    Raises:
        BadInput: for an option or a place that cannot be used, and where no image can be sent.
        BadDataset: for a data set without a fitting target or a taxonomy of its own.
    """
    _check(config)
    for file in (out, *sorted(out.parent.glob(f"{out.stem}-[0-9][0-9][0-9]{out.suffix}"))):
        try_file(file)
    data = Dataset.open(dataset)
    images, labels, one, question = _asking(data, config, say)
    wording = instruction(question, config.answer, one=one)
    drawn, table = shuffle_of(labels, config.seed), data.images.set_index("image_id")
    left, files, requests = dict[str, str](), list[Path](), 0

    def lines() -> Iterator[bytes]:
        for image in images:
            bar.advance()
            try:
                url = _url(data, table.loc[image], config)
            except AffectmlError as error:
                left[image] = str(error)
                continue
            for sample in range(1, config.samples + 1):
                shown = shuffled(labels, config.seed, image, sample)
                body = _body(url, prompt(wording, shown, config.answer, one=one), shown, config)
                request_id = custom_id(image, sample, answer=config.answer, shuffle=drawn)
                request = {"custom_id": request_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
                yield json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    with ExitStack() as stack, Progress("writing requests", len(images), "images") as bar:
        for number, part in groupby(_parted(lines(), config), key=itemgetter(0)):
            files.append(out.with_name(f"{out.stem}-{number:03d}{out.suffix}") if files else out)
            with stack.enter_context(replacing(files[-1])).open("wb") as handle:
                for _, line in part:
                    handle.write(line)
                    requests += 1
        if not files:
            first, why = next(iter(left.items()), ("", "no image in this part"))
            raise BadInput(f"{data.root}: no image can be sent; the first, {first!r}: {why}")
    if left:
        say(f"{len(left)} images are left out: {few([f'{image}: {why}' for image, why in left.items()], 5, '; ')}")
    asked = prompt(wording, labels, config.answer, one=one)
    return Asked(tuple(files), requests, len(images) - len(left), asked, left)


def _parted(lines: Iterable[bytes], config: AskConfig) -> Iterator[tuple[int, bytes]]:
    """Each request with the number of its file, from 1; raises BadInput for one that no file can hold."""
    number, held, size, most = 1, 0, 0, int(config.max_megabytes * 1_000_000)
    for line in lines:
        if len(line) > most:
            limit, way = option("max_megabytes", most / 1_000_000), f"take a smaller {option('side')}"
            raise BadInput(f"a request of {len(line):,} bytes is more than {limit}; {way}")
        if held == config.max_requests or size + len(line) > most:
            number, held, size = number + 1, 0, 0
        held, size = held + 1, size + len(line)
        yield number, line


def instruction(question: str, answer: Answer, *, one: bool) -> str:
    """The question that people were asked, and what to do with the labels. one: whether each person chooses one."""
    if answer == "ranking":
        return f"{question}\nRank all labels."
    if answer == "shares":
        rule = "chooses one" if one else "may choose several, or none"
        people = f"Of {PEOPLE} people who look at this image, how many would choose each label?"
        return f"People are asked: {question}\n{people} Each {rule}."
    fits = "the one label that fits best" if one else "every label that applies; several may, or none"
    return f"{question}\nChoose {fits}."


def prompt(wording: str, labels: Sequence[str], answer: Answer, *, one: bool) -> str:
    """The words of a request: the wording, the labels, and what the answer's JSON holds."""
    of = f"of {PEOPLE} people would choose it{f', {PEOPLE} in all' if one else ''}"
    form = {
        "sets": f'{{"labels": [...]}}, with the {"one label" if one else "labels, or [] if none applies"}',
        "shares": f'{{"LABEL": NUMBER, ...}}, with every label and how many {of}',
        "ranking": '{"ranking": [...]}, with all labels, from the most to the least fitting',
    }
    return f"{wording}\nLabels: {', '.join(labels)}\nAnswer with JSON only: {form[answer]}."


def schema(labels: Sequence[str], answer: Answer) -> dict[str, Any]:
    """The JSON schema of an answer: closed, all of it required, and without limits of numbers and lengths, for which
    Azure, Anthropic and Groq refuse a request.
    """
    held: dict[str, Any] = {label: {"type": "integer"} for label in labels}
    if answer != "shares":
        items = {"type": "array", "items": {"type": "string", "enum": list(labels)}}
        held = {"labels" if answer == "sets" else "ranking": items}
    return {"type": "object", "properties": held, "required": list(held), "additionalProperties": False}


def _check(config: AskConfig) -> None:
    check_range(config)
    check_choice(option("split"), config.split, PARTS)
    if not config.model.strip():
        raise BadInput(f"{option('model', config.model)}: expected the name that the server knows the model by")
    check_choice(option("answer"), config.answer, get_args(Answer))
    if own := config.body.keys() & {"model", "messages", "temperature"}:
        other = "the question and the image" if "messages" in own else option(min(own))
        raise BadInput(f"{option('body')}: not for {min(own)}, which {other} sets")


def _asking(data: Dataset, config: AskConfig, say: Say) -> tuple[list[str], tuple[str, ...], bool, str]:
    """About which images and labels is asked, whether one label is chosen, and the question that people were asked.

    Without a target, what people are to be asked, who may choose several. Where nobody wrote a question down, it is one
    of our own about the same construct.
    """
    own, table = data.meta.resolve_taxonomy(), data.images
    if config.target is None and not data.meta.targets and own is not None:
        put, by, labels, one = data.meta.judgements or Put("evoked"), str(data.root), own.labels, False
        images = table["image_id"].tolist()
        if config.split != "all" and "split" in table and table["split"].notna().any():
            images = table.loc[table["split"] == config.split, "image_id"].tolist()
        elif config.split != "all":
            say(f"{data.root} has neither a target nor a split: asking about all of its images")
    else:
        if config.target is None and len(data.meta.targets) > 1:
            targets = ", ".join(data.meta.targets)
            raise BadDataset(f"{data.root}: it has targets {targets}; choose with {option('target')}")
        target = choose_target(data, multilabel=None, name=config.target)
        put, by = Put(target.meta.construct, target.meta.question), f"target {target.name}"
        split = split_of(data, target, config.split, config.seed, store_of(data))
        images = [str(image) for image in (target.image_id if split is None else split.ids(config.split))]
        labels, one = target.taxonomy.labels, target.kind in ("single", "distribution")
    question = config.question or (put.question if was_asked(put.question) else QUESTIONS[put.construct])
    if not (config.question or was_asked(put.question)):
        lacks = f"{by} does not have the words that people were asked"
        say(f"{lacks}: asking {question!r} ({option('question')} asks another)")
    return images, labels, one, question


def _body(url: str, words: str, labels: Sequence[str], config: AskConfig) -> dict[str, Any]:
    content = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": url}}]
    body: dict[str, Any] = {"model": config.model, "messages": [{"role": "user", "content": content}]}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    if config.json_schema:
        named = {"name": "answer", "strict": True, "schema": schema(labels, config.answer)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body | dict(config.body)


def _url(data: Dataset, row: Any, config: AskConfig) -> str:
    """The image as a data URL, upright and small, or its address."""
    place = row.get("url" if config.image_urls else "file")
    if not isinstance(place, str) or not place:
        no_file = f"it has no file ({option('image_urls', True)} sends urls)"
        raise BadInput("it has no url" if config.image_urls else no_file)
    if config.image_urls:
        return place
    return data_uri(read_image(data.image_path(place)), config.side)


def shuffled(labels: Sequence[str], seed: int, image_id: str, sample: int) -> tuple[str, ...]:
    """The order in which a request shows the labels: the same for the same seed, image and sample."""
    order = list(labels)
    random.Random(f"{seed}\0{sample}\0{image_id}").shuffle(order)
    return tuple(order)


def split_of(
    dataset: Dataset, targets: Targets, part: str, seed: int, store: EmbeddingStore | None = None
) -> Split | None:
    """The split of a data set as `train` splits it; None where part is "all".

    Args:
        dataset: with its own split, or without one.
        targets: which of its targets.
        part: "test", "val" or "all": the images to ask about or to judge.
        seed: of a new split.
        store: its embeddings, where there are any: images of equal pixels then stay together, as for `train`.

    Raises:
        BadDataset: where the data set cannot be split.
        BadInput: for another part.
    """
    check_choice(option("split"), part, PARTS)
    if part == "all":
        return None
    ids = targets.image_id
    copies = same_pixels(dataset, ids, store.rows(ids)) if store is not None and not store.missing(ids) else ()
    try:
        return split_dataset(dataset, targets, seed, copies)
    except BadDataset as error:
        raise BadDataset(f"{error}; or take all images: {option('split', 'all')}") from None


def store_of(dataset: Dataset) -> EmbeddingStore | None:
    """The data set's embeddings, where there is one store and no doubt about it."""
    with suppress(AffectmlError):
        return EmbeddingStore.for_dataset(dataset)
    return None
