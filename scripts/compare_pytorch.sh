#!/usr/bin/env bash
# Times the training step of this library and of PyTorch, with and without penalties, on two threads, and
# prints one table of ratios for each of three models.
#
#     scripts/compare_pytorch.sh [--program FILE] [OPTIONS OF compare_steps.py]
#
# --program FILE     use this build of time_step instead of building it
# --pairs N          number of alternating pairs of processes for each model [default: 5]
# --tokens N         time only the model of 17, 65 or 197 tokens
#
# Creates a virtual environment with PyTorch and torch-topological in target/peers (several GB). PYTHON is
# the Python that creates it; PEERS_PYTHON is one that already has both. Takes about ten minutes. Exits with
# 1 if a required ratio of the table is missed.
set -euo pipefail
cd "$(dirname "$0")/.."

program=
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --program) program=${2:?--program needs a file}; shift 2 ;;
        *) options+=("$1"); shift ;;
    esac
done

work=target/peers
python=${PEERS_PYTHON:-$work/python/bin/python}
if [ ! -x "$python" ]; then
    mkdir -p "$work"
    "${PYTHON:-python3}" -m venv "$work/python"
    "$python" -m pip install --quiet --disable-pip-version-check -r scripts/peers/requirements.txt
fi
if [ -z "$program" ]; then
    program=target/release/examples/time_step
    cargo build --release --example time_step
fi
exec "$python" scripts/peers/compare_steps.py "$program" ${options[@]+"${options[@]}"}
