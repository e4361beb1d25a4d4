"""CSV, TSV and Parquet tables of any of the shapes that affect data come in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from numpy.typing import NDArray

from affectml.data import DatasetMeta, TargetMeta, check_new
from affectml.data._schema import Construct, Kind, VoteRule
from affectml.errors import BadInput, did_you_mean
from affectml.importers._columns import Columns, find_columns, tidy
from affectml.importers._images import check_placement, file_in_dataset, inside_name, is_usual
from affectml.importers._read import Table, read_table
from affectml.importers._shapes import Request, from_judgements, from_label_column, from_label_columns
from affectml.importers._summary import ImportSummary
from affectml.importers._write import Draft, write_draft
from affectml.importers.folder import SPLIT_OF, check_construct
from affectml.taxonomies import Taxonomy, get_taxonomy


def import_table(
    file: str | Path,
    out: str | Path,
    *,
    images_root: str | Path | None = None,
    file_column: str | None = None,
    url_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    annotator_column: str | None = None,
    anonymous: bool = False,
    n_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    mapping: Mapping[str, str] | None = None,
    taxonomy: str | Taxonomy | None = None,
    kind: Kind | None = None,
    vote_rule: VoteRule | None = None,
    empty: str | None = None,
    duplicates: str = "error",
    name: str | None = None,
    construct: Construct = "evoked",
    question: str = "",
    source: str = "",
    licence: str = "",
    images: str = "copy",
    encoding: str = "utf-8",
    separator: str | None = None,
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of a table that names an image in each row; what is not said is inferred and noted.

    Shapes: one label a row (target `single`); a delimited list (`sets`); one column per label, holding 0/1
    (`sets`, or `single` where every row has one), votes with or without the number of people asked (`rates`
    or `distribution`) or shares (`distribution` where rows sum to one, else `rates`); one row per judgement
    (annotations.parquet and `rates`; also `distribution` where everybody chose exactly one label).

    images_root: what file names are relative to; the table's folder unless given. annotator_column: who
    judged; `anonymous` says that each row is a judgement by a person without a name. mapping: label as spelt
    -> label. empty: what an empty label cell is, "none" or "skip"; an error unless given. duplicates: "error",
    "first" or "union" where an image has two rows. images: "copy", "hardlink", or "none" for labels whose
    embeddings come from elsewhere: names are kept as image_id and no file is looked for. strict: an image
    that cannot be used is an error, not a line in the summary.
    Raises BadInput, UnknownLabel and UnknownTaxonomy naming file, line and column; nothing is written then.
    """
    check_construct(construct)
    check_placement(images)
    _check_choice("duplicates", duplicates, ("error", "first", "union"))
    for option, value, choices in (
        ("kind", kind, get_args(Kind)),
        ("vote_rule", vote_rule, get_args(VoteRule)),
        ("empty", empty, ("none", "skip")),
    ):
        if value is not None:
            _check_choice(option, value, choices)
    check_new(Path(out))
    given = get_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    table = read_table(file, encoding=encoding, separator=separator)
    name = name or table.path.stem
    columns, notes = find_columns(
        table,
        file=file_column,
        url=url_column,
        split=split_column,
        group=group_column,
        annotator=annotator_column,
        n=n_column,
        label=label_column,
        labels=label_columns,
        taxonomy=given,
        mapping=mapping or {},
    )
    notes = [*table.notes, *notes]
    root = Path(images_root) if images_root is not None else table.path.parent
    if images_root is not None and not root.is_dir():
        raise BadInput(f"{root}: {'is a file, not a folder' if root.exists() else 'no such folder'}")
    identity = _identify(table, columns, root, images)
    ids = identity["image_id"].to_numpy(dtype=object)
    own = [c for c in table.frame.columns if c not in columns.used() and not c.startswith("n:")]
    taken = [c for c in own if c in ("image_id", "file", "url", "split", "group")]
    if taken:
        notes.append(f"columns left out, because the data set has its own of that name: {', '.join(taken)}")
        own = [c for c in own if c not in taken]
    request = Request(name, given, mapping or {}, delimiter, kind, vote_rule, empty, duplicates)
    if anonymous and columns.annotator is not None:
        raise BadInput(f"{table.path}: column {columns.annotator!r} names the people; leave out --anonymous")
    if anonymous or columns.annotator is not None:
        who = "a person without a name" if anonymous else f"the person in column {columns.annotator}"
        notes.append(f"one judgement per row, by {who}")
        shaped = from_judgements(table, ids, columns, own, request)
    elif columns.label is not None:
        shaped = from_label_column(table, ids, columns, own, request)
    else:
        shaped = from_label_columns(table, ids, columns, own, request)

    rows = shaped.rows
    image_table = identity.iloc[rows].drop(columns="source").reset_index(drop=True)
    if columns.split is not None:
        image_table["split"] = _splits(table, columns.split)[rows]
    for column in [*([columns.group] if columns.group else []), *shaped.own]:
        kept = "group" if column == columns.group else column
        image_table[kept] = tidy(table.frame[column]).iloc[rows].to_numpy()
    draft = Draft(
        meta=DatasetMeta(
            name=name,
            source=source,
            licence=licence,
            targets={
                key: TargetMeta(construct=construct, question=question, **entry)
                for key, (entry, _) in shaped.targets.items()
            },
            notes=list(dict.fromkeys([*notes, *shaped.notes])),
        ),
        images=image_table,
        sources=identity["source"].iloc[rows].tolist(),
        targets={key: content for key, (_, content) in shaped.targets.items()},
        annotations=shaped.annotations,
        skipped=shaped.skipped,
        people_named=not anonymous,
    )
    return write_draft(draft, out, images=images, strict=strict, where=str(table.path))


