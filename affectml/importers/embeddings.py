"""Embeddings computed elsewhere become a data set folder with an embedding store, and no image files."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pandas as pd
from annotated_types import Ge
from numpy.typing import NDArray

from affectml._files import sha256
from affectml._options import Help, check_choice
from affectml.data import Dataset
from affectml.data.matching import match_images
from affectml.data.schema import Construct, VoteRule
from affectml.data.splits import VAL_SHARE, pick
from affectml.encoders import EncoderIdentity, load_encoder, read_image
from affectml.encoders.identity import DECLARED
from affectml.errors import BadInput, EncoderUnavailable, option
from affectml.importers._arrays import Arrays, read_arrays
from affectml.importers.answers import Naming, people_said
from affectml.importers.draft import About, Draft, Embedded, Source, draft, one_hot
from affectml.importers.find import problem_with
from affectml.importers.labels import emotion_words
from affectml.importers.read import SPLIT_OF, Renaming, SomeTaxonomy
from affectml.importers.registry import importer

# Norms of unit rows after rounding to float16 stay well inside this.
NORM_TOLERANCE = 2e-3
PHOTOGRAPHS, LEAST_COSINE = 8, 0.99  # compared with what the encoder that is declared makes of them


@importer("embeddings", About(construct=None), images=(), folder=False, joins=True)
def embeddings(
    source: Annotated[Source, Help(".npz, .npy, .safetensors or Parquet file.")],
    *,
    csv: Annotated[str | Path | None, Help("Table of the matrix's rows.", default="in the file or beside it")] = None,
    labels: Annotated[
        Sequence[str] | None, Help("Labels of the columns of shares, rates, sets, votes.", default="as the file says")
    ] = None,
    vote_rule: Annotated[
        VoteRule | None, Help("How votes became shares: one_choice, set_split, normalised, moments, unknown.")
    ] = None,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
    encoder: Annotated[str | None, Help("Spec of what made them, e.g. ViT-L-14:openai.", default="not known")] = None,
    seed: Annotated[int, Ge(0), Help("Seed for a validation split cut from train.")] = 0,
) -> Draft:
    """A file with the embedding of each image and, where known, its labels, people's answers and split.

    Arrays by name: image, embedding, label, split, group; shares (a target `distribution`), rates, sets, votes with or
    without n, whose columns the array labels (or label) names; others of one value a row are kept as columns. The
    embeddings are stored as they came, not normalised, in `embeddings/imported-NAME`; label becomes a target `single`.
    Splits are kept; where there is train but no val, 15 % of train (stratified by label, whole groups) becomes val, and
    dataset.json says so. OUT may be a data set that exists: then embeddings, targets and columns are joined to it. Sets
    whose encoder is named alike can be crossed, and it is loaded for texts and photographs; eight photographs that OUT
    has are embedded by it and compared.
    """
    file, name = source.path, source.about.name
    if vote_rule is not None:
        check_choice("vote_rule", vote_rule, get_args(VoteRule))
    arrays = read_arrays(file, None if csv is None else Path(csv), labels)
    images = pd.DataFrame({"image_id": arrays.ids})
    result = draft(source, images, [None] * len(images))
    result.notes += [f"embeddings computed elsewhere, from {file.name}", *arrays.notes]
    naming = Naming(taxonomy, mapping or {}, name, source.taxonomy)
    naming.check(arrays)

    def about(construct: Construct) -> dict[str, Construct]:
        return {} if source.about.construct else {"construct": construct}

    result.take(people_said(arrays, naming, vote_rule, about("evoked")))
    columns: NDArray[np.int64] | None = None
    if arrays.label is not None:
        found: dict[str, str] = {}
        for row, label in enumerate(arrays.label):
            found.setdefault(label, arrays.where(row))
        if "" in found:
            image = arrays.ids[arrays.label.index("")]
            raise BadInput(f"{found['']}: image {image!r} has no label; leave the row out")
        plan = naming.plan(found, str(file), Counter(arrays.label))
        result.notes += plan.notes
        result.warnings += plan.warnings
        columns = np.array([plan.columns()[label] for label in arrays.label])
        target = one_hot(arrays.ids, columns, plan.taxonomy)
        made_by = f"the label in {arrays.labels_in.name}"
        result.add("single", "single", target, plan.taxonomy, values="indicator", made_by=made_by, **about("query"))
    if arrays.split is not None:
        images["split"], said = _splits(arrays, columns, seed, source.onto is None)
        result.notes.append(said)
    if arrays.group is not None:
        images["group"] = arrays.group
    if arrays.label is None and not arrays.answers:
        result.notes += _perhaps_answers(arrays.extra, arrays.labels_in)
    result.images = pd.concat([images, arrays.extra.reset_index(drop=True)], axis=1)
    checked = None if encoder is None else _is_checked(encoder, arrays, source.onto)
    result.embedded = _embedded(file, arrays.ids, arrays.embedding, name, encoder, checked)
    result.notes += [f"encoder: {result.embedded.identity.name}"] if encoder else []
    return result


def ready_features(file: Path, csv: Path, images: pd.DataFrame, name: str) -> tuple[Embedded, str]:
    """The embeddings that a file has of these images, and how many it has of none of them.

    Args:
        file: as `embeddings` takes it; what else it says of the images is left out.
        csv: the table whose rows are those of a matrix that does not name its own.
        images: as images.parquet.
        name: of the store.

    Raises:
        BadInput: for a file that cannot be read, names that could mean two images, or no image in common.
    """
    arrays = read_arrays(file, csv if file.suffix in (".npy", ".safetensors") else None, None)
    rows = match_images(images, [[image] for image in arrays.ids], str(file))
    kept = np.flatnonzero(rows >= 0)
    if not len(kept):
        raise BadInput(f"{file}: none of its {len(rows):,} images is in {csv} (first: {arrays.ids[0]!r})")
    ids = images["image_id"].astype(str).to_numpy()[rows[kept]].tolist()
    said = f"embeddings of {len(kept):,} of the {len(images):,} images, from {file.name}"
    others = f"; {len(rows) - len(kept):,} of other images are left out" if len(kept) < len(rows) else ""
    return _embedded(file, ids, arrays.embedding[kept], name), said + others


def _embedded(
    file: Path, ids: list[str], rows: NDArray[Any], name: str, spec: str | None = None, checked: bool | None = None
) -> Embedded:
    """Rows [N, D] of a file as they are stored. spec: of the encoder; checked: whether photographs agree with it."""
    with np.errstate(over="ignore"):  # an infinite norm is not one either
        norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    identity = EncoderIdentity(
        architecture=spec or f"imported-{name}",
        weights_sha256=None,
        activation=None,
        preprocessing={},
        precision=DECLARED if spec else str(rows.dtype),
        normalised=bool((np.abs(norms - 1) < NORM_TOLERANCE).all()),
        dim=int(rows.shape[1]),
        has_text=bool(spec),
        source_sha256=None if spec else sha256(file),
        checked=checked,
    )
    return Embedded(ids, rows, identity, (spec,) if spec else ())


def import_embeddings(file: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Run the importer `embeddings` and open the data set.

    Args:
        file: the file or folder.
        out: the data set folder to write, or one that exists, to join to.
        options: those of the importer.

    Raises:
        BadInput: naming file and row: pickled arrays, wrong shapes, NaN or infinity, an image twice, an unknown split.
            Nothing is written then.
        UnknownLabel: for a label that the taxonomy lacks.
    """
    return Dataset.open(embeddings(file, out, **options).out)


