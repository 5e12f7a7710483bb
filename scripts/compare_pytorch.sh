#!/usr/bin/env bash
# Times the training step of this library beside PyTorch's, plain and penalised, on two threads, and
# prints one table of ratios for each of three models.
#
#     scripts/compare_pytorch.sh [--program FILE] [OPTIONS OF compare_steps.py]
#
# --program FILE     use the example time_step built there rather than building it
# --pairs N          alternated pairs of processes for each model [default: 5]
# --tokens N         only the model of 17, 65 or 197 tokens
#
# Makes a Python environment with PyTorch and torch-topological in target/peers (several GB); PYTHON
# names the Python that makes it, PEERS_PYTHON one that has both already. About ten minutes. Exits with
# 1 if a bar of the table is missed.
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
