"""ONNX: a run's head, or its encoder and head in one graph, checked against torch before anybody gets it."""

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from affectml._files import replacing, try_file
from affectml.data.choose import from_people
from affectml.encoders import Encoder
from affectml.encoders.identity import spoken
from affectml.errors import BadRun, MissingExtra
from affectml.heads import Head
from affectml.heads.inputs import traced
from affectml.people.erasing import refuse_outdated
from affectml.runs import RunFolder
from affectml.sharing._hub import public_info

TOLERANCE = 1e-4  # of scores, which are probabilities
MOST_ROWS = 65_536  # heads go through more in chunks, which a graph cannot
_CHECKED = (1, 2, 5)  # batch sizes: one is what exporters get wrong


@dataclass(frozen=True)
class OnnxExport:
    """A written graph: its inputs and outputs by name, and the largest difference from torch on random inputs.

    note: what a user of its sets has to know, where they keep a promise; else "".
    """

    path: Path
    input: str
    outputs: tuple[str, ...]
    difference: float
    note: str = ""


class HeadModule(torch.nn.Module):
    """scores [N, C] float32 and, where the head cuts sets, sets [N, C] int64, from features [N, D] float32.

    scores are the rates where the head predicts those, else the distribution.
    """

    def __init__(self, head: Head, *, rates: bool) -> None:
        super().__init__()
        self._head = head
        self._rates = rates
        cuts = head.thresholds_ is not None or head.promise_ is not None
        self.outputs = ("scores", "sets") if cuts else ("scores",)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """The head's own arithmetic, without its checks of the input's values."""
        head = self._head
        with traced():
            scores = head.predict_rates(features) if self._rates else head.scores(features)
            if len(self.outputs) == 1:
                return (scores.float(),)
            return scores.float(), (head._above_cut(head._set_scores(features)) >= 0).long()


class WholeModule(torch.nn.Module):
    """The same from preprocessed pixels [N, 3, H, W]: the encoder's image tower, then the head."""

    def __init__(self, encoder: Encoder, head: HeadModule, *, normalised: bool) -> None:
        super().__init__()
        if encoder.identity.precision not in ("auto", "fp32"):
            raise BadRun(
                f"one graph of encoder and head needs fp32 embeddings, and this run's are "
                f"{spoken(encoder.identity.precision)}: export the head alone"
            )
        self._tower = encoder.image_tower
        self._head = head
        self._normalised = normalised
        self.outputs = head.outputs

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Embed, round as stores do, predict."""
        features = self._tower.encode_image(pixels)
        if self._normalised:
            features = normalize(features, dim=-1)
        out: tuple[Tensor, ...] = self._head(features.half().float())
        return out


def export_onnx(
    run: str | Path, out: Path | None = None, *, encoder: bool = False, threads: int | None = None
) -> OnnxExport:
    """Write RUN/head.onnx, or RUN/model.onnx with the encoder's image tower in front; `out` names another file.

    Input `features` [N, D] float32, or `pixels` [N, 3, H, W] float32, preprocessed as the metadata says; N is free.
    Outputs `scores` [N, C] float32 (rates, or a distribution) and, where the run predicts sets, `sets` [N, C] int64.
    Metadata: labels, kind, construct, encoder's identity with its preprocessing, as JSON; `promise` in words, where
    sets keep one. A graph knows no level of a column: sets of a promise within levels get the most cautious cut.

    Raises MissingExtra without onnx and onnxruntime, BadRun for a head that no graph can express and where a score is
    further than 1e-4 from torch's, BadInput where `out` exists.
    """
    for package in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise MissingExtra(package, "onnx", "exporting to ONNX")
    opened = RunFolder.open(run)
    refuse_outdated(opened)
    path = out if out is not None else opened.folder / ("model.onnx" if encoder else "head.onnx")
    try_file(path)
    module, example, name = _module(opened, encoder, threads)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):  # exporters warn of their own innards
        try:
            program: Any = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[name],
                output_names=list(module.outputs),
                dynamic_shapes={name: {0: torch.export.Dim("n", min=1, max=MOST_ROWS)}},
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # torch.export raises many kinds
            raise _no_graph(opened, " ".join(str(error).split())[:300]) from None
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:  # the exporter's last resort
        raise _no_graph(opened, "only for one fixed number of rows")
    for key, value in _metadata(opened).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content = model.SerializeToString()
    difference = _difference(content, module, example, name, opened.head)
    if not difference <= TOLERANCE:
        raise BadRun(f"{opened.folder}: the graph's scores are {difference:.2g} from torch's, above {TOLERANCE}")
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return OnnxExport(path, name, module.outputs, difference, _promised(opened))


def _promised(run: RunFolder) -> str:
    """The promise of the graph's sets in words, "" without one."""
    promise = run.head.promise_
    if promise is None:
        return ""
    words = [promise.words(people=from_people(run.info.data.kind)), promise.where_levels_are_unknown()]
    return f"promise {promise.asked}: {'; '.join(filter(None, words))}"


def _no_graph(run: RunFolder, reason: str) -> BadRun:
    return BadRun(
        f"{run.folder}: a {run.head.name} head cannot be written as one graph ({reason}); share the run itself, or as "
        "a folder in Hugging Face's form"
    )


def _module(run: RunFolder, encoder: bool, threads: int | None) -> tuple[HeadModule | WholeModule, Tensor, str]:
    """The module, an example input, the input's name."""
    rates = run.info.several
    head = HeadModule(run.head, rates=rates).eval()
    generator = torch.Generator().manual_seed(0)
    if not encoder:
        features = torch.randn(3, int(run.info.encoder.identity["dim"]), generator=generator)
        return head, normalize(features), "features"
    from affectml.predicting.features import run_encoder

    loaded = run_encoder(run, threads)
    whole = WholeModule(loaded, head, normalised=bool(run.info.encoder.identity["normalised"])).eval()
    return whole, torch.randn(3, 3, *loaded.image_size, generator=generator), "pixels"


def _metadata(run: RunFolder) -> dict[str, str]:
    info = public_info(run)
    return {
        "affectml": str(info.versions["affectml"]),
        "labels": json.dumps(list(run.taxonomy.labels), ensure_ascii=False),
        "kind": info.data.kind,
        "construct": info.data.construct,
        "encoder": json.dumps({"specs": info.encoder.specs, **info.encoder.identity}),
        **({"promise": promise} if (promise := _promised(run)) else {}),
    }


def _difference(content: bytes, module: torch.nn.Module, example: Tensor, name: str, head: Head) -> float:
    """The largest difference of a score between onnxruntime and torch on random inputs.

    Infinite where a set differs although its score is further than the tolerance from the cut.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for rows in _CHECKED:
        batch = torch.randn(rows, *example.shape[1:], generator=generator)
        if example.ndim == 2:
            batch = normalize(batch)
        found = session.run(None, {name: batch.numpy()})
        with torch.no_grad():
            wanted = module(batch)
        worst = max(worst, float(np.abs(found[0] - wanted[0].numpy()).max()))
        if len(wanted) > 1:
            apart = found[1] != wanted[1].numpy()
            near = head._above_cut(wanted[0]).numpy().__abs__() <= TOLERANCE
            worst = np.inf if (apart & ~near).any() else worst
    return worst
