#!/usr/bin/env bash
# Builds the sdist and from it the wheel, installs the wheel in a clean environment, and uses it there.
# usage: tools/release_check.sh [PYTHON [EXTRAS]]   e.g. python3.13 ""; without the extra train nothing is fitted
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD python=${1:-python3} extras=${2-train}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --constraint constraints.txt build
rm -rf dist
"$work/build/bin/python" -m build

"$python" -m venv "$work/clean"
wheel=$(ls "$root"/dist/blemish-*.whl)
"$work/clean/bin/pip" install --quiet --constraint constraints.txt "$wheel${extras:+[$extras]}"
"$work/clean/bin/pip" check
cd "$work"
clean/bin/blemish --version
clean/bin/blemish reproduce --list >/dev/null
if [[ $extras == *train* ]]; then
  clean/bin/blemish demo --data parts --out demo
  clean/bin/blemish export demo/parts-rad.safetensors parts.onnx
  clean/bin/blemish predict parts.onnx demo/parts/test --quiet --csv rows.csv
fi
echo "$(basename "$wheel") works on $("$python" --version)."
