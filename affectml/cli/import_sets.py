"""affectml import SET: published sets in their native layout. Each command calls the importer of its name."""

from typing import Annotated

import typer

from affectml.cli._import_options import ImagesRoot, Json, Name, Native, NativeImages, Out, Partial, Strict, show

Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B,...", help="The eight emotions in the files' order.", show_default="the header's"),
]


def webemo(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import WEBEmo (Panda et al. 2018): urls with their search words as sets over 25 emotions."""
    from affectml.importers import import_webemo

    show(import_webemo(path, out, name=name, images=images, strict=strict), json)


def emotion6(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import Cornell's Emotion6 (Peng et al. 2015): shares of people's answers, valence and arousal."""
    from affectml.importers import import_emotion6

    show(import_emotion6(path, out, name=name, images=images, strict=strict), json)


def unbiasedemo(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    partial: Partial = False,
    json: Json = False,
) -> None:
    """Import UnBiasedEmo or Emotion-6 (Panda et al. 2018): a folder per emotion, folders inside."""
    from affectml.importers import import_unbiasedemo

    show(import_unbiasedemo(path, out, name=name, images=images, strict=strict, partial=partial), json)


def fi(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    partial: Partial = False,
    json: Json = False,
) -> None:
    """Import FI (You et al. 2016): a folder per emotion of Mikels' eight."""
    from affectml.importers import import_fi

    show(import_fi(path, out, name=name, images=images, strict=strict, partial=partial), json)


def abstract(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import Abstract (Machajdik & Hanbury 2010): abstract paintings and votes."""
    from affectml.importers import import_abstract

    show(import_abstract(path, out, name=name, images=images, strict=strict), json)


def artphoto(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    partial: Partial = False,
    json: Json = False,
) -> None:
    """Import ArtPhoto (Machajdik & Hanbury 2010): the artist's word in each file's name."""
    from affectml.importers import import_artphoto

    show(import_artphoto(path, out, name=name, images=images, strict=strict, partial=partial), json)


def emoset(
    path: Native,
    out: Out,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    partial: Partial = False,
    json: Json = False,
) -> None:
    """Import EmoSet (Yang et al. 2023): one emotion and described attributes, with the set's splits."""
    from affectml.importers import import_emoset

    show(import_emoset(path, out, name=name, images=images, strict=strict, partial=partial), json)


def emotic(
    path: Native,
    out: Out,
    region: Annotated[
        str, typer.Option(help="What a row shows: person (the box cut out) or image (the whole photograph).")
    ] = "person",
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import EMOTIC (Kosti et al. 2017, 2019): one row per marked person, annotators' answers as judgements."""
    from affectml.importers import import_emotic

    show(import_emotic(path, out, region=region, name=name, images=images, strict=strict), json)


def twitter1(
    path: Native,
    out: Out,
    positive_column: Annotated[
        str | None, typer.Option(help="Column of amt_result.csv that counts positive votes.", show_default="found")
    ] = None,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import Twitter I (You et al. 2015): positive and negative votes of five people."""
    from affectml.importers import import_twitter1

    show(import_twitter1(path, out, positive_column=positive_column, name=name, images=images, strict=strict), json)


def flickrldl(
    path: Native,
    out: Out,
    columns: Columns = None,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import FlickrLDL (Yang, Sun & Sun 2017): votes for Mikels' eight."""
    from affectml.importers import import_flickrldl, parse_list

    order = parse_list(columns)
    show(import_flickrldl(path, out, columns=order, name=name, images=images, strict=strict), json)


def twitterldl(
    path: Native,
    out: Out,
    columns: Columns = None,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import TwitterLDL (Yang, Sun & Sun 2017): votes for Mikels' eight."""
    from affectml.importers import import_twitterldl, parse_list

    order = parse_list(columns)
    show(import_twitterldl(path, out, columns=order, name=name, images=images, strict=strict), json)


def artemis(
    path: Native,
    out: Out,
    images_root: ImagesRoot = None,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import ArtEmis (Achlioptas et al. 2021): judgements of WikiArt's paintings."""
    from affectml.importers import import_artemis

    show(import_artemis(path, out, images_root=images_root, name=name, images=images, strict=strict), json)


def findingemo(
    path: Native,
    out: Out,
    images_root: ImagesRoot = None,
    name: Name = None,
    images: NativeImages = "copy",
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Import FindingEmo (Mertens et al. 2024): what people in photographs seem to feel, one annotator each."""
    from affectml.importers import import_findingemo

    show(import_findingemo(path, out, images_root=images_root, name=name, images=images, strict=strict), json)


COMMANDS = (
    webemo,
    emotion6,
    unbiasedemo,
    fi,
    abstract,
    artphoto,
    emoset,
    emotic,
    twitter1,
    flickrldl,
    twitterldl,
    artemis,
    findingemo,
)
