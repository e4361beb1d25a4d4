"""Emotion6 (Peng et al. 2015, Cornell): photographs with the shares of people's answers, valence and arousal."""

from pathlib import Path

import pandas as pd

from affectml.data._targets import SUM_TOLERANCE
from affectml.errors import BadInput
from affectml.importers._columns import numbers
from affectml.importers._native import (
    About,
    Found,
    find,
    finish,
    image_table,
    locate,
    native_root,
    need,
    relative_names,
    repeated,
)
from affectml.importers._read import read_table
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_LAYOUT = "ground_truth.txt beside images/KEYWORD/N.jpg"
_ABOUT = About(
    name="emotion6",
    construct="evoked",
    question="In our words: which of these seven (Ekman's six, or neutral) does this image evoke in you?",
    source="Peng, Chen, Sadovnik & Gallagher 2015, A Mixed Bag of Emotions (Emotion6, Cornell)",
    notes=(
        "the shares are mostly multiples of 1/90, as when people with several labels split their vote; the rule is "
        "not published, and the number of people is not in the file (vote rule unknown)",
        "keyword is the folder's name: the word that found the image, not an answer",
        "valence and arousal are as in the file",
    ),
)


def import_emotion6(
    path: str | Path, out: str | Path, *, name: str | None = None, images: str = "copy", strict: bool = False
) -> ImportSummary:
    """Make a data set of Cornell's Emotion6: `path` holds ground_truth.txt and images/KEYWORD/N.jpg.

    The target is `distribution` over ekman-7, shares by an unknown vote rule. Columns keyword, valence and arousal
    are kept with the images. Raises BadInput naming line and column: a share that is no number, a row that does not
    sum to 1 (within .001). Panda's Emotion-6 is another set, which `import_unbiasedemo` reads.
    """
    root = native_root(path, out, images)
    taxonomy = get_taxonomy("ekman-7")
    table = read_table(need(root, "ground_truth.txt", _LAYOUT), separator="\t", first="image_filename", native=True)
    named = {str(column).casefold().removeprefix("prob.").strip(): str(column) for column in table.frame.columns}
    wanted = ("image_filename", "valence", "arousal", *taxonomy.labels)
    missing = [column for column in wanted if column not in named]
    if missing:
        have = ", ".join(map(str, table.frame.columns))
        raise BadInput(
            f"{table.path}: no column {missing[0]!r}; expected ground_truth.txt as published (it has: {have})"
        )
    where = [table.where(row) for row in range(len(table.frame))]
    ids = relative_names(table.frame[named["image_filename"]].tolist(), root, where)
    ids = [image.removeprefix("images/") for image in ids]
    repeated(ids, where, "take one of the two out")
    shares = numbers(table, [named[label] for label in taxonomy.labels])
    sums = shares.sum(axis=1)
    off = (abs(sums - 1) > SUM_TOLERANCE) | (shares < 0).any(axis=1)
    if off.any():
        row = int(off.argmax())
        raise BadInput(f"{where[row]}: the shares sum to {sums[row]:.4g}, expected 1 and none negative; mend the row")
    folder = find(root, ["images"], folder=True) or root
    here = locate(ids, folder, table.path, where, images)
    affect = numbers(table, [named["valence"], named["arousal"]])
    keyword = [image.rpartition("/")[0] or None for image in ids]
    table_images = image_table(ids, here.files, keyword=keyword, valence=affect[:, 0], arousal=affect[:, 1])
    found = Found(table_images, list(here.places))
    found.skipped["images that no row names"] = here.spare
    content = pd.DataFrame(shares, columns=list(taxonomy.labels))
    content.insert(0, "image_id", ids)
    found.add(
        "distribution",
        "distribution",
        content,
        taxonomy,
        values="shares",
        vote_rule="unknown",
        made_by=f"shares in {table.path.name}",
    )
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))
