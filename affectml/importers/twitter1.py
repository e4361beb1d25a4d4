"""Twitter I (You et al. 2015): images from tweets, each judged positive or negative by five people."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd

from affectml._options import Help
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers.draft import Draft, Source, draft, image_table, one_hot, published, vote_table
from affectml.importers.find import find, locate, read_lines, relative_names, repeated
from affectml.importers.read import Table, first_row, numbers, read_table
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy

_AGREE = {3: "three_agree.txt", 4: "four_agree.txt", 5: "five_agree.txt"}
_PEOPLE = 5
_HEADER = ("image", "n", "count 1", "count 2")  # where amt_result.csv comes without one


@importer("twitter1", published("twitter1"))
def twitter1(
    source: Source,
    *,
    positive_column: Annotated[
        str | None, Help("Column of amt_result.csv that counts positive votes.", default="found")
    ] = None,
) -> Draft:
    """Twitter I (You et al. 2015): PATH holds amt_result.csv, {three,four,five}_agree.txt, or some of them.

    With amt_result.csv, or with all three lists, the target is `distribution` over polarity-2: votes of five people.
    With some of the lists alone it is `single`. Which of the two counts is the positive one is read from the header,
    else from the lists (1 is positive), else it must be said. Column `agree` tells how many people at least agreed. An
    amt_result.csv without a header has the columns image, n, "count 1" and "count 2".
    """
    root, taxonomy = source.path, get_taxonomy("polarity-2")
    where: dict[str, str] = {}
    files = {count: file for count, wanted in _AGREE.items() if (file := find(root, [wanted]))}
    lists = {count: _read_list(file, root, where) for count, file in files.items()}
    _check_lists(lists, files, where)
    csv = find(root, ["amt_result.csv"])
    if csv is None and not lists:
        raise BadInput(f"{root}: neither amt_result.csv nor {', '.join(_AGREE.values())}; one of them is needed")
    majority = {image: label for count in sorted(lists) for image, label in lists[count].items()}
    votes = _votes_of_lists(lists) if len(lists) == len(_AGREE) else None
    note = "votes follow from the three lists: how many of five people agreed at least"
    if csv is not None:
        table = read_table(csv, first="image", headless=_HEADER)
        votes, note = _votes(table, root, positive_column, majority)
        where = {image: table.where(row) for row, image in enumerate(votes["image_id"])}
    elif votes is None:
        note = f"without amt_result.csv and all three lists only the majority is known ({len(lists)} of 3)"
    ids = list(majority) if votes is None else votes["image_id"].tolist()
    folder = find(root, ["Agg_AMT_Candidates", "images"], folder=True) or root
    here = locate(ids, folder, csv or root, [where[image] for image in ids], source.images)
    agree = [max((count for count, part in lists.items() if image in part), default=None) for image in ids]
    columns = {"agree": pd.array(agree, dtype="Int64")} if lists else {}
    result = draft(source, image_table(ids, here.files, **columns), here.places)
    result.notes.append(note)
    result.skipped["images that no row names"] = here.spare
    result.skipped["images of a list that amt_result.csv lacks"] = sorted(set(majority) - set(ids))
    if votes is not None:
        made_by = f"votes in {csv.name if csv is not None else 'the three lists of agreement'}"
        entry = {"values": "votes", "vote_rule": "one_choice", "made_by": made_by}
        result.add("distribution", "distribution", votes, taxonomy, **entry)
    else:
        target = one_hot(ids, [majority[image] for image in ids], taxonomy)
        made_by = " and ".join(_AGREE[count] for count in lists)
        result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
    return result


def _read_list(file: Path, root: Path, where: dict[str, str]) -> dict[str, int]:
    """The label of each image; `where` gets the place of those that no earlier list has."""
    found: dict[str, int] = {}
    for number, line in read_lines(file):
        image, _, label = line.replace("\t", " ").rpartition(" ")
        if not image or label not in ("0", "1"):
            raise BadInput(f"{file}, line {number}: expected an image and 0 or 1, but received {line[:80]!r}")
        (clean,) = relative_names([image], root, [f"{file}, line {number}"])
        if found.setdefault(clean, int(label)) != int(label):
            raise BadInput(f"{file}, line {number}: {clean!r} is both 0 and 1; take one of its lines out")
        where.setdefault(clean, f"{file}, line {number}")
    return found


def _check_lists(lists: Mapping[int, Mapping[str, int]], files: Mapping[int, Path], where: Mapping[str, str]) -> None:
    """Raise BadInput where an image of a list is not in one of fewer people, or has another label there."""
    for fewer, more in pairwise(sorted(lists)):
        for image, label in lists[more].items():
            other = lists[fewer].get(image)
            if other is None:
                raise BadInput(
                    f"{files[more]}: {image!r} is not in {files[fewer].name}, which should hold all images of "
                    f"{files[more].name}; mend the lists"
                )
            if other != label:
                raise BadInput(
                    f"{files[more]}: {image!r} is {label}, but {other} in {where[image]}; mend one of the lists"
                )


def _votes(table: Table, root: Path, positive: str | None, majority: Mapping[str, int]) -> tuple[pd.DataFrame, str]:
    columns = [str(column) for column in table.frame.columns]
    if len(columns) != 4:
        raise BadInput(f"{table.path}: expected four columns (image, n, and two counts), got {', '.join(columns)}")
    where = table.places()
    ids = relative_names(table.frame[columns[0]].tolist(), root, where)
    repeated(ids, where, "take one of the two out")
    n, one, other = numbers(table, columns[1:]).T
    pair = {columns[2]: one, columns[3]: other}
    if (row := first_row((one + other != n) | (n < 1) | (n != np.round(n)))) is not None:
        raise BadInput(
            f"{where[row]}: {one[row]:g} and {other[row]:g} votes of n = {n[row]:g}; expected them to add up"
        )
    if positive is not None and positive not in pair:
        asked = f"{option('positive_column')}: no count {positive!r}{did_you_mean(positive, pair)}"
        raise BadInput(f"{table.path}: {asked} (counts: {', '.join(pair)})")
    by_name = [column for column in pair if "pos" in column.casefold()]
    chosen, why = positive, "as the user says"
    if chosen is None and len(by_name) == 1:
        chosen, why = by_name[0], "by its name"
    if chosen is None and majority:
        chosen, why = _by_lists(pair, ids, majority, table), "by the lists of agreement"
    if chosen is None:
        raise BadInput(
            f"{table.path}: which of {' and '.join(map(repr, pair))} counts the positive votes? Say "
            f"{option('positive_column')}, or put three_agree.txt beside it"
        )
    up = pair[chosen]
    wrong = [i for i, image in enumerate(ids) if image in majority and (up[i] * 2 > n[i]) != bool(majority[image])]
    if wrong:
        raise BadInput(
            f"{where[wrong[0]]}: {up[wrong[0]]:g} of {n[wrong[0]]:g} positive votes in {chosen!r}, but the lists of "
            f"agreement say {majority[ids[wrong[0]]]} (1 is positive); is it the other column "
            f"({option('positive_column')})?"
        )
    votes = np.stack([n - up, up], axis=1)
    return vote_table(ids, votes, get_taxonomy("polarity-2")), f"positive votes: {chosen} ({why})"


def _by_lists(pair: Mapping[str, np.ndarray], ids: list[str], majority: Mapping[str, int], table: Table) -> str:
    first, second = pair
    rows = [i for i, image in enumerate(ids) if image in majority]
    if not rows:
        raise BadInput(f"{table.path}: no image of it stands in the lists; say {option('positive_column')}")
    fits = sum((pair[first][i] > pair[second][i]) == bool(majority[ids[i]]) for i in rows)
    return first if fits * 2 > len(rows) else second


def _votes_of_lists(lists: Mapping[int, Mapping[str, int]]) -> pd.DataFrame:
    rows = []
    for image, label in lists[3].items():
        agreed = max(count for count, part in lists.items() if image in part)
        rows.append((_PEOPLE - agreed, agreed) if label else (agreed, _PEOPLE - agreed))
    return vote_table(list(lists[3]), rows, get_taxonomy("polarity-2"))
