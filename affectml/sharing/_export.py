"""`export`: a run or a data set, written in the ways that its options ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml._files import new_folder
from affectml.data import check_new
from affectml.errors import BadInput, option
from affectml.runs import RunFolder

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.run import Run


@dataclass(frozen=True)
class Exported:
    """What `export` wrote. facts: each thing written, by its name, in words. notes: what to know about it."""

    facts: dict[str, Any]
    notes: list[str]


def export(
    source: "str | Path | Dataset | Run",
    *,
    onnx: bool = False,
    with_encoder: bool = False,
    hub: str | Path | None = None,
    label_studio: str | Path | None = None,
    dataset: str | Path | None = None,
    split: str | None = None,
    image_prefix: str = "/data/local-files/?d=",
    images: bool = True,
    keep: Sequence[str] = (),
    annotator_ids: bool = False,
    may_share: bool = False,
    out: str | Path | None = None,
    threads: int | None = None,
) -> Exported:
    """Share a run or a data set, as `affectml export` does; its help explains each argument.

    Args:
        source: a run or a data set, or the folder of one.
        onnx: write an ONNX graph; with_encoder: from pixels; out: its file.
        hub: the folder to write for the Hugging Face Hub.
        label_studio: the file for a run's predictions as tasks; dataset, split, image_prefix: their images.
        images: whether a data set's image files go along; keep, annotator_ids, may_share: see `share_dataset`.
        threads: for torch.

    Returns:
        An Exported.

    Raises:
        BadInput: if there is nothing to write, or an argument does not fit the source.
        MissingExtra: if ONNX is asked for and not installed.
    """
    if not isinstance(source, str | Path):
        source = getattr(source, "root", None) or source.folder  # type: ignore[union-attr]
    place = Path(source)
    facts: dict[str, Any] = {}
    notes: list[str] = []
    if (place / "dataset.json").is_file():
        if hub is None or onnx or label_studio is not None:
            raise BadInput(f"{place} is a data set, which is exported by {option('hub', 'FOLDER')} alone")
        told = {"images": images, "keep": keep, "annotator_ids": annotator_ids, "may_share": may_share}
        from affectml.sharing._dataset import share_dataset

        shared = share_dataset(place, Path(hub), **told)  # type: ignore[arg-type]
        facts |= {"hub": str(hub), "images": ", ".join(f"{name} {count:,}" for name, count in shared.splits.items())}
        return Exported(facts, list(shared.warnings))
    if not onnx and hub is None and label_studio is None:
        ways = (option("onnx", True), option("hub", "FOLDER"), option("label_studio", "TASKS.json"))
        raise BadInput(f"export: say what to write: {', '.join(ways)}, or several")
    if with_encoder and not onnx:
        raise BadInput(f"export: {option('with_encoder', True)} is about the ONNX graph: add {option('onnx', True)}")
    run = RunFolder.open(place)
    if hub is not None:
        from affectml.sharing._hub import AffectModel

        check_new(Path(hub))
        with new_folder(Path(hub)) as new:
            AffectModel(run).save_pretrained(new)
        facts["hub"] = str(hub)
    if onnx:
        from affectml.sharing._onnx import export_onnx

        graph = export_onnx(place, None if out is None else Path(out), encoder=with_encoder, threads=threads)
        facts |= {"onnx": str(graph.path), "input": graph.input, "outputs": ", ".join(graph.outputs)}
        facts["largest difference from torch"] = f"{graph.difference:.1e}"
        notes += [graph.note] if graph.note else []
    if label_studio is not None:
        from affectml.sharing._tasks import write_tasks

        tasks = write_tasks(
            place, Path(label_studio), dataset=None if dataset is None else Path(dataset), split=split,
            image_prefix=image_prefix, threads=threads,
        )  # fmt: skip
        facts |= {"label studio": str(tasks.path), "interface": str(tasks.interface), "tasks": tasks.images}
        notes += tasks.notes
    return Exported(facts, notes)
