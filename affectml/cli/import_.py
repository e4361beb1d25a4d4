"""affectml import: folders, tables, published sets and embeddings become data set folders."""

from pathlib import Path
from typing import Annotated, Any

import typer

from affectml.cli._import_options import (
    Construct,
    Images,
    Json,
    Licence,
    Map,
    Name,
    Out,
    Question,
    Source,
    Strict,
    Taxonomy,
    show,
)
from affectml.cli.import_sets import COMMANDS

app = typer.Typer(no_args_is_help=True, help="Make a data set folder of your own images, labels or embeddings.")


@app.command()
def folder(
    path: Annotated[Path, typer.Argument(help="Folder that has one folder of images per label.")],
    out: Out,
    taxonomy: Taxonomy = None,
    name: Name = None,
    construct: Construct = "query",
    map_: Map = None,
    images: Images = "copy",
    question: Question = "",
    source: Source = "",
    licence: Licence = "",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import a class folder per label, nested or not, with or without train/val/test folders around."""
    from affectml.importers import import_folder, parse_mapping

    mapping = parse_mapping(map_ or [])
    options: dict[str, Any] = {"taxonomy": taxonomy, "name": name, "construct": construct, "images": images}
    about: dict[str, Any] = {"question": question, "source": source, "licence": licence}
    show(import_folder(path, out, mapping=mapping, strict=strict, **options, **about), json)


@app.command()
def table(
    file: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet file.")],
    out: Out,
    images_root: Annotated[
        Path | None,
        typer.Option(help="Folder that file names are relative to.", show_default="the table's folder"),
    ] = None,
    file_column: Annotated[str | None, typer.Option(help="Column with the image's file name.")] = None,
    url_column: Annotated[str | None, typer.Option(help="Column with the image's url.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column with the label or the list of labels.")] = None,
    label_columns: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Columns, one per label: 0/1, votes or shares.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="What separates labels in a cell.")] = None,
    annotator_column: Annotated[
        str | None, typer.Option(help="Column with the person: each row is one judgement.")
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Each row is one judgement by a person without a name.")
    ] = False,
    n_column: Annotated[str | None, typer.Option(help="Column with the number of people asked.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column with train, val or test.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Column that names images a split must not part.")] = None,
    taxonomy: Taxonomy = None,
    kind: Annotated[
        str | None,
        typer.Option(help="single, sets, rates or distribution.", show_default="inferred from the values"),
    ] = None,
    vote_rule: Annotated[
        str | None, typer.Option(help="How votes became a distribution: one_choice, set_split, normalised.")
    ] = None,
    empty: Annotated[
        str | None, typer.Option(help="What an empty label cell is: none (no label applies) or skip (not known).")
    ] = None,
    duplicates: Annotated[
        str, typer.Option(help="Rows that repeat an image: error, first (keep it) or union (join the labels).")
    ] = "error",
    name: Name = None,
    construct: Construct = "evoked",
    map_: Map = None,
    images: Annotated[
        str, typer.Option(help="How images come in: copy, hardlink, or none (embeddings come from elsewhere).")
    ] = "copy",
    encoding: Annotated[str, typer.Option(help="Encoding of a text file.")] = "utf-8",
    separator: Annotated[
        str | None, typer.Option(help="What separates cells.", show_default="found from the header")
    ] = None,
    question: Question = "",
    source: Source = "",
    licence: Licence = "",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import a table: a label, a list, a column per label, or a judgement in each row."""
    from affectml.importers import import_table, parse_list, parse_mapping

    labels: dict[str, Any] = {
        "label_column": label_column, "label_columns": parse_list(label_columns), "delimiter": delimiter,
        "taxonomy": taxonomy, "mapping": parse_mapping(map_ or []), "kind": kind, "vote_rule": vote_rule,
        "empty": empty, "duplicates": duplicates, "n_column": n_column,
        "annotator_column": annotator_column, "anonymous": anonymous,
    }  # fmt: skip
    files: dict[str, Any] = {
        "images_root": images_root, "file_column": file_column, "url_column": url_column, "images": images,
        "split_column": split_column, "group_column": group_column, "encoding": encoding,
        "separator": separator, "strict": strict,
    }  # fmt: skip
    about: dict[str, Any] = {
        "name": name, "construct": construct, "question": question, "source": source, "licence": licence,
    }  # fmt: skip
    show(import_table(file, out, **labels, **files, **about), json)


@app.command()
def oasis(
    path: Annotated[Path, typer.Argument(help="Folder with OASIS.csv and Images/.")],
    out: Out,
    images: Images = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import OASIS (Kurdi, Lozano & Banaji 2017) as it is published: polarity and affect from means and SDs."""
    from affectml.importers import import_oasis

    show(import_oasis(path, out, images=images, strict=strict), json)


@app.command()
def embeddings(
    file: Annotated[Path, typer.Argument(help="npz with image, embedding, label, split; or npy with --csv.")],
    out: Out,
    csv: Annotated[Path | None, typer.Option(help="Table whose rows are the npy file's rows.")] = None,
    taxonomy: Taxonomy = None,
    name: Name = None,
    construct: Construct = "query",
    map_: Map = None,
    question: Question = "",
    source: Source = "",
    licence: Licence = "",
    seed: Annotated[int, typer.Option(help="Seed for a validation split cut from train.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Import embeddings computed elsewhere, with their labels and splits."""
    from affectml.importers import ImportSummary, parse_mapping
    from affectml.importers.embeddings import import_embeddings

    mapping = parse_mapping(map_ or [])
    options: dict[str, Any] = {"taxonomy": taxonomy, "name": name, "construct": construct, "seed": seed}
    about: dict[str, Any] = {"question": question, "source": source, "licence": licence}
    show(ImportSummary.of(import_embeddings(file, out, csv=csv, mapping=mapping, **options, **about)), json)


@app.command("clip-e")
def clip_e(
    file: Annotated[Path, typer.Argument(help="clip-e_25cat.hdf5, _6cat, _binary or _contrastive.")],
    run: Annotated[Path, typer.Argument(help="Run folder to write; must not exist yet.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Labels of the outputs.", show_default="the published models'"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="For contrastive weights: save the labels' text features by this encoder with the run."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a run of the weights that CLIP-E's authors published (Keras 2 HDF5); `affectml predict` reads it."""
    from affectml.cli._print import print_json
    from affectml.importers import parse_list
    from affectml.importers.clip_e import import_clip_e

    made = import_clip_e(file, run, labels=parse_list(labels), encoder=encoder)
    summary = {"run": str(made.folder), "head": made.head.name, "labels": list(made.taxonomy.labels)}
    if json:
        print_json(summary)
    else:
        typer.echo(f"{made.head.name} head over {made.taxonomy.name}: {made.folder}")


for _command in COMMANDS:
    app.command()(_command)
