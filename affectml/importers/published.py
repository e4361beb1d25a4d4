"""Published sets of plain shape: what published.yaml says of each is all that there is to say.

An entry's `recipe` names a reader below and what it is to look for, its `help` stands in `affectml import NAME --help`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._options import Help
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.draft import (
    Draft,
    Source,
    draft,
    image_table,
    label_table,
    one_hot,
    published,
    published_sets,
    vote_table,
)
from affectml.importers.find import SUFFIXES, files_in, find, locate, need, read_lines, relative_names, repeated
from affectml.importers.labels import MIKELS_WORDS, label_of
from affectml.importers.read import Partial, Table, first_row, numbers, read_table
from affectml.importers.registry import importer
from affectml.taxonomies import Taxonomy, get_taxonomy

Order = Annotated[Sequence[str] | None, Help("The emotions in the files' order.", default="the header's")]
Recipe = Mapping[str, Any]
Read = Callable[..., Draft]
PREFIX = "prob."  # of a label's column, as Emotion6 has it
_OTHERS = "`affectml import folder` takes any names of folders"


def _words(taxonomy: Taxonomy) -> dict[str, str]:
    """What a set may call the labels, in small letters."""
    return MIKELS_WORDS if taxonomy.name == "mikels-8" else {label: label for label in taxonomy.labels}


# Labels in the names of folders or files


def named_files(recipe: Recipe) -> Read:
    """Images in folders called like the labels, capitals aside; with `images`, in one folder, and called so themselves.

    subfolder: the column that keeps the folder between the label's and the image.
    """

    def read(source: Source, *, partial: Partial = False) -> Draft:
        taxonomy, by_folder = get_taxonomy(recipe["taxonomy"]), "images" not in recipe
        words = {label: label for label in taxonomy.labels} if by_folder else _words(taxonomy)
        top = _top(source.path, words) if by_folder else find(source.path, [recipe["images"]], folder=True)
        top = top or source.path
        ids, labels, between, others = [], [], [], []
        for file in files_in(top, inside=source.path):
            parts = file.relative_to(top).parts
            if file.suffix.lower() not in SUFFIXES or (len(parts) > 1) is not by_folder:
                others.append(str(file))
                continue
            word = parts[0] if by_folder else parts[0].partition("_")[0]
            place = f"folder {top / parts[0]}" if by_folder else str(file)
            labels.append(label_of(word, words, place, f"rename it or move it away; {_OTHERS}"))
            ids.append("/".join(parts))
            between.append("/".join(parts[1:-1]) or None)
        missing = ", ".join(label for label in taxonomy.labels if label not in labels)
        if missing and not partial:
            raise BadInput(
                f"{top}: no images for {missing}, so half of the set is not there; complete it, or take what there "
                f"is: {option('partial', True)}"
            )
        columns = {recipe["subfolder"]: between} if "subfolder" in recipe and any(between) else {}
        result = draft(source, image_table(ids, ids, **columns), [top / name for name in ids], top)
        result.notes += [f"no images for {missing}: imported as a part of the set"] if missing else []
        result.skipped["files that are no images by their suffix, or lie where the set has none"] = others
        target = one_hot(ids, [taxonomy.index(label) for label in labels], taxonomy)
        made_by = "the name of the folder that holds the image" if by_folder else "the beginning of the file's name"
        result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
        return result

    return read


def _top(root: Path, words: Collection[str]) -> Path:
    """The folder that holds the labels' folders: root, or the only folder of it that has some."""
    holders = [
        folder
        for folder in (root, *sorted(entry for entry in root.iterdir() if entry.is_dir()))
        if any(entry.is_dir() and entry.name.strip().casefold() in words for entry in folder.iterdir())
    ]
    if not holders:
        raise BadInput(f"{root}: no folder called {', '.join(words)} in it or in a folder of it; name the set's folder")
    if root not in holders and len(holders) > 1:
        raise BadInput(f"{root}: both {holders[0].name} and {holders[1].name} hold labels' folders; name one of them")
    return holders[0]


# Votes or shares in a table


