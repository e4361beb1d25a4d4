"""FlickrLDL and TwitterLDL (Yang, Sun & Sun 2017): votes for Mikels' eight in space-separated text files."""

from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from affectml._options import Help
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.columns import WHOLE
from affectml.importers.draft import Draft, Source, draft, image_table, label_table, vote_table
from affectml.importers.find import find, locate, read_lines, relative_names, repeated
from affectml.importers.labels import MIKELS_WORDS, label_of
from affectml.importers.read import first_row
from affectml.taxonomies import get_taxonomy

Order = Annotated[Sequence[str] | None, Help("The eight emotions in the files' order.", default="the header's")]
_FILES = {"train_ground_truth.txt": "train", "test_ground_truth.txt": "test", "ground_truth.txt": None}


def read_ldl(source: Source, columns: Sequence[str] | None) -> Draft:
    """Read {train,test}_ground_truth.txt, or one of them, or ground_truth.txt; the target is `distribution`.

    columns: the eight emotions in the files' order, where a file has no header, or a wrong one. Whole numbers
    are votes (one_choice where every row has equally many, else unknown); fractions are shares that sum to 1. Rows
    of zeros are left out and named.
    """
    root, taxonomy = source.path, get_taxonomy("mikels-8")
    files = [(file, part) for wanted, part in _FILES.items() if (file := find(root, [wanted])) is not None][:2]
    if not files:
        raise BadInput(f"{root}: none of {', '.join(_FILES)}; expected the set's text files beside a folder images")
    order = None if columns is None else _order(columns, option("columns"))
    names, rows, where, splits, orders = [], [], [], [], []
    for file, part in files:
        found_order, content = _read(file, order)
        orders.append(", ".join(found_order))
        at = [found_order.index(label) for label in taxonomy.labels]
        for number, image, eight in content:
            names.append(image)
            rows.append([eight[i] for i in at])
            where.append(f"{file}, line {number}")
            splits.append(part)
    ids = [image.removeprefix("images/") for image in relative_names(names, root, where)]
    repeated(ids, where, "take one of the two out")
    votes = np.array(rows, dtype=np.float64)
    values, rule, note = _kind_of(votes, where)
    folder = find(root, ["images", "image"], folder=True) or root
    here = locate(ids, folder, files[0][0], where, source.images)
    cast = votes.sum(axis=1) > 0
    parts = {} if all(part is None for part in splits) else {"split": splits}
    images = image_table(ids, here.files, **parts)[cast].reset_index(drop=True)
    result = draft(source, images, list(compress(here.places, cast)))
    said = "given by the user" if columns is not None else "taken from the header"
    result.notes += [f"order of the columns {said}: {'; '.join(dict.fromkeys(orders))}", note]
    result.skipped["rows in which nobody voted"] = list(compress(where, ~cast))
    result.skipped["images that no row names"] = here.spare
    target = (vote_table if values == "votes" else label_table)(ids, votes, taxonomy)[cast]
    made_by = f"{values} in {' and '.join(file.name for file, _ in files)}"
    result.add("distribution", "distribution", target, taxonomy, values=values, vote_rule=rule, made_by=made_by)
    return result


def _order(words: Sequence[str], where: str) -> list[str]:
    way_out = "name the eight emotions of Mikels in the file's order"
    labels = [label_of(word, MIKELS_WORDS, where, way_out) for word in words]
    if sorted(labels) != sorted(set(MIKELS_WORDS.values())):
        raise BadInput(f"{where}: expected each of the eight emotions once, got {', '.join(words)}")
    return labels


def _read(file: Path, order: list[str] | None) -> tuple[list[str], list[tuple[int, str, list[float]]]]:
    """The order of the columns and (line, image, eight numbers) of every row."""
    lines = read_lines(file)
    head = lines[0][1].split()
    has_header = not _numbers(head[-8:]) or len(head) < 9
    if not has_header and order is None:
        raise BadInput(
            f"{file}, line 1: no header names the columns, and published readers disagree on their order; "
            f"say it: {option('columns', ['Amusement', 'Awe', '...'])}"
        )
    if order is None:
        order = _order([word.strip("'\"[]") for word in head[-8:]], f"{file}, line 1")
    content = []
    for number, line in lines[has_header:]:
        cells = [cell for cell in line.replace("\t", " ").split(" ") if cell]
        values = _numbers(cells[-8:])
        if len(cells) < 9 or values is None:
            raise BadInput(f"{file}, line {number}: expected an image and eight numbers, but received {line[:80]!r}")
        content.append((number, " ".join(cells[:-8]), values))
    if not content:
        raise BadInput(f"{file}: a header and no rows")
    return order, content


def _numbers(cells: list[str]) -> list[float] | None:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    return values if all(abs(value) <= WHOLE for value in values) else None


def _kind_of(votes: NDArray[np.float64], where: list[str]) -> tuple[str, str, str]:
    sums = votes.sum(axis=1)
    if (row := first_row((votes < 0).any(axis=1))) is not None:
        raise BadInput(f"{where[row]}: a number is negative; expected votes or shares")
    if (votes == np.round(votes)).all() and votes.max(initial=0) > 1:
        people = np.unique(sums[sums > 0])
        if len(people) == 1:
            return "votes", "one_choice", f"{people[0]:.0f} votes in every row: one choice each"
        between = f"between {people.min():.0f} and {people.max():.0f} votes in a row"
        return "votes", "unknown", f"{between}: vote rule unknown"
    off = (np.abs(sums - 1) > SUM_TOLERANCE) & (sums != 0)  # rows of zeros are left out, as among votes
    if (row := first_row(off)) is not None:
        raise BadInput(f"{where[row]}: expected whole votes or shares that sum to 1, but they sum to {sums[row]:.4g}")
    return "shares", "unknown", "shares that sum to 1: vote rule unknown"
