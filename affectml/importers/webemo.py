"""WEBEmo (Panda et al. 2018): urls of stock photographs and the search words that found them."""

from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput
from affectml.importers.draft import Draft, Source, draft, image_table, label_table, published
from affectml.importers.find import find, fold, images_in, is_url, read_lines
from affectml.importers.registry import importer
from affectml.importers.write import NO_FILE
from affectml.taxonomies import get_taxonomy

_CLAIMED = f"{NO_FILE}, because another url claims the same file"
_LISTS = {"train25.txt": "train", "test25.txt": "test"}


@importer("webemo", published("webemo"))
def webemo(source: Source) -> Draft:
    """WEBEmo (Panda et al. 2018): PATH holds train25.txt and test25.txt, or one of them (lines `URL ID`).

    The target is `sets` over parrott-25, one row per url: a url in several lines has several labels. A url in both
    lists is kept once, in test. Image files are taken from SPLIT/LABEL/FILE, where LABEL is the id or the name
    and FILE the end of the url, with or without `ID_` before it; urls without a file are kept and counted, as are
    those of which two claim one file.
    """
    root, taxonomy = source.path, get_taxonomy("parrott-25")
    files = {split: file for wanted, split in _LISTS.items() if (file := find(root, [wanted])) is not None}
    if not files:
        raise BadInput(f"{root}: neither train25.txt nor test25.txt; at least one of the two lists is needed")
    rows = pd.concat([_read(file, split, len(taxonomy)) for split, file in files.items()], ignore_index=True)
    code, urls = pd.factorize(rows["url"])
    sets = np.zeros((len(urls), len(taxonomy)), dtype=np.int8)
    sets[code, rows["label"].to_numpy()] = 1
    in_train, in_test = (np.isin(np.arange(len(urls)), code[rows["split"] == part]) for part in _LISTS.values())
    split = np.where(in_test, "test", "train").astype(object)
    ids = [str(url) for url in urls]
    places: list[Path | None] = [None] * len(ids)
    claimed: list[int] = []
    spare: list[str] = []
    if source.images != "none":
        places, claimed, spare = _files(root, ids, split, sets, taxonomy.labels)
    inner = [None if place is None else place.relative_to(root).as_posix() for place in places]
    result = draft(source, image_table(ids, inner, url=ids, split=split), places)
    result.skipped[_CLAIMED] = [ids[row] for row in claimed]
    result.skipped["images that no row names"] = spare
    several = int((sets.sum(axis=1) > 1).sum())
    result.notes.append(f"{several:,} of {len(ids):,} urls have more than one label ({len(rows):,} lines)")
    for wanted, part in _LISTS.items():
        if part not in files:
            result.notes.append(f"{wanted} is not there, so that part of the set is not either")
    if (both := int((in_test & in_train).sum())) > 0:
        result.notes.append(f"{both:,} urls stand in both lists: kept once, in test, with the labels of both")
    made_by = f"the search words of {' and '.join(file.name for file in files.values())}"
    result.add("sets", "sets", label_table(ids, sets, taxonomy), taxonomy, values="indicator", made_by=made_by)
    return result


def _read(file: Path, split: str, classes: int) -> pd.DataFrame:
    urls, labels = [], []
    known = {str(number): number for number in range(classes)}
    for number, line in read_lines(file):
        url, _, label = line.replace("\t", " ").rpartition(" ")
        url = url.strip().strip("'\"")
        if label not in known or not is_url(url):
            raise BadInput(
                f"{file}, line {number}: expected a url and an id from 0 to {classes - 1}, but received {line[:80]!r}"
            )
        urls.append(url)
        labels.append(known[label])
    return pd.DataFrame({"url": urls, "label": labels, "split": split})


def _files(
    root: Path, urls: list[str], split: NDArray[np.object_], sets: NDArray[np.int8], labels: tuple[str, ...]
) -> tuple[list[Path | None], list[int], list[str]]:
    """The file of each url, the rows whose file another row claims with equal right, and files that no url names.

    A url's file has its end as name and lies in a folder of one of its labels; one in the folder of its split is
    preferred.
    """
    on_disk: defaultdict[str, list[tuple[set[str], Path]]] = defaultdict(list)
    everything = images_in(root)
    for path in everything:
        on_disk[_end(path.name)].append(({fold(part) for part in path.relative_to(root).parts[:-1]}, path))
    places: list[Path | None] = [None] * len(urls)
    claims: defaultdict[Path, list[tuple[bool, int]]] = defaultdict(list)
    named: set[Path] = set()
    for row, (url, part, on) in enumerate(zip(urls, split, sets, strict=True) if on_disk else ()):
        end = _end(url.partition("?")[0].rpartition("/")[2])
        hits = [
            (part not in folders, path)
            for label in np.flatnonzero(on)
            for name in (end, f"{label}_{end}")
            for folders, path in on_disk.get(name, ())
            if not folders.isdisjoint((str(label), labels[label]))
        ]
        if hits:
            elsewhere, place = min(hits, key=lambda hit: hit[0])
            claims[place].append((elsewhere, row))
            named.update(path for _, path in hits)
    claimed: list[int] = []
    for place, rows in claims.items():
        best = [row for elsewhere, row in rows if elsewhere == min(rows)[0]]
        if len(best) == 1:
            places[best[0]] = place
        else:
            claimed += best
    return places, claimed, [str(path) for path in everything if path not in named]


def _end(name: str) -> str:
    return fold(unquote(name))
