"""Heads register themselves: what a name, a class of one's own and the command line's options lead to."""

import ast
import inspect
import re
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from affectml.errors import BadInput, BadRun
from affectml.heads import Head, SoftmaxHead, Wanted, build_plain, check_plain, head_class, load_head
from affectml.heads.base import HEADS
from affectml.heads.build import heads_that
from affectml.heads.load import offered
from affectml.heads.option_words import free_options, option_words, typed_options


@pytest.mark.parametrize("build", [build_plain, check_plain])
def test_a_mistyped_name_is_never_another_head(build):
    known = rf"no head 'sigmiod'; did you mean 'sigmoid'\? \(heads: {', '.join(offered())}; or"
    with pytest.raises(BadInput, match=known):
        build("sigmiod", Wanted())


def test_a_class_with_a_name_is_known_by_it(heads_as_before):
    for name in ("mine", "my-own"):
        own = type(Head)("Own", (SoftmaxHead,), {}, name=name, learns=("single",))
        assert head_class(name) is type(build_plain(name, Wanted())) is own


def test_a_head_of_an_installed_package_is_known_by_its_name(neighbours, installed):
    installed("affectml-knn", heads={"knn": "my_heads:NeighbourHead"})
    assert "knn" in offered()
    assert "my_heads" not in sys.modules, "its name was enough"
    head_class("knn")(neighbours=1).fit(np.eye(4), np.eye(4)[:, :2]).save(neighbours / "head")
    del HEADS["knn"], sys.modules["my_heads"]
    assert load_head(neighbours / "head").config.neighbours == 1


@pytest.mark.parametrize(
    ("packages", "name", "says"),
    [
        (["affectml-a"], "broken", r"package affectml-a 1\.0 fails \(ModuleNotFoundError: .*\); mend, "),
        (["affectml-a"], "path", "package affectml-a 1\\.0 names os:path, expected a head named 'path'; mend"),
        (["affectml-a"], "softmax", r"affectml and affectml-a 1\.0 have one of this name; uninstall the package$"),
        (["affectml-a", "affectml-b"], "path", r"affectml-[ab] 1\.0 and affectml-[ab] 1\.0 have .* all but one$"),
    ],
)
def test_a_package_whose_head_cannot_be_taken_is_named_in_one_line(installed, packages, name, says):
    points = {"broken": "nowhere:Head", "path": "os:path", "softmax": "affectml.heads:SoftmaxHead"}
    for package in packages:
        installed(package, heads=points)
    with pytest.raises(BadInput, match=f"^head '{name}': {says}"):
        head_class(name)
    assert head_class("sigmoid").name == "sigmoid", "it stands in nobody's way"


def test_a_subclass_without_a_name_takes_nobodys_place():
    quiet = type(Head)("Quiet", (SoftmaxHead,), {})
    assert HEADS["softmax"] is SoftmaxHead
    assert quiet not in HEADS.values()


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(BadInput, match=r"'softmax' belongs to affectml\.heads\._softmax\.SoftmaxHead"):
        type(Head)("Other", (SoftmaxHead,), {}, name="softmax")


@pytest.mark.parametrize(
    ("word", "says"), [("learns", "no task 'rate'; did you mean 'rates'"), ("takes", "no option of train")]
)
def test_a_class_says_only_what_train_understands(heads_as_before, word, says):
    with pytest.raises(BadInput, match=says):
        type(Head)("Other", (SoftmaxHead,), {}, name="other", **{word: ("rate",)})


@pytest.mark.parametrize("head", offered())
@pytest.mark.parametrize(
    ("target", "multilabel"),
    [("single", False), ("distribution", False), ("rates", True), ("sets", True), ("single", True)],
)
def test_a_head_is_built_for_what_it_learns_and_refuses_the_rest(head, target, multilabel):
    wanted = Wanted(target=target, multilabel=multilabel)
    if wanted.task in HEADS[head].learns:
        check_plain(head, wanted)
        assert build_plain(head, wanted, np.eye(3)).name == head
    else:
        with pytest.raises(BadInput, match=rf"^an? {head} head .*: .*take head='(sigmoid|softmax)'$"):
            check_plain(head, wanted)


