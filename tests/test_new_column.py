"""A new column of a judgement is one row of a table: the store, every format and the page hold it, there and back."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
# Names and values of columns that are not there, one of each type.
NEW = {
    "text": ("brisk", "=slow"),
    "number": (0.25, 3.0),
    "whole": (2, 0),
    "truth": (True, False),
    "numbers": ([1.0], [2.0]),
    "time": ("2026-01-05T09:00:00.125Z", "2026-01-06T09:00:00Z"),
}
BEGIN = """
import importlib.util, sys
from pathlib import Path
import pandas as pd

spec = importlib.util.spec_from_file_location("affectml_annotation.columns", {columns!r})
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
NEW, FOLDER, DATABASES = {new!r}, Path({folder!r}), {databases!r}
for kind in NEW:
    column = module.Column(f"new_{{kind}}", kind, "person", "made up here", low=0, high=9, since=6)
    module.COLUMNS = (*module.COLUMNS, column)
"""
FILES = """
from affectml_annotation import read_judgements, write_judgements
from affectml_annotation.exchange.tables import from_files
from affectml_annotation.exchange.merging import merge_judgements

table = from_files(pd.DataFrame({
    "image_id": ["a", "b"], "annotator_id": "u", "round": 1, "kind": "labels", "labels": [["awe"], ["joy"]],
    **{f"new_{kind}": pd.Series(values, dtype=object) for kind, values in NEW.items()},
}), "here")
for name in ("j.parquet", "j.csv", "j.jsonl", "j.json"):
    write_judgements(table, FOLDER / name)
    again = read_judgements(FOLDER / name)
    for kind in NEW:
        assert again[f"new_{kind}"].tolist() == table[f"new_{kind}"].tolist(), (name, again[f"new_{kind}"])
merged = merge_judgements(merge_judgements(None, table, "here").content, table, "here")
assert merged.same == 2
for kind in NEW:
    assert merged.judgements[f"new_{kind}"].tolist() == table[f"new_{kind}"].tolist()
    other = table.assign(**{f"new_{kind}": table[f"new_{kind}"].iloc[::-1].tolist()})
    assert len(merge_judgements(merged.content, other, "here").conflicts) == 2, kind
"""
STORE = """
import shutil
from types import SimpleNamespace
from affectml.data import Dataset
from affectml_annotation import LabelStore, Task, aggregate, write_judgements
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store.checking import check_store
from affectml_apps.relabel.identity import ticket
from affectml_apps.relabel.messages import read_answer

def hold(folder, database, old):
    folder.mkdir()
    if old:
        shutil.copy(old, database)
    with LabelStore(database) as store:
        if not old:
            images = pd.DataFrame({"image_id": ["a", "b"]})
            store.init_task(Task(labels=("awe", "joy"), question="What?", overlap=2), images)
        labels = store.task.labels
        store.invite(["newcomer"])
        before = store.judgements()
        [claim] = store.claim("newcomer", 1)
        told = {f"new_{kind}": NEW[kind][0] for kind in NEW}
        given = ticket("secret", "newcomer", claim.image_id, 1)
        raw = {"id": "new", "image": claim.image_id, "kind": "labels", "labels": [labels[0]], "ticket": given, **told}
        task = SimpleNamespace(secret="secret")
        [receipt] = store.submit([read_answer(task, "newcomer", raw | {"flag": True, "note": "cut off"})])
        assert receipt.status == "accepted", receipt
        now = store.judgements()
        assert len(now) == len(before) + 1 and now["flag"].tolist()[-1] is True
        for table in (now.tail(1), store.history("newcomer"), store.events().tail(1)):
            assert table[list(told)].to_dict("records") == [told], table
        assert not check_store(store)
        votes = {"labels": lambda judgements: aggregate(judgements, labels, "votes")}
        write_dataset_folder(folder / "data", Collected.of(store), votes)
        kept = Dataset.open(folder / "data").judgements.query("annotator_id == 'newcomer'")
        assert {name: getattr(kept[name].iloc[0], "tolist", lambda: kept[name].iloc[0])() for name in told} == told
        write_judgements(now.tail(1), folder / "said.csv")
        images = store.images()[["image_id"]]
    with LabelStore(folder / "other.db") as other:
        other.init_task(Task(labels=labels, question="What?"), images)
        other.import_file(folder / "said.csv", invite=True)
        assert other.judgements()[list(told)].to_dict("records") == [told]

for number, (database, old) in enumerate(DATABASES):
    hold(FOLDER / str(number), database, old)
"""


def run(code, folder, new, databases=()):
    columns = find_spec("affectml_annotation.columns").origin
    begin = BEGIN.format(columns=columns, new=new, folder=str(folder), databases=databases)
    done = subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_format_holds_it(tmp_path):
    run(FILES, tmp_path, NEW)


def test_the_page_the_store_and_data_sets_hold_it(tmp_path, postgres_url):
    """In new databases, and in those of earlier versions, which get the column when they are opened."""
    old = [str(GOLDEN / version / "labels" / "labels.db") for version in ("0.2.0", "0.3.0.dev0")]
    new, by_old = [tmp_path / "new.db", postgres_url], [(tmp_path / f"{at}.db", db) for at, db in enumerate(old)]
    databases = [(str(place), db) for place, db in [*((place, "") for place in new), *by_old]]
    said_by_pages = {kind: NEW[kind] for kind in ("text", "number", "truth", "numbers")}
    run(STORE, tmp_path, said_by_pages, databases)
