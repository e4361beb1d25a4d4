"""The columns of a judgement, each said once: whatever stores, reads, writes or shows judgements goes by this table.

A new column is a row here. The label database gets it by the migration that `since` names; Parquet, CSV, JSON lines,
Label Studio and data sets hold it; an answer from a browser may bring it.
"""

from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "language", "whole", "number", "truth", "time", "labels", "numbers"]


@dataclass(frozen=True)
class Column:
    """One column.

    by: whose it is: part of the key; said by the person of the image; told by the page as a circumstance (how long it
    took, when, in which language); or known to the task. personal: it says more of a person than their answers do, and
    is shared only where somebody asks for it. low, high: the range that a page may send; of a text, `high` is how many
    characters. since: the schema of the label database that has it.
    """

    name: str
    type: Type
    by: Literal["key", "person", "page", "task"]
    about: str
    personal: bool = False
    low: float = float("-inf")
    high: float = float("inf")
    since: int = 1


# In the order in which files have them.
COLUMNS = (
    Column("event_id", "text", "key", "one for each answer that was ever given", personal=True, high=64),
    Column("image_id", "text", "key", "the image", high=400),
    Column("annotator_id", "text", "key", "who answered"),
    Column("round", "whole", "key", "1 is the first look; repeats and further looks have rounds of their own"),
    Column("kind", "text", "person", "labels, none (no label applies: an answer), unsure or skip", high=40),
    Column("labels", "labels", "person", "the labels chosen"),
    Column("intensities", "numbers", "person", "how strongly, a number per label in their order", low=1, high=3),
    Column("valence", "number", "person", "from unpleasant to pleasant", low=-1, high=1),
    Column("arousal", "number", "person", "from calm to excited", low=-1, high=1),
    Column("flag", "truth", "person", "whether something is wrong with the image, as the note says", since=5),
    Column("suggestions_visible", "truth", "task", "whether a model's suggestion was in sight; another tool's may be"),
    Column("seconds", "number", "page", "how long the image was in sight", personal=True, low=0, high=7 * 86_400),
    # 2020: a clock that says earlier was never set
    Column("at", "time", "page", "when the answer was given", personal=True, low=1_577_836_800, high=1e11),
    Column("note", "text", "person", "what the person wrote", personal=True, high=2000),
    Column("language", "language", "page", "the code of the language that the page spoke", personal=True, since=3),
    Column("purpose", "text", "task", "task, check, repeat, second or discussion", since=4),
)