def _perhaps_answers(columns: pd.DataFrame, file: Path) -> list[str]:
    """A note where further columns may be people's answers, which this importer takes from arrays of answers alone."""
    names = [str(name) for name in columns]
    named = [name for name in names if name.casefold() in emotion_words() and columns[name].dtype.kind in "fiu"]
    if len(named) < 2:
        return []
    said = f"{', '.join(named)} are kept as columns of the images; where they are people's answers, join them as a"
    return [f"{said} target: affectml import table {shlex.quote(str(file))} DATASET"]


def _splits(arrays: Arrays, columns: NDArray[np.int64] | None, seed: int, cut: bool) -> tuple[NDArray[Any], str]:
    """train, val, test or None for each row, and what was done. cut: whether train without a val gives one up."""
    given = np.full(len(arrays.ids), None, dtype=object)
    for row, spelt in enumerate(arrays.split or []):
        if spelt is not None and spelt.lower() not in SPLIT_OF:
            raise BadInput(f"{arrays.where(row)}: split {spelt!r}, expected train, val or test")
        given[row] = spelt and SPLIT_OF[spelt.lower()]
    train = np.flatnonzero(given == "train")
    kept = "splits kept as they came"
    if not cut or (given == "val").any() or not len(train):
        return given, kept
    groups = None
    if arrays.group is not None:
        alone = [group or f"image {image}" for group, image in zip(arrays.group, arrays.ids, strict=True)]
        groups = np.array(alone, dtype=object)[train]
    if columns is not None and len(labels := np.unique(columns[train])) > 1:
        how = "stratified by label"
        picked = pick((columns[train, None] == labels).astype(np.int64), VAL_SHARE, seed, groups, single=True)
    else:
        how = "at random"
        units = np.arange(len(train)) if groups is None else groups
        names = np.random.default_rng(seed).permutation(np.unique(units))
        picked = np.flatnonzero(np.isin(units, names[: round(VAL_SHARE * len(names))]))
    if not len(picked):
        return given, f"{kept}; there are too few train images to cut a val from them"
    given[train[picked]] = "val"
    became = f"{len(picked)} of the {len(train)} train images ({how}, seed {seed}) became val"
    return given, f"{kept}; they had no val: {became}"


def _is_checked(spec: str, arrays: Arrays, onto: Dataset | None) -> bool:
    """Whether eight photographs of a data set were embedded by `spec` and agree; BadInput for one that does not.

    False where there is no photograph, or where the encoder cannot be loaded.
    """
    if onto is None or "file" not in onto.images:
        return False
    file = arrays.path
    rows = match_images(onto.images, [[name] for name in arrays.ids], str(file))
    names = onto.images["file"].reindex(rows).reset_index(drop=True).dropna()
    some = names.iloc[np.linspace(0, len(names) - 1, min(PHOTOGRAPHS, len(names)), dtype=int)]
    paths = {int(str(row)): path for row, name in some.items() if problem_with(path := onto.image_path(name)) is None}
    if not paths:
        return False
    try:
        encoder = load_encoder(spec)
    except EncoderUnavailable:
        return False
    made = encoder.encode_images([read_image(path) for path in paths.values()]).numpy()
    given = arrays.embedding[list(paths)].astype(np.float64)
    way_out = f"name the encoder that made them, or leave {option('encoder', spec)} out"
    if made.shape != given.shape:
        raise BadInput(f"{file}: {given.shape[1]} features an image, and {spec} makes {encoder.dim}; {way_out}")
    for path, cosine in zip(paths.values(), (given * made).sum(axis=1) / np.linalg.norm(given, axis=1), strict=True):
        if not cosine >= LEAST_COSINE:
            far = f"have a cosine of {cosine:.3f}, expected at least {LEAST_COSINE}"
            raise BadInput(f"{file}: the embedding of photograph {path} and that by {spec} {far}; {way_out}")
    return True
