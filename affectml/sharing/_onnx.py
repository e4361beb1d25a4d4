"""ONNX: a run's head as a graph, checked against torch before anybody gets it."""

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
from affectml.errors import BadRun, MissingExtra
from affectml.heads import Head
from affectml.heads.inputs import traced
from affectml.people.erasing import refuse_outdated
from affectml.runs import RunFolder
from affectml.sharing._cards import public_info

INPUT = "features"
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


def export_onnx(run: str | Path, out: Path | None = None) -> OnnxExport:
    """Write RUN/head.onnx; `out` names another file.

    Input `features` [N, D] float32 of the encoder that the metadata names; N is free.
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
    path = out if out is not None else opened.folder / "head.onnx"
    try_file(path)
    module = HeadModule(opened.head, rates=opened.info.several).eval()
    columns = int(opened.info.encoder.identity["dim"])
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):  # exporters warn of their own innards
        try:
            program: Any = torch.onnx.export(
                module,
                (_features(3, columns, torch.Generator().manual_seed(0)),),
                dynamo=True,
                input_names=[INPUT],
                output_names=list(module.outputs),
                dynamic_shapes={INPUT: {0: torch.export.Dim("n", min=1, max=MOST_ROWS)}},
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
    difference = _difference(content, module, columns, opened.head)
    if not difference <= TOLERANCE:
        raise BadRun(f"{opened.folder}: the graph's scores are {difference:.2g} from torch's, above {TOLERANCE}")
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return OnnxExport(path, INPUT, module.outputs, difference, _promised(opened))


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


def _features(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return normalize(torch.randn(rows, columns, generator=generator))


def _difference(content: bytes, module: torch.nn.Module, columns: int, head: Head) -> float:
    """The largest difference of a score between onnxruntime and torch on random inputs.

    Infinite where a set differs although its score is further than the tolerance from the cut.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for rows in _CHECKED:
        batch = _features(rows, columns, generator)
        found = session.run(None, {INPUT: batch.numpy()})
        with torch.no_grad():
            wanted = module(batch)
        worst = max(worst, float(np.abs(found[0] - wanted[0].numpy()).max()))
        if len(wanted) > 1:
            apart = found[1] != wanted[1].numpy()
            near = head._above_cut(wanted[0]).numpy().__abs__() <= TOLERANCE
            worst = np.inf if (apart & ~near).any() else worst
    return worst
