"""Published sets of plain shape: what published.yaml says of each is all that there is to say.

An entry's `recipe` names one of the READERS and what it is to look for, its `help` stands in `affectml import NAME
--help`. Every recipe may have taxonomy: a name, or all of it; words: what the set calls labels otherwise; files: by
their names, the split of each; images: folders that may hold the images.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import read_json
from affectml._progress import track
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput
from affectml.importers.draft import Draft, Source, draft, image_table, label_table, vote_table
from affectml.importers.find import SUFFIXES, files_in, find, locate, need, read_lines, relative_names, repeated
from affectml.importers.judged import Read, Recipe, holder, judgements
from affectml.importers.labels import label_of
from affectml.importers.read import Table, first_row, numbers, read_table, tidy
from affectml.importers.registry import importer, published, published_sets
from affectml.taxonomies import Taxonomy, get_taxonomy

_PREFIX = re.compile(r"^prob\.\s*", re.IGNORECASE)  # of a label's column, as Emotion6 has it
_OTHERS = "`affectml import folder` takes any names of folders"


def _words(recipe: Recipe) -> dict[str, str]:
    """What a set may call the labels, in small letters."""
    return {**{label: label for label in recipe["taxonomy"].labels}, **recipe.get("words", {})}


def _files(root: Path, recipe: Recipe) -> dict[Path, str | None]:
    """The files that are there, and the split of each; where some have a split, those alone. BadInput without any."""
    found = {file: split for name, split in recipe["files"].items() if (file := find(root, [name])) is not None}
    if not found:
        need(root, next(iter(recipe["files"])), ", ".join(recipe["files"]))
    return {file: split for file, split in found.items() if split} or found


def _ids(recipe: Recipe, names: Sequence[str], table: Path, where: Sequence[str]) -> list[str]:
    """What the images are called that a table names."""
    folders = tuple(f"{folder}/" for folder in ("images", *recipe["images"]))
    inside = relative_names(names, table.parent, where)
    return [name.partition("/")[2] if name.startswith(folders) else name for name in inside]


def _draft(
    source: Source, recipe: Recipe, ids: list[str], table: Path, where: Sequence[str], keep: Any = None, **columns: Any
) -> Draft:
    """A draft of the images that a table names, each once, with these columns. keep: which; all, unless given."""
    repeated(ids, where, "take one of the two out")
    folder = find(source.path, recipe["images"], folder=True) or table.parent
    here = locate(ids, folder, table, where, source.images)
    keep = np.ones(len(ids), dtype=bool) if keep is None else keep
    images = image_table(ids, here.files, **columns)[keep].reset_index(drop=True)
    result = draft(source, images, list(compress(here.places, keep)))
    result.skipped["images that no row names"] = here.spare
    return result


def spaced(file: Path, columns: Sequence[str], form: str, fits: Callable[..., bool], skip: bool = False) -> Table:
    """Lines of a name, which may hold spaces, and a cell for each further column.

    form: what error messages expect of a line, fits: whether its cells are so. skip: whether a header comes first.
    """
    lines, rows = read_lines(file)[skip:], []
    if not lines:
        raise BadInput(f"{file}: a header and no rows")
    for number, line in lines:
        cells = line.rsplit(None, len(columns) - 1)
        if len(cells) < len(columns) or not fits(*cells):
            raise BadInput(f"{file}, line {number}: expected {form}, but received {line[:80]!r}")
        rows.append(cells)
    places = np.array([number for number, _ in lines], dtype=np.int64)
    return Table(file, pd.DataFrame(rows, columns=list(columns)), places, "line")


# Labels in the names of folders or files


def named_files(recipe: Recipe) -> Read:
    """Images in folders called like the labels, capitals aside; with `images`, in one folder, and called so themselves.

    subfolder: the column that keeps the folder between the label's and the image.
    """

    def read(source: Source) -> Draft:
        taxonomy, words, by_folder = recipe["taxonomy"], _words(recipe), "images" not in recipe
        root = source.path
        top = holder(root, words) if by_folder else find(root, recipe["images"], folder=True) or root
        if top is None:
            called = f"no folder called {', '.join(words)} in it or in a folder of it"
            raise BadInput(f"{root}: {called}; name the set's folder")
        ids, labels, between, others = [], [], [], []
        for file in files_in(top, inside=root):
            parts = file.relative_to(top).parts
            if file.suffix.lower() not in SUFFIXES or (len(parts) > 1) is not by_folder:
                others.append(str(file))
                continue
            word = parts[0] if by_folder else parts[0].partition("_")[0]
            place = f"folder {top / parts[0]}" if by_folder else str(file)
            labels.append(label_of(word, words, place, f"rename it or move it away; {_OTHERS}"))
            ids.append("/".join(parts))
            between.append("/".join(parts[1:-1]) or None)
        columns = {recipe["subfolder"]: between} if "subfolder" in recipe and any(between) else {}
        result = draft(source, image_table(ids, ids, **columns), [top / name for name in ids], top)
        missing = ", ".join(label for label in taxonomy.labels if label not in labels)
        result.warnings += [f"no images for {missing}: imported as a part of the set"] if missing else []
        result.skipped["files that are no images by their suffix, or lie where the set has none"] = others
        made_by = "the name of the folder that holds the image" if by_folder else "the beginning of the file's name"
        add_single(result, ids, labels, taxonomy, made_by)
        return result

    return read


def add_single(result: Draft, ids: list[str], labels: Sequence[str], taxonomy: Taxonomy, made_by: str) -> None:
    """Add the target of a set whose images have one label each."""
    chosen = [taxonomy.index(label) for label in labels]
    target = label_table(ids, np.eye(len(taxonomy), dtype=np.int8)[chosen], taxonomy)
    result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)


# A label, an image and a file of attributes in each entry of a list


def listed(recipe: Recipe) -> Read:
    """JSON lists, one a split, of [label, image, file of attributes] for each image.

    attributes: those that are kept as columns; several texts are joined by "; ".
    """

    def read(source: Source) -> Draft:
        files = _files(source.path, recipe)
        gone = [name for name, split in recipe["files"].items() if split not in files.values()]
        entries = pd.concat([_entries(file, recipe).assign(split=split) for file, split in files.items()])
        first, where = next(iter(files)), entries["where"].tolist()
        ids = _ids(recipe, entries["image"].tolist(), first, where)
        kept, lost = _attributes(recipe, entries.assign(image=ids), first.parent)
        result = _draft(source, recipe, ids, first, where, split=entries["split"].to_numpy(), **kept)
        result.skipped["attributes of images: no annotation file"] = lost if kept else []
        result.notes = [] if kept else ["no annotation file is there, so no attributes are either"]
        result.warnings += [f"{name} is not there: imported as a part of the set" for name in gone]
        made_by = f"emotion in {', '.join(file.name for file in files)}"
        add_single(result, ids, entries["label"].tolist(), recipe["taxonomy"], made_by)
        return result

    return read


def _entries(file: Path, recipe: Recipe) -> pd.DataFrame:
    """The label, image, file of attributes (perhaps none) and place of each entry of a list."""
    content, expected, words = read_json(file), "a list of [emotion, image, annotation]", _words(recipe)
    if not isinstance(content, list) or not content:
        raise BadInput(f"{file}: expected {expected}, but received {str(content)[:80]}")
    rows = []
    for number, entry in enumerate(content, start=1):
        where = f"{file}, row {number}"
        if not (isinstance(entry, list) and len(entry) in (2, 3) and all(isinstance(part, str) for part in entry)):
            raise BadInput(f"{where}: expected {expected}, but received {str(entry)[:80]}")
        label, image, *annotation = entry
        rows.append((label_of(label, words, where, "mend the list"), image, "".join(annotation), where))
    return pd.DataFrame(rows, columns=["label", "image", "annotation", "where"])


def _attributes(recipe: Recipe, entries: pd.DataFrame, below: Path) -> tuple[dict[str, Any], list[str]]:
    """The attributes that any image has, one value for each; and the images without a file of them."""
    kept: dict[str, list[str | None]] = {key: [] for key in recipe["attributes"]}
    lost: list[str] = []
    rows = track(entries.to_dict("records"), "reading attributes", len(entries), "files")
    for entry in rows:
        (inner,) = relative_names([entry["annotation"] or "."], below, [entry["where"]])
        content: Any = {}
        if not (file := below / inner).is_file():
            lost.append(entry["image"])
        elif not isinstance(content := read_json(file), dict):
            raise BadInput(f"{file}: expected the attributes of one image, got {type(content).__name__}")
        for key, values in kept.items():
            value = content.get(key)
            several = value if isinstance(value, list) else [value]
            values.append("; ".join(str(part) for part in several if part is not None) or None)
    columns = {key: tidy(pd.Series(values, dtype=object)) for key, values in kept.items() if any(values)}
    return {key: column.to_numpy() for key, column in columns.items()}, lost


# Votes or shares in a table


def answers(recipe: Recipe) -> Read:
    """A table, or one a split, with an image and a number for each label in each row.

    spaces: between cells, of which the first may hold some itself. columns: others that are kept.
    keyword: the column that keeps the folder of an image's name. rule: of the votes; without one, found (whole numbers
    of one sum are one_choice).
    """

    def read(source: Source) -> Draft:
        return _answers(source, recipe)

    return read


def _answers(source: Source, recipe: Recipe) -> Draft:
    taxonomy, spaces, more = recipe["taxonomy"], recipe.get("spaces", False), recipe.get("columns", ())
    files = _files(source.path, recipe)
    first = next(iter(files))
    kept: dict[str, list[Any]] = {"split": [], **{column: [] for column in more}}
    names, where, numbered, orders = [], [], [], []
    for file, split in files.items():
        table = _text_table(file, recipe) if spaces else read_table(file, first="image")
        at = _columns(table, recipe)
        names += table.frame[at.pop("image")].tolist()
        where += table.places()
        orders.append(", ".join(label for label in at if label not in more))
        cells = numbers(table, chosen := [at[label] for label in taxonomy.labels])
        bad = (cells < 0) | ((cells != np.round(cells)) & (recipe.get("rule") == "one_choice"))
        table.refuse(bad, chosen, cells, "expected a share or a whole number of votes, 0 or more")
        numbered.append(cells)
        kept["split"] += [split] * len(table.frame)
        for column in more:
            kept[column] += numbers(table, [at[column]])[:, 0].tolist()
    counts = np.concatenate(numbered)
    values, rule, note = _kind_of(counts, where, recipe.get("rule"))
    ids = _ids(recipe, names, first, where)
    if "keyword" in recipe:
        kept = {recipe["keyword"]: [image.rpartition("/")[0] or None for image in ids], **kept}
    if not any(kept["split"]):
        del kept["split"]
    cast = counts.sum(axis=1) > 0
    result = _draft(source, recipe, ids, first, where, cast, **kept)
    said = "order of the columns taken from the header"
    result.notes += [f"{said}: {'; '.join(dict.fromkeys(orders))}"] if spaces else []
    result.notes += [note] if note else []
    result.skipped = {"rows in which nobody voted": list(compress(where, ~cast)), **result.skipped}
    target = (vote_table if values == "votes" else label_table)(ids, counts, taxonomy)[cast]
    made_by = f"{values} in {' and '.join(file.name for file in files)}"
    result.add("distribution", "distribution", target, taxonomy, values=values, vote_rule=rule, made_by=made_by)
    return result


def _columns(table: Table, recipe: Recipe) -> dict[str, str]:
    """The column of the image, of each label and of what else the recipe keeps, in the file's order."""
    found, where = dict[str, str](), table.path
    words, more = _words(recipe), recipe.get("columns", ())
    for at, column in enumerate(map(str, table.frame.columns)):
        word = _PREFIX.sub("", column.strip())
        role = word.casefold() if at else "image"
        if at and role not in more:
            role = label_of(word, words, f"{where}: column", "expected an image, and a column for each label")
        if role in found:
            raise BadInput(f"{where}: columns {found[role]!r} and {column!r} are both {role}; take one out")
        found[role] = column
    if missing := [role for role in (*recipe["taxonomy"].labels, *more) if role not in found]:
        raise BadInput(f"{where}: no column {missing[0]!r}; expected an image, and a column for each label")
    return found


