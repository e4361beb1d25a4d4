"""What every test may ask for: the real test data and a PostgreSQL server, where they are, and the rule for skips."""

import contextlib
import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

PATIENCE = 300  # seconds until a wait is given up; waiting costs nothing, and a busy machine is slow
T = TypeVar("T")

# before torch comes in: on small tables two threads wait for each other many times longer than one takes
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of what else the machine does than of the code. A failure is everybody's, and the
# examples are the same each time, so that more of them say little more.
settings.register_profile(
    "affectml", deadline=None, derandomize=True, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("affectml")


NOT_PROMISED = "no real test data was promised"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test data; skips where it is absent (see CONTRIBUTING.md)."""
    folder = Path(os.environ.get("AFFECTML_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        reason = "" if "AFFECTML_TEST_DATA" in os.environ else f"{NOT_PROMISED}; "
        pytest.skip(f"{reason}no folder {folder}; set AFFECTML_TEST_DATA to one that has it")
    return folder


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], T]], T]:
    """`eventually(ask)`: ask again and again until the answer is truthy, and return it."""

    def wait(ask: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain"
            time.sleep(0.005)
        return answer

    return wait


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """`spawn(command, **options of Popen)`: start a process that ends with the test, and its children with it."""
    started: list[subprocess.Popen[Any]] = []

    def start(command: list[str], **options: Any) -> subprocess.Popen[Any]:
        started.append(subprocess.Popen(command, start_new_session=True, **options))
        return started[-1]

    yield start
    for process in started:
        with process, contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def free_port() -> Iterator[Callable[[], int]]:
    """`free_port()`: a port that the system gave us, and gives to nobody else as long as the tests run.

    It stays bound without listening. A server, which sets SO_REUSEADDR, can listen there, end, and come back.
    """
    with contextlib.ExitStack() as held:

        def reserve() -> int:
            place = held.enter_context(socket.socket())
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind(("127.0.0.1", 0))
            return int(place.getsockname()[1])

        yield reserve


@pytest.fixture(scope="session")
def commands() -> dict[str, Any]:
    """Every command by the words that call it, "" for `affectml`; an importer's with its options."""
    import typer

    from affectml.cli import app

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        command = getattr(command, "whole", command)
        yield " ".join(words), command
        context = typer.Context(command)
        for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
            yield from walk(command.get_command(context, name), (*words, name))

    return dict(walk(typer.main.get_command(app), ()))


@pytest.fixture(scope="session")
def options_by_command(commands: dict[str, Any]) -> dict[str, frozenset[str]]:
    """The names of each command's options, by the words that call it."""
    return {
        words: frozenset(name for each in command.params for name in (*each.opts, *each.secondary_opts))
        for words, command in commands.items()
    }


@pytest.fixture(scope="session")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`demo_set(name="demo", **options of write_demo)`: a demo set in a folder of its own, drawn once for all files.

    Its paintings have 96 pixels unless asked otherwise, which take a quarter of the time. `embedded=True`: by
    affect-tiny, once for all files too.
    """
    drawn: dict[tuple[bool, str], Path] = {}

    def demo_set(name: str = "demo", *, embedded: bool = False, **options: Any) -> Any:
        from affectml.data import Dataset
        from affectml.demo_set import write_demo
        from affectml.embeddings import embed_dataset

        options = {"size": 96, **options}
        asked = repr(sorted(options.items()))
        if (False, asked) not in drawn:
            drawn[False, asked] = write_demo(tmp_path_factory.mktemp("drawn") / "demo", **options).root
        if (embedded, asked) not in drawn:
            drawn[True, asked] = shutil.copytree(drawn[False, asked], tmp_path_factory.mktemp("embedded") / "demo")
            embed_dataset(drawn[True, asked], "affect-tiny", progress=False)
        return Dataset.open(shutil.copytree(drawn[embedded, asked], tmp_path_factory.mktemp("demo") / name))

    return demo_set


@pytest.fixture(scope="session")
def take_part() -> Callable[..., str]:
    """`take_part(store, token)`: somebody with a link completes the study of examples/study; who they are."""
    from affectml_annotation import Answer
    from affectml_annotation.study import door, visits

    def take_part(store: Any, token: str) -> str:
        ids = door.ids_of_link(store, token)
        entry = door.enter(store, ids)
        boxes = ("I am at least 18 years old.", "I have read this, and I take part of my own free will.")
        who = door.agree(store, ids, entry.version, boxes).participant
        visits.answer_questions(store, who, "before", {"age_group": "30-49", "paintings": 3})
        visits.go_on(store, who, "instructions")
        for image, labels in (("practice-1", ["awe"]), ("practice-2", ["fear", "disgust"])):
            assert visits.practise(store, who, image, labels).right
        visits.go_on(store, who, "start")
        while claims := store.claim(who, 1):
            store.submit([Answer(claims[0].image_id, who, "labels", ("awe",))])
        visits.finish_images(store, who)
        visits.answer_questions(store, who, "after", {})
        assert visits.go_on(store, who, "debriefing").status == "completed"
        return who

    return take_part


class Postgres:
    """A PostgreSQL server of our own on a socket in a temporary folder. FileNotFoundError without its programs."""

    def __init__(self, port: int = 5432) -> None:
        from affectml.checkup import postgres_programs

        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError(
                "no PostgreSQL server programs (initdb, pg_ctl); Debian: apt-get install postgresql"
            )
        self.programs, self.folder = programs, Path(tempfile.mkdtemp(prefix="affectml-pg-"))
        # The server refuses to run as root; Debian's package brings a user for it.
        self.account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.account:
            shutil.chown(self.folder, "postgres", "postgres")
        self.options = f"-k {self.folder} -p {port} -c listen_addresses= -c fsync=off -c max_connections=60"
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self.folder}&port={port}"
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Returns when it answers."""
        self._run("pg_ctl", "-w", "-t", str(PATIENCE), "-l", str(self.folder / "log"), "-o", self.options, "start")

    def stop(self, mode: str) -> None:
        """mode: `fast`, as it is shut down, or `immediate`, as it crashes."""
        self._run("pg_ctl", "-m", mode, "stop")

    def close(self) -> None:
        """End it, and take its folder away."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it does not run
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / program), "-D", str(self.folder / "data"), *arguments],
            cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **self.account,
        )  # fmt: skip


@pytest.fixture(scope="session")
def postgres(free_port: Callable[[], int]) -> Iterator[Postgres]:
    """A PostgreSQL server; whoever stops it starts it again."""
    try:
        server = Postgres(free_port())
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with contextlib.closing(server):
        server.start()
        yield server


@pytest.fixture(scope="session")
def new_postgres(postgres: Postgres) -> Callable[..., contextlib.AbstractContextManager[str]]:
    """`with new_postgres() as url`: a new, empty database on it; or a copy of another of this name."""
    import sqlalchemy as sa

    # which keeps no connection: a test may stop the server
    engine = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    @contextlib.contextmanager
    def new_postgres(template: str = "template1") -> Iterator[str]:
        name = f"test_{uuid4().hex[:12]}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield postgres.url.replace("/postgres?", f"/{name}?")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    return new_postgres


@pytest.fixture
def postgres_url(new_postgres: Callable[..., contextlib.AbstractContextManager[str]]) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    with new_postgres() as url:
        yield url


gc.disable()  # which looks for garbage while thousands of tests are collected, a quarter of that time


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What asks for a fixture that its file names in SLOW is slow."""
    for item in items:
        if getattr(item.module, "SLOW", set()) & set(item.fixturenames):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip what needs a package that is not installed. With CI set, a skip is a failure: no check has passed unrun.

    Real data may not be committed, so that a stranger's CI cannot have them: that skip alone is none.
    """
    report = yield
    missing = _missing_package(call.excinfo.value) if call.excinfo else None
    if missing and report.failed and not os.environ.get("CI"):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1], f"Skipped: {missing}; pip install -e '.[dev-all]'")
    honest = hasattr(report, "wasxfail") or NOT_PROMISED in str(report.longrepr)
    if os.environ.get("CI") and report.skipped and not honest:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


def _missing_package(error: BaseException) -> str | None:
    """What an error says that asks for a package which is not there; None for any other."""
    broken = re.match(r"affectml(_\w+)?\.", getattr(error, "name", None) or "")
    if isinstance(error, ModuleNotFoundError) and error.name and not broken:
        return f"no {error.name}"
    return str(error).splitlines()[0] if type(error).__name__ == "MissingExtra" else None
