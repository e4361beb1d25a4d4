"""Damage that coverage guides, by atheris, and the inputs that were kept of it. `make fuzz` sets up what it needs.

    python -m fuzz.guided --seconds 3600            TARGETS, one after the other
    python -m fuzz.guided --seconds 60 coco webemo  any readers of this folder by name
    python -m fuzz.guided --keep                    of what was found, an input of each outcome goes to corpus/

An input is what of a reader's files is damaged. One that is neither read nor refused as `check` asks is written, with
what was raised, into build/fuzz/READER/found, each fault once; timeout-, oom- and crash- lie beside that folder.
"""

import argparse
import base64
import functools
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path
from typing import Any

TARGETS = (
    "judgements j.csv", "judgements j.jsonl", "judgements j.json", "judgements j.parquet", "counts", "table",
    "table of judgements", "coco", "webemo", "taxonomy", "study", "data set", "embeddings store",
    "embeddings store of before", "embeddings t.npy", "run", "people of a run", "answers of a person one.csv",
    "database", "database that is checked", "backup", "message of the page", "replies", "answers a.csv",
    "answers a.jsonl",
)  # fmt: skip
BUILD = Path(__file__).parents[3] / "build" / "fuzz"
CORPUS = Path(__file__).parent / "corpus"
OURS = ("affectml", "affectml_annotation", "affectml_metrics", "affectml_apps")
LONGEST = 20_000  # bytes that a file grows to, or its own length
KEPT = 10_000  # bytes of a reader's corpus, or three inputs

Files = dict[str, bytes]


@functools.cache
def readers() -> dict[str, Any]:
    """All of them. Loaded here, so that atheris sees what they load."""
    from . import test_fuzz_imports, test_fuzz_own, test_fuzz_people

    return test_fuzz_imports.READERS | test_fuzz_own.READERS | test_fuzz_people.READERS


def base_of(name: str) -> Files:
    from .reading import files_of

    return files_of(readers()[name])


def pack(files: Files, base: Files) -> bytes:
    """What of the files is not as in base, as JSON: by name a text, compressed bytes in a list, null if it is gone."""
    said: dict[str, Any] = dict.fromkeys(base.keys() - files.keys())
    for name, content in files.items():
        if content != base.get(name):
            plain = content.isascii() and b"\0" not in content
            said[name] = content.decode() if plain else [base64.b85encode(zlib.compress(content, 9)).decode()]
    return json.dumps(said, sort_keys=True).encode()


def unpack(data: bytes, base: Files) -> Files:
    """The files of an input; those of base where it is none."""
    files = dict(base)
    try:
        for name, said in json.loads(data).items():
            files.pop(name, None)
            if said is not None:
                files[name] = said.encode() if isinstance(said, str) else zlib.decompress(base64.b85decode(said[0]))
    except (ValueError, AttributeError, TypeError, LookupError, zlib.error):
        return dict(base)
    return files


def corpus(name: str) -> list[bytes]:
    file = CORPUS / f"{name}.jsonl"
    return file.read_bytes().splitlines() if file.exists() else []


def read(name: str, data: bytes) -> str | None:
    """Read an input; what the error of ours says, None where there is none."""
    from .reading import check

    with tempfile.TemporaryDirectory() as top:
        return check(readers()[name], unpack(data, base_of(name)), Path(top))


def fuzz(name: str, seconds: float, options: list[str]) -> None:
    """Fuzz one reader for so many seconds of this process's CPU, and end it."""
    import atheris

    with atheris.instrument_imports(include=list(OURS)):
        read(name, b"{}")  # loads what it needs
    from .damage import FOLDER, damaged

    base, build = base_of(name), BUILD / name
    known: set[str] = set()
    count = itertools.count(1)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        draw, files = random.Random(seed), unpack(data, base)
        whole = sorted(each for each in files if files[each] != FOLDER)
        if draw.random() < 0.4 or not whole:
            return pack(damaged(files or base, draw), base)
        file = draw.choice(whole)
        return pack({**files, file: atheris.Mutate(files[file], max(LONGEST, len(files[file])))}, base)

    def one(data: bytes) -> None:
        done = next(count)
        if time.process_time() > seconds:
            print(f"done: {done} inputs", flush=True)
            os._exit(0)
        try:
            read(name, data)
        except Exception as error:
            *_, at = traceback.extract_tb(error.__traceback__)
            words = str(error) if isinstance(error, AssertionError) else ""
            words = re.sub(r"\S*[/\d]\S*|\W+", "-", words)[:60]
            fault = f"{type(error).__name__}-{Path(at.filename).stem}-{at.lineno}{words}"
            if fault not in known:
                known.add(fault)
                (build / "found").mkdir(exist_ok=True)
                (build / "found" / f"{fault}.json").write_bytes(data)
                (build / "found" / f"{fault}.txt").write_text(traceback.format_exc())

    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


def child(name: str, seconds: float, *options: str) -> int:
    """One reader in a process of its own, whose words go into its log."""
    command = [sys.executable, "-m", "fuzz.guided", "--within", name, str(seconds), *options]
    with (BUILD / name / "log").open("ab") as log:
        return subprocess.run(command, stdout=log, stderr=log).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", default=TARGETS)
    parser.add_argument("--seconds", type=int, default=3600, help="of CPU, in all (%(default)s)")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    found = 0
    for name in given.readers:
        inputs = BUILD / name / "inputs"
        inputs.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate([b"{}", *corpus(name)]):
            (inputs / f"kept-{number}").write_bytes(data)
        if given.keep:
            keep(name, [path.read_bytes() for path in inputs.iterdir()])
            continue
        # an input is no fault for having waited: its time is the machine's, which other work shares
        limits = ["-timeout=300", "-report_slow_units=300", "-rss_limit_mb=6000", "-max_len=4000000", "-len_control=0"]
        places = [str(inputs), f"-artifact_prefix={inputs.parent}/"]
        code = child(name, given.seconds / len(given.readers), *places, *limits)
        faults = [*(BUILD / name).glob("found/*.txt"), *(BUILD / name).glob("*-*")]
        done = re.findall(r"done: (\d+) inputs", (BUILD / name / "log").read_text(errors="replace"))
        print(f"{name}: {done[-1] if code == 0 else 'ended early after ?'} inputs, faults: {len(faults)}", flush=True)
        found += len(faults) + (code != 0)
    return 1 if found else 0


def keep(name: str, inputs: list[bytes]) -> None:
    """Besides what is kept already, the smallest input of each different error, and the smallest that are read."""
    kept: dict[str | bytes, bytes] = {}
    for data in [*corpus(name), *sorted(inputs, key=len)]:
        try:
            said = read(name, data)
        except Exception as error:
            said = repr(error)
        kept.setdefault(data if said is None else re.sub(r"/\S*/|'[^']*'|\W|\d", "", said)[:60], data)
    lines = [*kept.values()]
    while len(lines) > 3 and sum(map(len, lines)) > KEPT:
        lines.pop()
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--within"]:
        fuzz(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
    sys.exit(main())