@pytest.mark.parametrize("name", offered())
@pytest.mark.parametrize("target", ["distribution", "rates"])
def test_a_head_as_train_builds_it_learns(name, target):
    """Labels lie where their texts point, as a head with texts needs them.

    By votes of ten people: on rates without any noise, fits take twice as long.
    """
    wanted = Wanted(target=target, multilabel=target == "rates", seed=1)
    if wanted.task not in HEADS[name].learns:
        return
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 6))
    logits = torch.from_numpy(X)[:, :3]
    votes = rng.multinomial(10, logits.softmax(1)) if target == "distribution" else rng.binomial(10, logits.sigmoid())
    scores = build_plain(name, wanted, np.eye(3, 6)).fit(X[:60], votes[:60] / 10).scores(X[60:])
    assert (scores.argmax(1) == logits[60:].argmax(1)).double().mean() > 0.6  # by chance a third


ENSEMBLES = heads_that(lambda head: "ensemble" in head.takes)


def test_a_run_folder_imports_no_code(neighbours):
    head = head_class("my_heads:NeighbourHead")().fit(np.eye(4), np.eye(4)[:, :2])
    head.save(neighbours / "head")
    del HEADS["knn"]
    with pytest.raises(BadRun, match=r"no head 'knn'.*import the module that defines it first"):
        load_head(neighbours / "head")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("my_haeds:NeighbourHead", r"cannot import 'my_haeds'.*expected package\.module:Class"),
        ("my_heads:Neighbour", "my_heads has no head class 'Neighbour'"),
        ("my_heads:NeighbourConfig", "a head extends affectml.heads.Head"),
        ("affectml.heads:PriorHead", "has no name or learns nothing"),
    ],
)
def test_a_class_of_ones_own_that_is_none_is_refused(neighbours, place, says):
    with pytest.raises(BadInput, match=says):
        head_class(place)


@pytest.mark.parametrize(
    ("head", "words", "values"),
    [
        ("sigmoid", {"l2": "0.1", "balance": "1"}, {"l2": 0.1, "balance": 1.0}),
        ("sigmoid", {"l2": "none", "rho": "fit"}, {"l2": None, "rho": "fit"}),
        ("sigmoid", {"rho": "0.3"}, {"rho": 0.3}),
        ("softmax", {"dropout": 0.2, "batch_size": "64"}, {"dropout": 0.2, "batch_size": 64}),
        ("kernel", {"kernel": "rbf", "gamma": "0.4"}, {"kernel": "rbf", "gamma": 0.4}),
        (
            "sigmoid",
            {"weight_decay": "1, 0.1", "learning_rate": "none"},
            {"weight_decay": (1.0, 0.1), "learning_rate": None},
        ),
        ("auto", {"families": "linear, rbf"}, {"families": ("linear", "rbf")}),
        ("zero_shot", {"logit_scale": "50"}, {"logit_scale": 50.0}),
    ],
)
def test_options_are_read_as_the_types_of_the_config(head, words, values):
    found = typed_options(HEADS[head], words)
    assert found == values
    assert [type(value) for value in found.values()] == [type(value) for value in values.values()]
    assert typed_options(HEADS[head], {name: option_words(value) for name, value in found.items()}) == found


@pytest.mark.parametrize(
    ("head", "words", "says"),
    [
        ("sigmoid", {"blance": "1"}, r"a sigmoid head has no option 'blance'; did you mean 'balance'\? \(options: a"),
        ("sigmoid", {"l2": "strong"}, "l2='strong': expected a number, at least 0, or none"),
        ("sigmoid", {"l2": "1e400"}, r"l2='1e400': expected a number, at least 0, or none \(finite\)"),
        ("sigmoid", {"learning_rate": "0.1,nan"}, "learning_rate='0.1,nan': expected a number, above 0"),
        ("sigmoid", {"batch_size": "2.5"}, "batch_size='2.5': expected a whole number"),
        ("sigmoid", {"l2": "-1"}, "l2='-1': expected a number, at least 0, or none"),
        ("kernel", {"kernel": "linear"}, "expected exponential or rbf"),
        ("sigmoid", {"dropout": "1.5"}, "dropout='1.5': expected a number, at least 0 and below 1"),
        ("sigmoid", {"dropout": "0.5,1"}, "expected a number, at least 0 and below 1, or several with commas between"),
        ("sigmoid", {"hidden": "64"}, "this is what hidden says"),
        ("kernel", {"kind": "rates"}, "this is what multilabel says"),
    ],
)
def test_an_option_that_cannot_be_set_is_refused_with_the_way_out(head, words, says):
    with pytest.raises(BadInput, match=says):
        check_plain(head, Wanted(target="rates", multilabel=True, options=words))


