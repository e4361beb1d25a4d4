"""The three wheels: what is in each and what each asks for, as a release has them and as a clone does."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from affectml import __version__

ROOT = Path(__file__).resolve().parents[1]
HOMES = {
    "affectml": (".", ["affectml", "apps/affectml_apps"]),
    "affectml-annotation": ("annotation", ["annotation/affectml_annotation"]),
    "affectml-metrics": ("metrics", ["metrics/affectml_metrics"]),
}
PARTS = [name for name in HOMES if name != "affectml"]
SLOW = {"dist"}  # a fixture, and so all that asks for it


def build(root, out):
    """The three sdists and wheels, as a release is built."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out]
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    running = [subprocess.Popen([*command, root / home], **said) for home, _ in HOMES.values()]
    for each in running:
        said, _ = each.communicate()
        assert each.returncode == 0, said.decode()
    return out


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def released(dist):
    """By wheel, the files of its sdist and of the wheel built from that, and the metadata of both."""
    out, found = dist, {}
    for name in HOMES:
        stem = f"{name.replace('-', '_')}-{__version__}"
        with tarfile.open(out / f"{stem}.tar.gz") as source:
            sources = {member.name.removeprefix(f"{stem}/") for member in source.getmembers()}
            said = source.extractfile(f"{stem}/PKG-INFO").read().decode()
        found[name] = (sources, *wheel(out / f"{stem}-py3-none-any.whl"), said)
    return found


def wheel(path):
    with zipfile.ZipFile(path) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        [metadata] = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return names, opened.read(metadata).decode()


def needed(metadata):
    """Without those of extras."""
    return {line for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE) if "extra ==" not in line}


def built_in_the_clone(how, tmp_path):
    code = "import sys, build_backend; print(getattr(build_backend, sys.argv[1])(sys.argv[2]))"
    command = [sys.executable, "-c", code, how, str(tmp_path)]
    printed = subprocess.check_output(command, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "scripts")})
    return wheel(tmp_path / printed.split()[-1])


def test_every_file_of_the_packages_is_in_one_wheel(released):
    for name, (_, packages) in HOMES.items():
        files = {
            file.relative_to((ROOT / package).parent).as_posix()
            for package in packages
            for file in (ROOT / package).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert released[name][1] == files, name  # whose first folders differ


def test_a_build_elsewhere_of_files_of_another_time_and_mode_gives_the_same_bytes(dist, tmp_path):
    (tmp_path / "clone").mkdir()
    folders = ["affectml", "apps", "annotation", "metrics", "scripts"]
    files = ["CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml", ".gitignore"]
    for name in [*folders, *files]:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / "clone" / name)
    for path in (tmp_path / "clone").rglob("*"):
        os.utime(path, (2e9, 2e9))
        path.chmod(0o700 if path.is_dir() else 0o600)
    again = build(tmp_path / "clone", tmp_path / "again")
    made = {path.name: path.read_bytes() for path in dist.iterdir()}
    assert len(made) == 2 * len(HOMES)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == made


def test_what_is_released_is_of_one_version_and_names_no_path(released):
    for name, (_, _, *said) in released.items():
        for metadata in said:
            assert f"\nVersion: {__version__}\n" in metadata, name
            assert not re.search(r"^Requires-Dist: .*(@|file:)", metadata, re.MULTILINE), name
            ours = {each for each in needed(metadata) if each.startswith("affectml")}
            assert ours == ({f"{part}=={__version__}" for part in PARTS} if name == "affectml" else set())


def test_an_sdist_holds_what_its_wheel_is_made_of(released):
    tops = {name: {source.split("/")[0] for source in sources} for name, (sources, *_) in released.items()}
    common = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert tops == {
        "affectml": {*common, "affectml", "apps", "scripts", "CHANGELOG.md", "CITATION.cff"},
        "affectml-annotation": {*common, "affectml_annotation"},
        "affectml-metrics": {*common, "affectml_metrics"},
    }


def test_a_wheel_built_in_a_clone_names_the_clones_folders(tmp_path):
    _, metadata = built_in_the_clone("build_wheel", tmp_path)
    ours = {each for each in needed(metadata) if each.startswith("affectml")}
    assert ours == {f"{part} @ {(ROOT / HOMES[part][0]).as_uri()}" for part in PARTS}


def test_an_editable_install_takes_all_folders_and_what_each_of_the_wheels_needs(tmp_path, released):
    names, metadata = built_in_the_clone("build_editable", tmp_path)
    assert len(names) == 1  # a list of folders, no copy
    everything = set().union(*(needed(released[name][2]) for name in HOMES))
    assert needed(metadata) == {each for each in everything if not each.startswith("affectml")}


@pytest.fixture(scope="module")
def distributions():
    """By top module, the distributions that bring it."""
    return packages_distributions()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_declares_what_it_imports(part, distributions):
    folder, [package] = HOMES[part]
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    imported = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(node.module.split(".")[0])
    extras = project.get("optional-dependencies", {}).values()
    optional = {each.split(">")[0].lower() for extra in extras for each in extra}
    homes = {each.replace("-", ""): [each] for each in optional} | dict(distributions)  # maybe absent
    others = {homes[name][0].lower() for name in imported - sys.stdlib_module_names - {Path(package).name}}
    assert others - optional == {each.split(">")[0] for each in project["dependencies"]}


def test_what_wheels_share_is_said_alike():
    said = [tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8")) for folder, _ in HOMES.values()]
    own = said[0]["tool"]["hatch"]["metadata"]["hooks"]["custom"]["dependencies"]
    floors = dict(each.split(">=") for each in own)
    extras = said[0]["project"]["optional-dependencies"].items()
    for part in said[1:]:
        shared = dict(each.split(">=") for each in part["project"]["dependencies"] if each.split(">=")[0] in floors)
        assert shared.items() <= floors.items()
        assert part["project"].get("optional-dependencies", {}).items() <= extras
        assert part["tool"]["hatch"]["version"] == {"path": "../affectml/_version.py"}
        for key in ("license", "license-files", "requires-python", "authors", "classifiers"):
            assert part["project"][key] == said[0]["project"][key]
    for folder, _ in HOMES.values():
        assert (ROOT / folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("part", PARTS)
def test_the_size_that_a_readme_tells_is_that_of_the_wheel(part, released):
    """In kB, of its files."""
    folder, [package] = HOMES[part]
    told = re.search(r"(\d+) kB of files", (ROOT / folder / "README.md").read_text(encoding="utf-8"))[1]
    size = sum((ROOT / package).parent.joinpath(name).stat().st_size for name in released[part][1]) / 1000
    assert size == pytest.approx(int(told), rel=0.1)
