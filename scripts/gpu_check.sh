#!/usr/bin/env bash
# Checks and times the device engine on a graphics card, in order of importance and within ten minutes.
#
#   scripts/gpu_check.sh PROGRAM DEVICE OUTPUT
#
# PROGRAM is a built `gpu_bench` (docs/gpu.md says how), DEVICE a device of `burn-topology --device`, such as cuda, and OUTPUT a
# directory for one file for each part, which is written while the part runs. Needs neither a network nor a toolchain. The
# exit code is 1 if the check failed.
set -uo pipefail

[ $# -eq 3 ] || {
    echo "usage: $0 PROGRAM DEVICE OUTPUT" >&2
    exit 2
}
program=$1 device=$2 output=$3
mkdir -p "$output"
# The driver of a container may lie outside the usual paths.
ldconfig -p | grep -q libcuda.so || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64"
# Fewer candidates for each kernel, where the program was built with autotune.
export CUBECL_AUTOTUNE_LEVEL=${CUBECL_AUTOTUNE_LEVEL:-minimal}

{
    date -u +%F
    nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,pcie.link.gen.current --format=csv 2>/dev/null
    nproc
    grep -m1 'model name' /proc/cpuinfo
} >"$output/machine.txt"

failed=0
# part NAME SECONDS ARGUMENTS...
part() {
    local name=$1 seconds=$2
    shift 2
    echo "== $name ($SECONDS s)"
    timeout "$seconds" "$program" "$@" 2>&1 | tee "$output/$name.txt"
    local code=${PIPESTATUS[0]}
    [ "$code" -eq 0 ] || {
        echo "$name ended with exit code $code" | tee -a "$output/$name.txt"
        [ "$name" != check ] || failed=1
    }
}

part check 120 check "$device" --largest "${LARGEST:-197}"
part plain 100 step "$device" --only plain ${STEP:-}
part penalised 110 step "$device" --only penalised-by-device ${STEP:-}
part bench 90 bench "$device" ${BENCH:-}
part penalised_by_host 90 step "$device" --only penalised-by-host --times 3 ${STEP:-}
part cpu 60 cpu --times 2 ${BENCH:-}
exit $failed
