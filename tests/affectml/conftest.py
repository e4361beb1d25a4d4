"""A CLIP small enough to build in a test: 32 px, 32 values, random but saved weights."""

import importlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TINY_CONFIG = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `local-dir:` of random weights, with QuickGELU and a preprocessing of its own."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny-clip")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(**TINY_CONFIG)
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    preprocess = {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear"}
    content = {"model_cfg": TINY_CONFIG, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def spec(tiny_clip: Path) -> str:
    """How that folder is named as an encoder."""
    return f"local-dir:{tiny_clip}"


@pytest.fixture(scope="session")
def encoder(spec: str) -> Any:
    """That CLIP, loaded in fp32 with one thread."""
    from affectml.encoders import load_encoder

    return load_encoder(spec, threads=1)


@pytest.fixture(scope="session")
def paintings(demo_set: Callable[..., Any]) -> Any:
    """A demo set of 200 paintings, embedded by affect-tiny; it is only read."""
    return demo_set(images=200, seed=3, embedded=True)


@pytest.fixture(scope="session")
def run(paintings: Any) -> Any:
    """A run of it with its page, in a folder `run` beside it; it is only read."""
    from affectml.page import WRITERS
    from affectml.training import TrainConfig, train_run

    asked = TrainConfig(str(paintings.root), multilabel=True, encoder="affect-tiny", threads=1)
    return train_run(asked, out=paintings.root.with_name("run"), say=lambda line: None, writers=WRITERS)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`command(*words)`: exit code, standard output and standard error of `affectml WORDS`, run in this process."""
    from affectml.cli import main

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["affectml", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def told(command: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """`told(*words)`: what a command prints that succeeds; with `code=2`, why it does nothing."""

    def call(*words: object, code: int = 0) -> str:
        ended, out, err = command(*words)
        assert ended == code, err
        return err if code else out

    return call


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """`bring("fi", source, **options)`: what an import says, and the data set that it writes to a new folder."""
    from affectml.data import Dataset
    from affectml.importers import get_importer

    numbers = itertools.count(1)

    def call(name: str, source: Path, **options: Any) -> tuple[Any, Any]:
        out = tmp_path / f"brought-{next(numbers)}"
        there = {*tmp_path.iterdir(), out}
        summary = get_importer(name)(source, out, **options)
        assert {*tmp_path.iterdir()} == there, "something else is left behind"
        return summary, Dataset.open(out)

    return call


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """`refused("no such folder", "fi", source, **options)`: an import is this error and writes nothing; its message."""
    from affectml.errors import BadInput
    from affectml.importers import get_importer

    def call(message: str, name: str, source: Path, error: type[Exception] = BadInput, **options: Any) -> str:
        there = {*tmp_path.iterdir()}
        with pytest.raises(error, match=message) as raised:
            get_importer(name)(source, tmp_path / "refused", **options)
        assert {*tmp_path.iterdir()} == there
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return call


@pytest.fixture
def heads_as_before() -> Iterator[None]:
    """Heads that a test registers are gone after it."""
    from affectml.heads.base import HEADS

    before = dict(HEADS)
    yield
    HEADS.clear()
    HEADS.update(before)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package of modules in the test's folder: `installed("my-heads", heads={"knn": "my_heads:Knn"})`."""
    from affectml_metrics.plugins import plugins

    def lay(name: str, **groups: dict[str, str]) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [
            line
            for group, entries in groups.items()
            for line in (f"[affectml.{group}]", *(f"{key} = {value}" for key, value in entries.items()))
        ]
        (folder / "entry_points.txt").write_text("\n".join(lines))
        importlib.invalidate_caches()
        plugins.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield lay
    plugins.cache_clear()


@pytest.fixture
def contributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`contributed("my_heads")`: the working folder with this module of CONTRIBUTING.md, which nobody has imported."""

    def write(module: str) -> Path:
        page = Path(__file__).parents[2] / "CONTRIBUTING.md"
        if not page.is_file():
            pytest.skip("tests run away from the repository, without its docs")
        found = re.search(rf'```python\n("""{module}\.py: .*?)```', page.read_text(encoding="utf-8"), re.DOTALL)
        assert found
        (tmp_path / f"{module}.py").write_text(found[1])
        monkeypatch.chdir(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return tmp_path

    return write


@pytest.fixture
def neighbours(contributed: Callable[[str], Path], heads_as_before: None) -> Iterator[Path]:
    """The working folder with its own head in my_heads.py."""
    yield contributed("my_heads")
    sys.modules.pop("my_heads", None)