def answers(recipe: Recipe) -> Read:
    """A table, or one a split, with an image and a number for each label in each row.

    files: by their names, the split of each. separator: of cells; a space for text whose header may be absent or of
    another order. images: folders that may hold the images. columns: others that are kept. keyword: the column that
    keeps the folder of an image's name. rule: of the votes; without one, found (whole numbers of one sum are
    one_choice).
    """

    def read(source: Source) -> Draft:
        return _answers(source, recipe, None)

    def read_in_order(source: Source, *, columns: Order = None) -> Draft:
        return _answers(source, recipe, columns)

    return read_in_order if recipe["separator"] == " " else read


def _answers(source: Source, recipe: Recipe, columns: Sequence[str] | None) -> Draft:
    root, taxonomy = source.path, get_taxonomy(recipe["taxonomy"])
    found = [(file, part) for name, part in recipe["files"].items() if (file := find(root, [name])) is not None][:2]
    if not found:
        need(root, next(iter(recipe["files"])), recipe["layout"])
    order = None if columns is None else _order(columns, option("columns"), taxonomy)
    tables, notes = [], []
    for file, _ in found:
        if recipe["separator"] == " ":
            table, said = _text_table(file, order, taxonomy)
            notes.append(said)
        else:
            table = read_table(file, separator=recipe["separator"], first=recipe["image"])
        tables.append(table)
    columns_of = [_columns(table, recipe, taxonomy) for table in tables]
    pairs = list(zip(tables, columns_of, strict=True))
    where = [place for table in tables for place in table.places()]
    below = root if recipe["separator"] != "," else tables[0].path.parent
    names = [name for table, at in pairs for name in table.frame[at["image"]]]
    ids = [name.removeprefix("images/") for name in relative_names(names, below, where)]
    repeated(ids, where, "take one of the two out")
    counts = np.concatenate([_counts(table, [at[label] for label in taxonomy.labels], recipe) for table, at in pairs])
    values, rule, note = _kind_of(counts, where, recipe.get("rule"))
    folder = find(root, recipe["images"], folder=True) or below
    here = locate(ids, folder, found[0][0], where, source.images)
    cast = counts.sum(axis=1) > 0
    splits = [part for (_, part), table in zip(found, tables, strict=True) for _ in range(len(table.frame))]
    kept: dict[str, Any] = {"split": splits} if any(splits) else {}
    if "keyword" in recipe:
        kept[recipe["keyword"]] = [image.rpartition("/")[0] or None for image in ids]
    for column in recipe.get("columns", ()):
        kept[column] = np.concatenate([numbers(table, [at[column]])[:, 0] for table, at in pairs])
    images = image_table(ids, here.files, **kept)[cast].reset_index(drop=True)
    result = draft(source, images, list(compress(here.places, cast)))
    said = "given by the user" if columns is not None else "taken from the header"
    result.notes += [f"order of the columns {said}: {'; '.join(dict.fromkeys(notes))}"] if notes else []
    result.notes += [note] if note else []
    result.skipped["rows in which nobody voted"] = list(compress(where, ~cast))
    result.skipped["images that no row names"] = here.spare
    target = (vote_table if values == "votes" else label_table)(ids, counts, taxonomy)[cast]
    made_by = f"{values} in {' and '.join(file.name for file, _ in found)}"
    result.add("distribution", "distribution", target, taxonomy, values=values, vote_rule=rule, made_by=made_by)
    return result


def _columns(table: Table, recipe: Recipe, taxonomy: Taxonomy) -> dict[str, str]:
    """The column of the image, of each label and of what else the recipe keeps."""
    found: dict[str, str] = {}
    for column in map(str, table.frame.columns):
        word = column.strip() if column[: len(PREFIX)].casefold() != PREFIX else column[len(PREFIX) :].strip()
        role = word.casefold()
        if column == table.frame.columns[0]:
            role = "image"
        elif role not in recipe.get("columns", ()):
            role = label_of(word, _words(taxonomy), f"{table.path}: column", f"expected {recipe['layout']}")
        if found.setdefault(role, column) != column:
            raise BadInput(f"{table.path}: columns {found[role]!r} and {column!r} are both {role}; take one out")
    if missing := [role for role in (*taxonomy.labels, *recipe.get("columns", ())) if role not in found]:
        raise BadInput(f"{table.path}: no column {missing[0]!r}; expected {recipe['layout']}")
    return found


