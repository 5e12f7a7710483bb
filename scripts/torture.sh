#!/usr/bin/env bash
# Changed files, kills, races and full disks for a number of minutes, on the release build. Prints a table of cases and
# failures, and ends with exit code 1 if anything failed.
#
#     scripts/torture.sh MINUTES [SEED]
#
# Half of the processors read changed files (scripts/fuzz.sh), while the others run scripts/torture/torture.py.
# Everything is written below one temporary directory; what failed is copied to torture_failures.
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${1:?usage: scripts/torture.sh MINUTES [SEED]}
seed=${2:-0}
cargo build --release --quiet --bin burn-topology --example fuzz_readers || exit 2
release="${CARGO_TARGET_DIR:-target}/release"
failures="$PWD/torture_failures"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=$((($(nproc) + 1) / 2))
"$release/examples/fuzz_readers" --minutes "$minutes" --jobs "$jobs" --seed "$seed" --findings "$failures" \
    >"$work/fuzz" 2>"$work/fuzz_messages" &
fuzz=$!
TMPDIR="$work" python3 -B scripts/torture/torture.py "$release/burn-topology" --minutes "$minutes" --seed "$seed" \
    --keep "$failures"
code=$?
wait "$fuzz" || code=1
grep -v ' inputs$' "$work/fuzz_messages"
printf '\n'
cat "$work/fuzz"
exit $code
