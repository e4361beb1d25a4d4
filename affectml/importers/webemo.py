"""WEBEmo (Panda et al. 2018): urls of stock photographs and the search words that found them."""

from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.importers.draft import Draft, Source, draft, image_table, label_table
from affectml.importers.find import find, fold, images_in, is_url, need
from affectml.importers.published import spaced
from affectml.importers.registry import importer, published
from affectml.importers.write import NO_FILE
from affectml.taxonomies import get_taxonomy

_LISTS = ("train25.txt", "test25.txt")
_QUOTES = "'\""


@importer("webemo", published("webemo"))
def webemo(source: Source) -> Draft:
    """WEBEmo (Panda et al. 2018): PATH holds train25.txt and test25.txt, or one of them (lines `URL ID`).

    The target is `sets` over parrott-25, one row per url: a url in several lines has several labels. A url in both
    lists is kept once, in test. Image files are taken from SPLIT/LABEL/FILE, where LABEL is the id or the name
    and FILE the end of the url, with or without `ID_` before it; urls without a file are kept and counted, and so
    are two urls that claim one file.
    """
    root, taxonomy = source.path, get_taxonomy("parrott-25")
    files = {name: file for name in _LISTS if (file := find(root, [name])) is not None}
    if not files:
        need(root, next(iter(_LISTS)), " or ".join(_LISTS))
    known, form = {str(number) for number in range(len(taxonomy))}, f"a url and an id from 0 to {len(taxonomy) - 1}"
    parts = []
    for name, file in files.items():
        part = spaced(file, ["url", "label"], form, lambda url, label: is_url(url.strip(_QUOTES)) and label in known)
        parts.append(part.frame.assign(in_test=name == "test25.txt"))
    rows = pd.concat(parts)
    code, urls = pd.factorize(rows["url"].str.strip(_QUOTES))
    sets = np.zeros((len(urls), len(taxonomy)), dtype=np.int8)
    sets[code, rows["label"].astype(int)] = 1
    in_train, in_test = (np.isin(np.arange(len(urls)), code[rows["in_test"] == part]) for part in (False, True))
    ids = [str(url) for url in urls]
    split = np.where(in_test, "test", "train").tolist()
    none: tuple[list[Path | None], list[str], list[str]] = ([None] * len(ids), [], [])
    places, claimed, spare = none if source.images == "none" else _files(root, ids, split, sets, taxonomy.labels)
    inner = [None if place is None else place.relative_to(root).as_posix() for place in places]
    result = draft(source, image_table(ids, inner, url=ids, split=split), places)
    result.skipped[f"{NO_FILE}, because another url claims the same file"] = claimed
    result.skipped["images that no row names"] = spare
    several = int((sets.sum(axis=1) > 1).sum())
    result.notes.append(f"{several:,} of {len(ids):,} urls have more than one label ({len(rows):,} lines)")
    missing = [name for name in _LISTS if name not in files]
    result.notes += [f"{name} is not there, so that part of the set is not either" for name in missing]
    if both := int((in_train & in_test).sum()):
        result.notes.append(f"{both:,} urls stand in both lists: kept once, in test, with the labels of both")
    made_by = f"the search words of {' and '.join(file.name for file in files.values())}"
    result.add("sets", "sets", label_table(ids, sets, taxonomy), taxonomy, values="indicator", made_by=made_by)
    return result


def _files(
    root: Path, urls: list[str], split: list[str], sets: NDArray[np.int8], labels: tuple[str, ...]
) -> tuple[list[Path | None], list[str], list[str]]:
    """The file of each url, the urls that claim one file together, and files that no url names.

    A url's file has its end as name, and lies in folders of its split and of one of its labels.
    """
    on_disk: defaultdict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for path in images_in(root):
        *above, name = path.relative_to(root).parts
        on_disk[(*map(fold, ["", "", *above][-2:]), _end(name))].append(path)  # type: ignore[index]
    claims: defaultdict[Path, list[int]] = defaultdict(list)
    for row, (url, part, on) in enumerate(zip(urls, split, sets, strict=True)):
        end, numbers = _end(url.partition("?")[0].rpartition("/")[2]), map(int, np.flatnonzero(on))
        keys = [(part, fold(folder), name) for label in numbers for folder in (str(label), labels[label])
                for name in (end, f"{label}_{end}")]  # fmt: skip
        for path in [path for key in keys for path in on_disk.get(key, ())][:1]:
            claims[path].append(row)
    places: list[Path | None] = [None] * len(urls)
    for path, rows in claims.items():
        if len(rows) == 1:
            places[rows[0]] = path
    claimed = [urls[row] for rows in claims.values() if len(rows) > 1 for row in rows]
    spare = [str(path) for paths in on_disk.values() for path in paths if path not in claims]
    return places, claimed, sorted(spare)


def _end(name: str) -> str:
    return fold(unquote(name))
