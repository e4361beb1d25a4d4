"""Who comes to a study's page: ids leave the address for a signed cookie, and what cannot run ends the program."""

from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from affectml.errors import AffectmlError
from affectml_annotation import LabelStore, TaskSettings
from affectml_annotation.study import door, keys, visits
from affectml_annotation.study.overview import overview
from affectml_annotation.study.screen import screen
from affectml_apps.relabel import web
from affectml_apps.relabel.launch import app_parts
from affectml_apps.relabel.options import Options
from affectml_apps.relabel.study.entrance import Entrance, cookie_name, enter, ids_of, visitor_of
from affectml_apps.relabel.task import open_task

from .conftest import PANEL

ANN = "/?PROLIFIC_PID=ann-at-the-panel&STUDY_ID=s1&SESSION_ID=one"


def browser(task, base=""):
    """A browser at a server whose every page is the same."""
    pages = [Route("/{path:path}", lambda request: PlainTextResponse(f"page {request.url.query}"))]
    app = Starlette(routes=[*web.make_routes(base), *pages], middleware=[Middleware(Entrance, task=task, base=base)])
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def test_ids_leave_the_address_for_a_cookie_that_no_script_reads(study):
    task = study()
    ann = browser(task)
    reply = ann.get(ANN)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "ann-at" not in reply.headers["set-cookie"]
    cookie = SimpleCookie(reply.headers["set-cookie"])[cookie_name(task)]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert visitor_of(task, ann.cookies).given["PROLIFIC_PID"] == "ann-at-the-panel"
    assert ann.get("/").text == "page "
    for other in ("/progress?who=ann", "/relabel/client/main.js?PROLIFIC_PID=x", "/_stcore/health?link=x"):
        assert ann.get(other).status_code == 200


def test_below_a_base_path_the_cookie_is_the_pages_alone(study):
    ann = browser(study(), "lab/one")
    for address in (f"/lab/one{ANN}", f"/lab/one{ANN[1:]}"):
        reply = ann.get(address)
        assert reply.headers["location"] == "/lab/one/"
        assert "Path=/lab/one/" in reply.headers["set-cookie"]


def test_a_cookie_that_somebody_made_up_is_nobodys(study):
    task = study()
    ann = browser(task)
    ann.get(ANN)
    name = cookie_name(task)
    content, _, signature = ann.cookies[name].partition(".")
    for forged in ("", "x", ".", f"{content}.", f"{content[:-4]}AAAA.{signature}", f".{signature}", f"{content}.ü"):
        assert visitor_of(task, {name: forged}) is None


def test_a_browser_stays_the_same_device_whoever_comes(study):
    task = study()
    ann, other = browser(task), browser(task)
    own = []
    for address in (ANN, ANN.replace("one", "two"), ANN.replace("ann", "bob"), ANN, "/?link=1.X"):
        ann.get(address)
        own.append(visitor_of(task, ann.cookies).own)
    assert len(set(own)) == 1
    other.get(ANN)
    assert visitor_of(task, other.cookies).own != own[0]
    assert overview(task.store).opened == 4  # a link that opens nothing is nobody


def begin(task, client, address):
    client.get(address)
    visitor = visitor_of(task, client.cookies)
    return door.agree(task.store, ids_of(task, visitor), 1, ["I agree."], visitor.own).participant


def test_a_link_that_a_foreign_page_sends_somebody_to_takes_no_visit_away(study):
    task = study()
    ann, bob = browser(task), browser(task)
    who, bobs = begin(task, ann, ANN), begin(task, bob, ANN.replace("ann", "bob"))
    ann.get(ANN.replace("ann", "made-up"))  # nobody's visit yet: the page asks whoever it is to agree
    assert enter(task, visitor_of(task, ann.cookies)).kind == "consent"
    ann.get(ANN)  # and by their own address they go on without a code
    assert enter(task, visitor_of(task, ann.cookies)).participant == who
    reply = ann.get(ANN.replace("ann", "bob"))  # whose visit is elsewhere
    assert (reply.status_code, "set-cookie" in reply.headers) == (303, False)
    assert enter(task, visitor_of(task, ann.cookies)).participant == who
    visits.leave(task.store, who)
    ann.get(ANN.replace("ann", "bob"))  # once it is over, another may go on here, by their code
    assert enter(task, visitor_of(task, ann.cookies)).kind == "known"
    assert visits.where(task.store, bobs).status is None