def _order(words: Sequence[str], where: str, taxonomy: Taxonomy) -> list[str]:
    known = _words(taxonomy)
    labels = [label_of(word, known, where, "name the labels in the file's order") for word in words]
    if sorted(labels) != sorted(taxonomy.labels):
        raise BadInput(f"{where}: expected each of {', '.join(taxonomy.labels)} once, got {', '.join(words)}")
    return labels


def _text_table(file: Path, order: list[str] | None, taxonomy: Taxonomy) -> tuple[Table, str]:
    """Lines of an image, whose name may hold spaces, and a number for each label; and the order of these."""
    lines, count = read_lines(file), len(taxonomy.labels)
    head = lines[0][1].split()
    has_header = _floats(head[-count:]) is None or len(head) <= count
    if not has_header and order is None:
        raise BadInput(
            f"{file}, line 1: no header names the columns, and published readers disagree on their order; "
            f"say it: {option('columns', ['Amusement', 'Awe', '...'])}"
        )
    order = order or _order([word.strip("'\"[]") for word in head[-count:]], f"{file}, line 1", taxonomy)
    rows: list[list[Any]] = []
    for number, line in lines[has_header:]:
        cells = line.replace("\t", " ").split()
        values = _floats(cells[-count:])
        if len(cells) <= count or values is None:
            raise BadInput(f"{file}, line {number}: expected an image and {count} numbers, but received {line[:80]!r}")
        rows.append([" ".join(cells[:-count]), *values])
    if not rows:
        raise BadInput(f"{file}: a header and no rows")
    places = np.array([number for number, _ in lines[has_header:]], dtype=np.int64)
    return Table(file, pd.DataFrame(rows, columns=["image", *order]), places, "line"), ", ".join(order)


def _floats(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _counts(table: Table, columns: Sequence[str], recipe: Recipe) -> NDArray[np.float64]:
    """The numbers of these columns [N, C], none negative and, of votes, all whole."""
    cells = numbers(table, columns)
    bad = (cells < 0) | ((cells != np.round(cells)) & (recipe.get("rule") == "one_choice"))
    table.refuse(bad, columns, cells, "expected a share or a whole number of votes, 0 or more")
    return cells


def _kind_of(cells: NDArray[np.float64], where: Sequence[str], rule: str | None) -> tuple[str, str, str]:
    """Whether these [N, C] are votes or shares, by which rule, and a note of what was found."""
    sums, whole = cells.sum(axis=1), bool((cells == np.round(cells)).all())
    if rule == "one_choice":
        return "votes", rule, ""
    if whole and cells.max(initial=0) > 1:
        people = np.unique(sums[sums > 0])
        if len(people) == 1:
            return "votes", "one_choice", f"{people[0]:.0f} votes in every row: one choice each"
        between = f"between {people.min():.0f} and {people.max():.0f} votes in a row"
        return "votes", "unknown", f"{between}: vote rule unknown"
    off = (np.abs(sums - 1) > SUM_TOLERANCE) & (sums != 0)  # rows of zeros are left out, as among votes
    if (row := first_row(off)) is not None:
        raise BadInput(f"{where[row]}: the shares sum to {sums[row]:.4g}, expected 1, or whole votes; mend the row")
    return "shares", "unknown", "" if rule else "shares that sum to 1: vote rule unknown"


READERS: Mapping[str, Callable[[Recipe], Read]] = {"named_files": named_files, "answers": answers}


def _register() -> None:
    for name, said in published_sets().items():
        if "recipe" in said:
            read = READERS[said["recipe"]["reader"]](said["recipe"])
            read.__doc__ = said["help"]
            importer(name, published(name))(read)


_register()