def _identify(table: Table, columns: Columns, root: Path, images: str) -> pd.DataFrame:
    """image_id, file, url and source (a path) of every row; raises BadInput for a row that names nothing."""
    frame = table.frame
    nothing = pd.Series([""] * len(frame), dtype=object)
    named = nothing if columns.file is None else _text(frame[columns.file])
    url = nothing if columns.url is None else _text(frame[columns.url])
    is_url = pd.Series([cell.lower().startswith(("http://", "https://")) for cell in named], dtype=bool)
    url = url.where(~is_url | (url != ""), named)
    named = named.where(~is_url, "")
    bare = (named == "") & (url == "")
    if bare.any():
        row = int(bare.to_numpy().argmax())
        looked = " and ".join(repr(c) for c in (columns.file, columns.url) if c)
        raise BadInput(
            f"{table.where(row)}: neither file nor url (column {looked} is empty); fill it in or take the row out"
        )
    names = [cell if is_usual(cell) else inside_name(cell, root, table.where(row)) for row, cell in enumerate(named)]
    own_id = columns.image_id is not None and columns.image_id not in (columns.file, columns.url)
    out = pd.DataFrame(index=frame.index)
    if own_id:
        ids = _text(frame[str(columns.image_id)])
        if (ids == "").any():
            raise BadInput(f"{table.where(int((ids == '').to_numpy().argmax()))}: image_id is empty")
    else:
        ids = pd.Series(names, dtype=object).where(named != "", url)
    out["image_id"] = ids
    if images == "none":
        out["source"] = None
    else:
        out["source"] = pd.Series([root / name if name else None for name in names], dtype=object)
        if any(names):
            out["file"] = [file_in_dataset(name) if name else None for name in names]
    if (url != "").any():
        out["url"] = url.where(url != "", None)
    return out


def _text(cells: pd.Series) -> pd.Series:
    """Cells as stripped text, the empty text where there is nothing."""
    return cells.astype(object).where(cells.notna(), "").astype(str).str.strip().astype(object)


def _splits(table: Table, column: str) -> NDArray[Any]:
    cells = _text(table.frame[column]).str.casefold()
    splits = cells.map(SPLIT_OF)
    odd = splits.isna() & (cells != "")
    if odd.any():
        row = int(odd.to_numpy().argmax())
        raise BadInput(
            f"{table.where(row)}: column {column!r}: split {table.frame[column].iloc[row]!r} is none of "
            "train, val, test; rename the splits, or the column if it means something else"
        )
    return splits.astype(object).where(splits.notna(), None).to_numpy()


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadInput(f"{option}: no {value!r}{did_you_mean(value, choices)} (expected one of {', '.join(choices)})")