def test_a_participant_goes_back_by_the_server_once_they_have_a_code(study):
    task = study(recruit={**PANEL, "study": "s1", "codes": {"screened_out": "OUT", "no_consent": "NO"},
                          "return_to": "https://panel.example/?cc={code}&who={person}"})  # fmt: skip
    ann, nobody = browser(task), browser(task)
    ann.get(ANN)
    visitor = visitor_of(task, ann.cookies)
    assert ann.get("/relabel/return").headers["location"] == "https://panel.example/?cc=NO&who=ann-at-the-panel"
    ids = door.Ids("ann-at-the-panel", "one")
    who = door.agree(task.store, ids, 1, ["I agree."], visitor.own).participant
    assert enter(task, visitor).participant == who
    assert ann.get("/relabel/return").headers["location"] == "../"
    visits.answer_questions(task.store, who, "before", {"age": "30+"})
    visits.go_on(task.store, who, "instructions")
    for _ in range(2):
        visits.practise(task.store, who, "000000", ["joy"])
    assert screen(task.store, who).code == "OUT"
    assert ann.get("/relabel/return").headers["location"] == "https://panel.example/?cc=OUT&who=ann-at-the-panel"
    assert nobody.get("/relabel/return").headers["location"] == "../"
    nobody.get(ANN)  # the same ids on another device
    assert nobody.get("/relabel/return").headers["location"] == "../"


def ended(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        app_parts([*map(str, arguments)])
    return str(stop.value.code if isinstance(stop.value.code, str) else capsys.readouterr().err)


def test_a_study_that_cannot_run_ends_the_program_with_one_line(study_folder, tmp_path, capsys):
    folder, other = study_folder(), tmp_path / "other.db"
    with LabelStore(str(other)) as store:
        store.init_task(TaskSettings(("warm", "cold"), "?"), ["a"])
    line = ended(capsys, "--study", folder, "--db", other)
    assert "holds a task with other labels" in line
    (folder / "study.yaml").write_text("overlaps: 2\n")
    line = ended(capsys, "--study", folder, "--db", tmp_path / "x.db")
    assert "did you mean 'overlap'" in line
    assert "\n" not in line
    assert "its file says what is labelled" in ended(capsys, "--study", folder, "--dataset", "demo")
    assert not (tmp_path / "x.db").exists()


def test_the_page_without_the_study_does_not_open_its_task_beside_the_door(study):
    task = study()
    with pytest.raises(AffectmlError, match="holds a study, .* `affectml study run OUT` starts it"):
        open_task(Options(dataset=task.dataset.root, db=task.store.database.engine.url.database))


def test_a_text_that_changed_is_what_newcomers_see(study_folder, tmp_path):
    folder = study_folder()
    versions = []
    for text in ("First.", "Second."):
        (folder / "consent.md").write_text(text)
        task = open_task(Options(study=folder, db=str(tmp_path / "study.db")))
        versions.append(door.enter(task.store, door.Ids(text)).version)
        task.store.close()
    assert versions == [1, 2]


def test_links_of_the_command_line_let_people_in(study):
    task = study(recruit={"panel": "links"})
    (token,) = keys.make_links(task.store, 1, 4e9)
    ann = browser(task)
    assert ann.get(f"/?link={token}").status_code == 303
    assert enter(task, visitor_of(task, ann.cookies)).kind == "consent"
    ann.get(ANN)
    assert visitor_of(task, ann.cookies).given == {"link": token}
