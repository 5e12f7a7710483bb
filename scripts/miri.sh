#!/usr/bin/env bash
# Runs the tests of the unsafe code under Miri, which finds reads and writes beyond memory, uninitialised values and races.
#
#     scripts/miri.sh [TEST...]
#
# Needs a nightly toolchain with Miri: rustup toolchain install nightly --component miri,rust-src
# Burn would take hours there, so the unsafe files are copied into a small package of their own: `distance` and `topology`
# as they are, `fused/matmul.rs` with the part of `fused/node.rs` that does not need Burn. Kernels for vectors of 256 bits
# run too; those of 512 bits need instructions that Miri does not know.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
target="${CARGO_TARGET_DIR:-$repository/target}/miri"
# Always the same directory, which the results of earlier builds refer to.
work="$target/package"
rm -rf "$work"
mkdir -p "$work/src/fused"
cp -r src/distance src/topology "$work/src/"
for file in error real mean counted choice; do cp "src/$file.rs" "$work/src/"; done
cp -r src/fused/matmul.rs src/fused/matmul "$work/src/fused/"
# From the definition of `Unwritten` on, `fused/node.rs` is plain Rust.
{
    echo 'use std::mem::MaybeUninit; use std::ptr::from_mut; use rayon::prelude::*;'
    sed -n '/^\/\/\/ Uninitialised memory of one block/,$p' src/fused/node.rs
} >"$work/src/fused/node.rs"
echo 'mod matmul; mod node;' >"$work/src/fused/mod.rs"
cat >"$work/src/lib.rs" <<END
#![allow(dead_code, unused_imports, unused_macros)]
mod choice; mod counted; mod error; mod mean; mod real;
pub mod distance; mod fused; pub mod topology;
pub use error::{Error, Result};
pub use real::Real;
END
version() { sed -n "s/^$1 = .*version = \"\([^\"]*\)\".*/\1/p; s/^$1 = \"\([^\"]*\)\"/\1/p" Cargo.toml | head -1; }
cat >"$work/Cargo.toml" <<END
[package]
name = "unsafe-code"
version = "0.0.0"
edition = "2024"
[features]
default = ["flex"]
flex = []
serde = []
schema = []
cli = []
[dependencies]
gemm = { version = "$(version gemm)", default-features = false, features = ["std"] }
num-traits = "$(version num-traits)"
rayon = "$(version rayon)"
[dev-dependencies]
proptest = "$(version proptest)"
END
cp Cargo.lock "$work/"
# Threads of the pool outlive the tests; crossbeam needs the newer rules of borrowing.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows"
export RUSTFLAGS="${RUSTFLAGS:-} -Ctarget-feature=+avx2,+fma"
export CARGO_TARGET_DIR="$target"
cd "$work"
[ $# -gt 0 ] || set -- matmul::tests node::tests vectorized::tests
cargo +nightly miri test --lib -- "$@"
