"""Selections: images under a name, kept in the data set."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from affectml._files import read_json, write_json
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput, did_you_mean, option
from affectml.exploring._view import View
from affectml_annotation.exchange.files import keep, writing_in_turn

FOLDER = Path("explore") / "selections"
SCHEMA = 1
_NAME = re.compile(r"[^\W_][\w .+-]{0,79}")
_KEPT = re.compile(r"\.replaced-\d{8}T\d{6}Z(-\d+)?$")


class Selections:
    """The selections of a data set: DATASET/explore/selections/NAME.json, and those that dataset.json names."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self.folder = dataset, dataset.root / FOLDER

    def names(self) -> list[str]:
        """All names, sorted; earlier contents that were replaced are not among them."""
        files = [file.stem for file in self.folder.glob("*.json")]
        return sorted({*filter(_is_name, files), *self._dataset.meta.selections})

    def read(self, name: str) -> list[str]:
        """The image_ids of a selection, in the order in which they were saved.

        Raises:
            BadInput: where there is none of that name, and for a file that is none.
        """
        if name in self._dataset.meta.selections:
            path = self._dataset.image_path(self._dataset.meta.selections[name].file)
            try:
                return [str(image) for image in pd.read_parquet(path, columns=["image_id"])["image_id"]]
            except Exception as error:  # pyarrow raises many kinds for a damaged file
                raise BadDataset(f"{path}: not a readable table with a column image_id ({error})") from None
        file = self._file(name)
        try:
            content = read_json(file)
        except (FileNotFoundError, NotADirectoryError):
            have = ", ".join(self.names()) or "none yet"
            raise BadInput(f"no selection {name!r}{did_you_mean(name, self.names())} (saved: {have})") from None
        images = content.get("images") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
        if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
            raise BadInput(f"{file}: expected a selection, schema {SCHEMA} with a list of images; move it away")
        return images

    def save(self, name: str, image_ids: Sequence[str], view: View | None = None, *, replace: bool = False) -> Path:
        """Keep images under a name, and the view that showed them.

        replace: write over one of that name; what it was stays beside it.

        Raises:
            BadInput: for a name that is none, for one that is taken, for no images, and where nothing can be written.
        """
        file = self._file(name)
        if name in self._dataset.meta.selections:
            raise BadInput(f"{name!r}: dataset.json has a selection of that name; choose another")
        if not len(image_ids):
            raise BadInput(f"{name!r}: no images to keep; show some first")
        made, query = datetime.now(UTC).isoformat(timespec="seconds"), {} if view is None else view.to_query()
        content = {"schema": SCHEMA, "name": name, "made": made, "view": query, "images": list(image_ids)}
        try:
            with writing_in_turn(self._dataset.root):
                if file.exists():
                    if not replace:
                        way = f"choose another name, or {option('replace', True)}"
                        raise BadInput(f"{file} exists; nothing was written: {way}")
                    keep(file)
                write_json(file, content)
        except OSError as error:
            why = error.strerror or error
            raise BadInput(f"{file}: cannot be written ({why}); nothing was kept: export the table instead") from None
        return file

    def _file(self, name: str) -> Path:
        """Where a selection of that name lies; a name leads nowhere else."""
        if not _is_name(name):
            raise BadInput(
                f"selection {name!r}: expected a name of up to 80 letters, digits, spaces and . + - _, with a letter "
                "or digit first and no space or point last"
            )
        return self.folder / f"{name}.json"


def _is_name(name: str) -> bool:
    """Whether a selection may be called so: nothing that leads to another folder, or that `keep` calls old ones."""
    return bool(_NAME.fullmatch(name)) and not name.endswith((".", " ")) and not _KEPT.search(name)
