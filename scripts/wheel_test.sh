#!/usr/bin/env bash
# The wheel that is released, installed in new environments and run from an empty folder: `make wheel-test`.
#   newest       the newest versions of everything, on the Python of $PYTHON
#   lowest       the lowest versions that pyproject.toml declares, on the lowest Python it declares
#   python3.13   the newest versions on the newest Python supported
# One argument or more names which; without one, all. A Python that the machine lacks is skipped, and that is said.
# The last two install PyPI's build of torch: some 3 GB each, which go away with the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=$(realpath "${BIN:-.venv/bin}")
PYTHON=${PYTHON:-python3}
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
unset PYTHONPATH
export UV_CACHE_DIR=${UV_CACHE_DIR:-$elsewhere/cache} UV_PYTHON_DOWNLOADS=never

works() { # works ENVIRONMENT: what a user does first
    (
        cd "$elsewhere"
        rm -rf small run
        "$1/bin/affectml" --version
        "$1/bin/python" -m affectml train --help >/dev/null
        "$1/bin/affectml" demo-data small --images 300 --seed 3
        "$1/bin/affectml" train small --multilabel --out run >train.log
        "$1/bin/affectml" predict run small/images/000007.png
        "$1/bin/python" -c 'import json; m = json.load(open("run/metrics.json")); assert m["systems"]["model"], m'
        "$1/bin/python" -c 'import affectml_metrics as m; [getattr(m, name) for name in m.__all__]'
        "$1/bin/python" -c 'import affectml_annotation as a; [getattr(a, name) for name in a.__all__]'
    )
}

newest() {
    "$PYTHON" -m venv "$elsewhere/newest"
    "$elsewhere/newest/bin/python" -m pip install --quiet --upgrade pip
    "$elsewhere/newest/bin/python" -m pip install --quiet "$elsewhere"/dist/*.whl
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
    "$BIN/uv" pip compile --quiet --python "$environment/bin/python" "$@" pyproject.toml -o "$versions" >/dev/null
    "$BIN/uv" pip install --quiet --python "$environment/bin/python" -r "$versions" "$elsewhere"/dist/*.whl
    grep -E "^(numpy|pandas|torch|torchvision|typer|streamlit)==" "$versions" | tr '\n' ' '
    echo
    works "$environment"
    rm -rf "$environment"
}

# sdist first, and the wheel from it, as a release is built
"$BIN/python" -m build --outdir "$elsewhere/dist" . >"$elsewhere/build.log" 2>&1 || { cat "$elsewhere/build.log"; exit 1; }
ls -l "$elsewhere/dist"
[ $# -gt 0 ] || set -- newest lowest python3.13
for kind in "$@"; do
    echo "-- $kind"
    case $kind in
    newest) newest ;;
    lowest) with_uv 3.11 --resolution lowest-direct ;;
    python3.13) with_uv 3.13 ;;
    *) echo "no such kind: $kind (newest, lowest, python3.13)" >&2; exit 2 ;;
    esac
done