def _text_table(file: Path, recipe: Recipe) -> Table:
    """Lines of an image, whose name may hold spaces, and a number for each label, in the order of the header."""
    count = len(recipe["taxonomy"])
    head = read_lines(file)[0][1].rsplit(None, count)
    if len(head) > count and pd.to_numeric(pd.Series(head[1:]), errors="coerce").notna().all():
        disagree = "no header names the columns, and published readers disagree on their order; write one"
        raise BadInput(f"{file}, line 1: {disagree}: images-name Amusement Awe ...")
    columns = [word.strip("'\"[]") for word in head[-count:]]
    return spaced(file, ["", *columns], f"an image and {len(columns)} numbers", lambda *cells: True, skip=True)


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


# Lists of how many people agreed


def agreement(recipe: Recipe) -> Read:
    """Lists of the images on which at least so many people agreed, from which their votes follow.

    lists: the file of each number of people, the fewest first; its lines are an image and 0 or 1. people: how many
    voted.
    """

    def read(source: Source) -> Draft:
        root, taxonomy, people = source.path, recipe["taxonomy"], recipe["people"]
        lists = {n: need(root, name, ", ".join(recipe["lists"].values())) for n, name in recipe["lists"].items()}
        listed = _listed(lists, recipe)
        ids, agree = listed.index.tolist(), listed["agree"].astype("Int64").array
        result = _draft(source, recipe, ids, lists[min(lists)], listed["where"].tolist(), agree=agree)
        result.notes.append("votes follow from the three lists: how many of five people agreed at least")
        up = listed["agree"].where(listed["label"] == 1, people - listed["agree"])
        how = {"values": "votes", "vote_rule": "one_choice", "made_by": "votes in the three lists of agreement"}
        votes = vote_table(ids, np.stack([people - up, up], axis=1), taxonomy)
        result.add("distribution", "distribution", votes, taxonomy, **how)
        return result

    return read


