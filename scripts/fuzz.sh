#!/usr/bin/env bash
# Feeds randomly changed files to all readers for a number of minutes, in release mode, and prints a table.
#
#     scripts/fuzz.sh MINUTES [--only READER] [--seed N] [--jobs N] [--findings DIR]
#
# Inputs that make a reader panic, abort, hang or take more than 1 GiB are kept in DIR (fuzz_findings).
# Exit code 1 if there is any.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: scripts/fuzz.sh MINUTES [OPTION...]}
shift
cargo build --release --quiet --example fuzz_readers
exec "${CARGO_TARGET_DIR:-target}/release/examples/fuzz_readers" --minutes "$minutes" --jobs "$(nproc)" "$@"
