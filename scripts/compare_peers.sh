#!/usr/bin/env bash
# Times this library and its peers on the same inputs in one run, and prints one table of ratios.
#
#     scripts/compare_peers.sh [--programs DIR] [--without-layer]
#
# --programs DIR     use the programs in DIR (time_persistence, fuzz_answers, and time_layer if present)
#                    instead of building them
# --without-layer    skip the persistence layer, which needs a backend of Burn to be built
#
# Output goes to target/peers; PYTHON is the Python that creates the virtual environment.
# Exits with 1 if a required ratio of the table is missed, or bars of diagrams differ.
set -euo pipefail
cd "$(dirname "$0")/.."

work=target/peers
fixtures=$work/fixtures
programs=
layer=yes
while [ $# -gt 0 ]; do
    case $1 in
        --programs) programs=${2:?--programs needs a directory}; shift 2 ;;
        --without-layer) layer=; shift ;;
        *) echo "unknown argument $1; see the head of $0" >&2; exit 2 ;;
    esac
done
mkdir -p "$work"

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS" >&2; }

python=${PEERS_PYTHON:-$work/python/bin/python}
if [ ! -x "$python" ]; then
    step "Python environment"
    "${PYTHON:-python3}" -m venv "$work/python"
    "$python" -m pip install --quiet --disable-pip-version-check -r scripts/peers/requirements.txt
fi

if [ -z "$programs" ]; then
    step "programs of this library"
    programs=target/release/examples
    cargo build --release --no-default-features --example time_persistence --example fuzz_answers
    if [ -n "$layer" ]; then
        cargo build --release --no-default-features --features flex --example time_layer
    fi
fi
step "programs of the Rust peers"
cargo build --release --manifest-path scripts/peers/rust/Cargo.toml --target-dir "$work/rust"
rust_peers=$work/rust/release/burn-topology-peers

step "fixtures"
if [ ! -e "$fixtures/jsref_collapse_t1_197.npy" ]; then
    "$python" scripts/peers/fixtures.py "$fixtures" --sizes 17,65,197
fi
if [ ! -e "$fixtures/jsref_dinov2s_l11_h4_1370.npy" ]; then
    "$python" scripts/peers/real_attention.py "$fixtures"
fi

matrices=()
for name in smooth_t1_{17,65,197} random_t4_197 collapse_t1_197; do
    matrices+=("$fixtures/jsnat_$name.npy")
done
# Heads of a pretrained transformer. Those of 1,370 tokens are too large for the Rust peers.
real=() large_real=()
for head in l0_h1 l3_h0 l6_h3 l11_h4; do
    matrices+=("$fixtures/jsnat_dinov2s_${head}_257.npy")
    large_real+=("$fixtures/jsnat_dinov2s_${head}_1370.npy")
    real+=("$fixtures"/attn_dinov2s_${head}_{257,1370}.npy)
done
large=$fixtures/jsnat_smooth_t1_197.npy

time_ours() {
    "$programs/time_persistence" --kernel persistence "${matrices[@]}" "${large_real[@]}"
    "$programs/time_persistence" --kernel jensen_shannon "$fixtures/attn_smooth_t1_197.npy"
    "$programs/time_persistence" --kernel rows "${real[@]}"
    "$programs/time_persistence" --kernel wasserstein --kernel batch "$large"
    if [ -n "$layer" ] && [ -x "$programs/time_layer" ]; then
        RAYON_NUM_THREADS=1 "$programs/time_layer" "$large" "${real[@]}"
    fi
}

# Before and after the peers, so that a slow phase of the machine does not affect one side only.
step "ours"
time_ours > "$work/ours_before.csv"
step "peers in Python"
"$python" scripts/peers/time_peers.py "$fixtures" > "$work/peers.csv"
step "peers in Rust"
"$rust_peers" "${matrices[@]}" > "$work/rust.csv"
step "ours again"
time_ours > "$work/ours_after.csv"

status=0
step "the same bars"
"$python" scripts/peers/same_bars.py "$programs/fuzz_answers" "$rust_peers" "${matrices[@]}" || status=1
step "table"
"$python" scripts/peers/comparison.py --ours "$work/ours_before.csv" "$work/ours_after.csv" \
    --peers "$work/peers.csv" --rust "$work/rust.csv" || status=1
exit "$status"
