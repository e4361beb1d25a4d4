"""What a user may say of labels and tables; the command line makes its options of these annotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from affectml._options import Help, check_choice
from affectml.data.schema import Kind, VoteRule
from affectml.taxonomies import Taxonomy, get_taxonomy

SomeTaxonomy = Annotated[
    str | Taxonomy | None, Help("A built-in taxonomy or a YAML file.", default="inferred from the labels")
]
Renaming = Annotated[Mapping[str, str] | None, Help("Rename a label; may be given several times.")]
Partial = Annotated[bool, Help("Take what there is where a part of the set is missing.")]
ImagesRoot = Annotated[str | Path | None, Help("Folder that holds the images.", default="the set's folder")]


@dataclass(frozen=True)
class TableSpec:
    """How a table is to be read; what is not said is found in it and noted.

    images_root: what file names are relative to; the table's folder unless given. *_column: the column of that role.
    label_column: one label in each row, or several; label_columns: a column per label, of 0/1, votes or shares.
    delimiter: what separates labels in a cell; "" for one label a cell, whatever marks it holds. annotator_column: who
    judged, so that each row is one judgement; anonymous: each row is a judgement by a person without a name. n: the
    people asked about every image, where no column says it. mapping:
    label as spelt -> label. kind, vote_rule: of the target, as in dataset.json. empty: what an empty label cell is,
    "none" (no label applies) or "skip" (not known). duplicates: what a second row of an image is, "error", "first"
    (keep the first) or "union" (join the labels). encoding, separator: of a text file. embeddings: features of the
    images that were made elsewhere; a matrix without names has the table's rows. Raises BadInput for a word that is
    none of these.
    """

    images_root: Annotated[
        str | Path | None, Help("Folder that file names are relative to.", default="the table's folder")
    ] = None
    file_column: Annotated[str | None, Help("Column with the image's file name.")] = None
    url_column: Annotated[str | None, Help("Column with the image's url.")] = None
    label_column: Annotated[str | None, Help("Column with the label or the list of labels.")] = None
    label_columns: Annotated[Sequence[str] | None, Help("Columns, one per label: 0/1, votes or shares.")] = None
    delimiter: Annotated[str | None, Help("What separates labels in a cell.")] = None
    annotator_column: Annotated[str | None, Help("Column with the person: each row is one judgement.")] = None
    anonymous: Annotated[bool, Help("Each row is one judgement by a person without a name.")] = False
    n_column: Annotated[str | None, Help("Column with the number of people asked.")] = None
    n: Annotated[int | None, Help("Number of people asked about every image, where no column says it.")] = None
    split_column: Annotated[str | None, Help("Column with train, val or test.")] = None
    group_column: Annotated[str | None, Help("Column that names images a split must not part.")] = None
    taxonomy: SomeTaxonomy = None
    kind: Annotated[Kind | None, Help("single, sets, rates or distribution.", default="inferred from the values")] = (
        None
    )
    vote_rule: Annotated[
        VoteRule | None, Help("How votes became a distribution: one_choice, set_split, normalised, moments, unknown.")
    ] = None
    empty: Annotated[str | None, Help("What an empty label cell is: none (no label applies) or skip (not known).")] = (
        None
    )
    duplicates: Annotated[
        str, Help("Rows that repeat an image: error, first (keep it) or union (join the labels).")
    ] = "error"
    mapping: Renaming = None
    encoding: Annotated[str, Help("Encoding of a text file.")] = "utf-8"
    separator: Annotated[str | None, Help("What separates cells.", default="found from the header")] = None
    embeddings: Annotated[str | Path | None, Help("File of the images' features, as `import embeddings` takes it.")] = (
        None
    )

    def __post_init__(self) -> None:
        for option, value, choices in (
            ("duplicates", self.duplicates, ("error", "first", "union")),
            ("kind", self.kind, get_args(Kind)),
            ("vote_rule", self.vote_rule, get_args(VoteRule)),
            ("empty", self.empty, ("none", "skip")),
        ):
            if value is not None:
                check_choice(option, value, choices)

    @property
    def given(self) -> Taxonomy | None:
        """The taxonomy that was given, if one was."""
        return get_taxonomy(self.taxonomy) if isinstance(self.taxonomy, str) else self.taxonomy

    @property
    def renamed(self) -> Mapping[str, str]:
        """`mapping`, empty where there is none."""
        return self.mapping or {}
