"""`export`, and a run as a folder in Hugging Face's form: a run's folder too, less what is private to its maker."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download

from affectml._files import new_folder, write_json
from affectml._options import Help
from affectml.data import check_new
from affectml.errors import BadInput, BadRun, option
from affectml.people.erasing import refuse_outdated
from affectml.runs import RunFolder, RunInfo
from affectml.sharing._cards import card_data, card_text, public_info

if TYPE_CHECKING:  # to share a data set needs no torch
    from torch import Tensor

    from affectml.heads import Head
    from affectml.heads.inputs import ArrayLike

FILES = ("config.json", "head.json", "head.safetensors", "metrics.csv", "facts.json", "run.json", "README.md")
DOWNLOAD = ("revision", "cache_dir", "force_download", "local_files_only", "token")  # what of a call is about it


class AffectModel(ModelHubMixin, library_name="affectml", tags=["affective-computing", "emotion", "clip"]):
    """A trained run to share: `AffectModel(RunFolder.open(RUN)).save_pretrained(FOLDER)`; `from_pretrained(FOLDER)`.

    The folder holds the head (safetensors), config.json, metrics.csv, facts.json, a model card, and run.json without
    the maker's paths, times and machine; `affectml predict FOLDER IMAGE` reads it as it reads a run. No image, no
    judgement and no prediction of one goes into it. push_to_hub and the name of a repository on the Hub work as for any
    model of huggingface_hub's.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    @property
    def head(self) -> "Head":
        """The trained head; needs neither data nor encoder weights."""
        return self.run.head

    @property
    def labels(self) -> tuple[str, ...]:
        """What the columns of `predict` are about."""
        return self.run.taxonomy.labels

    def predict(self, X: "ArrayLike") -> "Tensor":
        """Rates or a distribution, as the run learned, [N, C], from the encoder's features X [N, D]."""
        return self.head.predict_rates(X) if self.run.info.several else self.head.scores(X)

    def _save_pretrained(self, save_directory: Path) -> None:
        refuse_outdated(self.run)
        info = public_info(self.run)
        self.head.save(save_directory)
        write_json(save_directory / "run.json", info.to_json(without={"at", "hardware"}))
        if self.run.has_figures:
            self.run.evaluation.shared().write(save_directory)
        write_json(save_directory / "config.json", _config(self.run, info))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **asked: Any) -> Self:
        folder = Path(model_id)
        if not folder.is_dir():
            wanted = {name: asked[name] for name in DOWNLOAD}
            folder = Path(snapshot_download(model_id, allow_patterns=list(FILES), **wanted))
        if not (folder / "head.safetensors").is_file():
            raise BadRun(f"{model_id}: no head.safetensors there, so it is no model that affectml shared")
        return cls(RunFolder.open(folder))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card: data, construct, metrics with intervals, what its sets promise, intended use and limits."""
        found = self.run.evaluation.shared() if self.run.has_figures else None
        info = public_info(self.run)
        text = card_text(info, found, self.run.head.promise_)
        return ModelCard(f"---\n{card_data(info, found).to_yaml()}\n---\n\n{text}")


def _config(run: RunFolder, info: RunInfo) -> dict[str, Any]:
    return {
        "library": "affectml",
        "library_version": info.versions["affectml"],
        "head": run.head.name,
        "labels": list(run.taxonomy.labels),
        "taxonomy": run.taxonomy.name,
        "kind": info.data.kind,
        "construct": info.data.construct,
        "encoder": asdict(info.encoder),
    }


@dataclass(frozen=True)
class Exported:
    """What `export` wrote. facts: each thing written, by its name, in words. notes: what to know about it."""

    facts: dict[str, Any]
    notes: list[str]


def export(
    source: Annotated[str | PathLike[str], Help(metavar="RUN|DATASET")],
    *,
    onnx: bool = False,
    hub: str | PathLike[str] | None = None,
    images: bool = True,
    keep: Sequence[str] | None = None,
    annotator_ids: bool = False,
    may_share: bool = False,
    out: str | PathLike[str] | None = None,
) -> Exported:
    """Share a run or a data set.

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), or
    both. A data set: as a folder for the Hub (--hub), which `datasets.load_dataset` and `affectml import datasets`
    read.

    Args:
        source: Run folder, or data set folder for --hub.
        onnx: Write an ONNX graph: features in, scores out.
        hub: Folder to write for the Hugging Face Hub, with a card; must not exist yet.
        images: For a data set: include the image files.
        keep: For a data set: further columns of judgements to share.
        annotator_ids: For a data set: share people's ids instead of numbers.
        may_share: For a data set: confirm that you may share it, whatever its licence seems to say.
        out: File of the graph. Default: head.onnx in the run.

    Returns:
        An Exported.

    Raises:
        BadInput: if there is nothing to write, or an argument does not fit the source.
        MissingExtra: if ONNX is asked for and not installed.
    """
    place = Path(source)
    facts: dict[str, Any] = {}
    notes: list[str] = []
    if (place / "dataset.json").is_file():
        if hub is None or onnx:
            raise BadInput(f"{place} is a data set, which is exported by {option('hub', 'FOLDER')} alone")
        told = {"images": images, "keep": keep or (), "annotator_ids": annotator_ids, "may_share": may_share}
        from affectml.sharing._dataset import share_dataset

        shared = share_dataset(place, Path(hub), **told)  # type: ignore[arg-type]
        facts |= {"hub": str(hub), "images": ", ".join(f"{name} {count:,}" for name, count in shared.splits.items())}
        return Exported(facts, list(shared.warnings))
    if not onnx and hub is None:
        raise BadInput(f"export: say what to write: {option('onnx', True)}, {option('hub', 'FOLDER')}, or both")
    run = RunFolder.open(place)
    if hub is not None:
        check_new(Path(hub))
        with new_folder(Path(hub)) as new:
            AffectModel(run).save_pretrained(new)
        facts["hub"] = str(hub)
    if onnx:
        from affectml.sharing._onnx import export_onnx

        graph = export_onnx(place, None if out is None else Path(out))
        facts |= {"onnx": str(graph.path), "input": graph.input, "outputs": ", ".join(graph.outputs)}
        facts["largest difference from torch"] = f"{graph.difference:.1e}"
        notes += [graph.note] if graph.note else []
    return Exported(facts, notes)
