"""Emotion6 (Peng et al. 2015, Cornell): photographs with the shares of people's answers, valence and arousal."""

from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput
from affectml.importers.columns import numbers
from affectml.importers.draft import Draft, Source, draft, image_table, label_table, published
from affectml.importers.find import find, locate, need, relative_names, repeated
from affectml.importers.read import first_row, read_table
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy


@importer("emotion6", published("emotion6"))
def emotion6(source: Source) -> Draft:
    """Cornell's Emotion6 (Peng et al. 2015): PATH holds ground_truth.txt and images/KEYWORD/N.jpg.

    The target is `distribution` over ekman-7, shares by an unknown vote rule. Columns keyword, valence and arousal
    are kept with the images. A row that does not sum to 1 (within .001) is an error. Panda's Emotion-6 is another set,
    which `unbiasedemo` reads.
    """
    root, taxonomy = source.path, get_taxonomy("ekman-7")
    file = need(root, "ground_truth.txt", "ground_truth.txt beside images/KEYWORD/N.jpg")
    table = read_table(file, separator="\t", first="image_filename")
    named = {str(column).casefold().removeprefix("prob.").strip(): str(column) for column in table.frame.columns}
    for column in ("image_filename", "valence", "arousal", *taxonomy.labels):
        if column not in named:
            table.need([column], "ground_truth.txt as published")
    where = table.places()
    ids = relative_names(table.frame[named["image_filename"]].tolist(), root, where)
    ids = [image.removeprefix("images/") for image in ids]
    repeated(ids, where, "take one of the two out")
    shares = numbers(table, [named[label] for label in taxonomy.labels])
    sums = shares.sum(axis=1)
    if (row := first_row((abs(sums - 1) > SUM_TOLERANCE) | (shares < 0).any(axis=1))) is not None:
        raise BadInput(f"{where[row]}: the shares sum to {sums[row]:.4g}, expected 1 and none negative; mend the row")
    folder = find(root, ["images"], folder=True) or root
    here = locate(ids, folder, table.path, where, source.images)
    affect = numbers(table, [named["valence"], named["arousal"]])
    keyword = [image.rpartition("/")[0] or None for image in ids]
    images = image_table(ids, here.files, keyword=keyword, valence=affect[:, 0], arousal=affect[:, 1])
    result = draft(source, images, here.places)
    result.skipped["images that no row names"] = here.spare
    entry = {"values": "shares", "vote_rule": "unknown", "made_by": f"shares in {table.path.name}"}
    result.add("distribution", "distribution", label_table(ids, shares, taxonomy), taxonomy, **entry)
    return result
