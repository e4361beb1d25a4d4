#!/usr/bin/env bash
# The wheels that are released, installed in new environments and run from an empty folder: `make wheel-test`.
#   alone        affectml-annotation, then affectml-metrics, each with its tests and nothing but its own dependencies
#   newest       all three, with the newest versions of everything, on the Python of $PYTHON
#   lowest       the lowest versions that pyproject.toml declares, on the lowest Python it declares
#   python3.N    the newest versions on that Python, such as the newest supported
# One argument or more names which; without one, all. A Python that the machine lacks is skipped, and that is said.
# The last ones install PyPI's build of torch: some 3 GB each, which go away with the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=$(realpath "${BIN:-.venv/bin}")
PYTHON=${PYTHON:-python3}
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
unset PYTHONPATH
root=$PWD
export UV_CACHE_DIR=${UV_CACHE_DIR:-$elsewhere/cache} UV_PYTHON_DOWNLOADS=never

works() { # works ENVIRONMENT: what a user does first
    (
        cd "$elsewhere"
        rm -rf small run
        "$1/bin/affectml" --version
        "$1/bin/python" -m affectml train --help >/dev/null
        "$1/bin/affectml" demo small --images 300 --seed 3
        "$1/bin/affectml" train small --multilabel --out run >train.log
        "$1/bin/affectml" predict run small/images/000007.png
        "$1/bin/python" -c 'import affectml; scores = affectml.load_run("run").scores; assert "model" in scores.index, scores'
        "$1/bin/python" -c 'import affectml_metrics as m; [getattr(m, name) for name in m.__all__]'
        "$1/bin/python" -c 'import affectml_annotation as a; [getattr(a, name) for name in a.__all__]'
    )
}

prepared() { # the environment of `alone`, in which `newest` goes on
    [ -d "$elsewhere/newest" ] || "$PYTHON" -m venv "$elsewhere/newest"
    "$elsewhere/newest/bin/python" -m pip install --quiet --upgrade pip
}

alone() {
    prepared
    local part
    for part in annotation metrics; do # in this order: the first comes without torch
        "$elsewhere/newest/bin/python" -m pip install --quiet --no-compile "$elsewhere"/dist/affectml_$part-*.whl \
            --group "$part/pyproject.toml:test"
        (
            cd "$elsewhere"
            # its tests that ask affectml or PostgreSQL are skipped here, which CI else takes for failures
            [ $part = metrics ] || unset CI
            "$elsewhere/newest/bin/pytest" -c "$root/pyproject.toml" --rootdir "$root" -p no:cacheprovider \
                -q -r fE -n auto -m 'not slow' "$root/tests/$part"
        )
        if [ $part = annotation ] && "$elsewhere/newest/bin/python" -c 'import torch' 2>"$elsewhere/no-torch.log"; then
            echo "affectml-annotation brought torch along" >&2
            exit 1
        fi
    done
}

newest() {
    prepared
    "$elsewhere/newest/bin/python" -m pip install --quiet --no-compile "$elsewhere"/dist/*.whl
    works "$elsewhere/newest"
}

with_uv() { # with_uv PYTHON-VERSION OPTION-OF-uv-pip-compile...
    local version=$1 environment="$elsewhere/uv-$1" versions="$elsewhere/versions-$1.txt"
    shift
    if ! "$BIN/uv" python find --quiet "$version" >/dev/null 2>&1; then
        echo "skipped: there is no Python $version on this machine"
        return
    fi
    "$BIN/uv" venv --quiet --clear --python "$version" "$environment"
    "$BIN/uv" pip compile --quiet --python "$environment/bin/python" "$@" {.,metrics,annotation}/pyproject.toml \
        --no-emit-package affectml-metrics --no-emit-package affectml-annotation -o "$versions" >/dev/null
    "$BIN/uv" pip install --quiet --python "$environment/bin/python" -r "$versions" "$elsewhere"/dist/*.whl
    grep -E "^(numpy|pandas|torch|torchvision|typer|streamlit)==" "$versions" | tr '\n' ' '
    echo
    works "$environment"
    rm -rf "$environment"
}

# sdist first, and the wheel from it, as a release is built
for folder in metrics annotation .; do
    "$BIN/python" -m build --no-isolation --outdir "$elsewhere/dist" $folder >"$elsewhere/build.log" 2>&1 ||
        { cat "$elsewhere/build.log"; exit 1; }
done
ls -l "$elsewhere/dist"
[ $# -gt 0 ] || set -- alone newest lowest python3.13 python3.14
for kind in "$@"; do
    echo "-- $kind"
    case $kind in
    alone | newest) $kind ;;
    lowest) with_uv 3.11 --resolution lowest-direct ;;
    python3.*) with_uv "${kind#python}" ;;
    *) echo "no such kind: $kind (alone, newest, lowest, python3.N)" >&2; exit 2 ;;
    esac
done