@pytest.mark.parametrize(
    ("head", "wanted", "says"),
    [
        ("topk", {"hidden": 64}, "no hidden layer of your choice: leave out hidden"),
        ("zero_shot", {"hidden": 64}, "no hidden layer of your choice: leave out hidden"),
        ("sigmoid", {"k": 2}, "add head='topk', or leave it out of a sigmoid run"),
        ("topk", {"ensemble": 3}, f"no ensembles of topk heads: take head {ENSEMBLES}"),
    ],
)
def test_an_option_that_a_head_does_not_take_is_refused(head, wanted, says):
    with pytest.raises(BadInput, match=says):
        check_plain(head, Wanted(target="rates", multilabel=True, **wanted))


def test_options_reach_the_head_and_every_member_of_an_ensemble():
    wanted = {"target": "rates", "multilabel": True, "options": {"l2": "0.5"}}
    assert build_plain("sigmoid", Wanted(**wanted)).config.l2 == 0.5
    assert build_plain("kernel", Wanted(**wanted, ensemble=3)).config.member().config.l2 == 0.5


def test_the_page_has_every_option_of_every_head():
    page = Path(__file__).parents[2] / "docs" / "heads.md"
    if not page.is_file():
        pytest.skip("tests run away from the repository, without its docs")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([a-z_, ]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    told = {(head, name) for names, heads in rows for name in re.findall(r"\w+", names) for head in heads.split(", ")}
    assert {head for head in offered() if free_options(HEADS[head])} <= {head for head, _ in told}
    assert told == {(head, name) for head, _ in told for name in free_options(HEADS[head])}


@pytest.mark.parametrize("head", ["prior", "ensemble"])
def test_a_head_that_is_not_trained_is_not_offered_and_says_what_it_is(head):
    assert head not in offered()
    with pytest.raises(BadInput, match=f"^head='{head}': an? {head} head .*; take one of {', '.join(offered())}$"):
        head_class(head)


FOLDER = Path(inspect.getfile(Head)).parent


def test_modules_of_heads_import_each_other_in_no_circle():
    """Imports inside functions count too: they only hide a circle."""
    said = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py")}
    imported = re.compile(r"^ *from affectml\.heads\.(\S+) import", re.MULTILINE)
    imports = {name: set(imported.findall(text)) for name, text in said.items()}
    order = list(TopologicalSorter(imports).static_order())
    assert order[-1] == "__init__"
    assert set(imports["base"]).isdisjoint(name for name in imports if "base" in imports[name])


CLASSES = {"Head", "SetHead", "TextHead", *(cls.__name__ for cls in HEADS.values())}
# prior and zero_shot name systems of a report too, kernel the matrix of a Keras layer, and auto a precision
NAMES = set(HEADS) - {"prior", "zero_shot", "kernel"}


def asks_which_head(code):
    """What in this code compares a class or a name with those of heads."""
    for node in ast.walk(ast.parse(code)):
        of_class = isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass")
        if not (of_class or isinstance(node, ast.Compare | ast.match_case)):
            continue
        words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        compared = ast.unparse(node) if isinstance(node, ast.Compare) else ""
        names = NAMES - {"auto"} if "precision" in compared else NAMES
        if words & CLASSES or "head.name" in compared or (texts & names and not of_class):
            yield ast.unparse(node)


def test_nothing_outside_heads_asks_which_head_it_is():
    """A head is made in places, and never tested for: heads say of themselves what they can."""
    roots = [FOLDER.parent, Path(find_spec("affectml_apps").origin).parent]
    files = [file for root in roots for file in root.rglob("*.py") if not file.is_relative_to(FOLDER)]
    found = {str(file): asked for file in files if (asked := list(asks_which_head(file.read_text(encoding="utf-8"))))}
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "if head.name == 'mine': pass", "if name == 'sigmoid': pass", "x in ('softmax', 'topk')",
        "isinstance(head, SigmoidHead)", "issubclass(cls, TextHead)", "type(head) is TopKHead",
        "match name:\n    case 'auto': pass",
    ],
)  # fmt: skip
def test_a_question_for_a_head_would_be_found(code):
    assert list(asks_which_head(code))