def _listed(lists: Mapping[int, Path], recipe: Recipe) -> pd.DataFrame:
    """By image: its label, how many people agreed at least, and where it stands first."""
    found: dict[str, tuple[int, int, str]] = {}
    fewer: Table | None = None
    for n, file in lists.items():
        table = spaced(file, ["image", "label"], "an image and 0 or 1", lambda _, label: label in ("0", "1"))
        table.frame["image"] = _ids(recipe, table.frame["image"].tolist(), file, table.places())
        before = set() if fewer is None else set(fewer.frame["image"])
        for place, (image, said) in zip(table.places(), table.frame.itertuples(index=False), strict=True):
            label, _, first = found.get(image, (int(said), n, place))
            if int(said) != label:
                raise BadInput(f"{place}: {image!r} is {said}, but {label} in {first}; mend one of the lists")
            if fewer is not None and image not in before:
                every = f"which should hold all images of {file.name}"
                raise BadInput(f"{place}: {image!r} is not in {fewer.path.name}, {every}; mend the lists")
            found[image] = (label, n, first)
        fewer = table
    return pd.DataFrame.from_dict(found, orient="index", columns=["label", "agree", "where"])


READERS: Mapping[str, Callable[[Recipe], Read]] = {
    reader.__name__: reader for reader in (named_files, listed, answers, agreement, judgements)
}


def reader_of(recipe: Recipe) -> Read:
    """What reads a set by its recipe."""
    said = recipe["taxonomy"]
    taxonomy = get_taxonomy(said) if isinstance(said, str) else Taxonomy.from_dict(said)
    return READERS[recipe["reader"]]({**recipe, "taxonomy": taxonomy})


for _name, _said in published_sets().items():
    if "recipe" in _said:
        _read = reader_of(_said["recipe"])
        _read.__doc__ = _said["help"]
        importer(_name, published(_name))(_read)
