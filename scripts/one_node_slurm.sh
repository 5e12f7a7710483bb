#!/usr/bin/env bash
# Runs a Slurm cluster of one node on this machine, for testing `ablate --launcher slurm`. Needs root, and the packages
# munge and slurm-wlm.
#
#   scripts/one_node_slurm.sh start DIR     all files are in DIR; then `export SLURM_CONF=DIR/slurm.conf`
#   scripts/one_node_slurm.sh stop DIR
set -euo pipefail

command=${1:-}
[ -n "${2:-}" ] || { echo "usage: $0 start|stop DIR" >&2; exit 2; }
mkdir -p "$2"
directory=$(cd "$2" && pwd)
PATH=$PATH:/usr/sbin

stop() {
    for daemon in slurmd slurmctld munged; do
        [ -f "$directory/$daemon.pid" ] || continue
        pid=$(cat "$directory/$daemon.pid" 2>/dev/null || true)
        [ -n "$pid" ] && kill "$pid" 2>/dev/null || continue
        # Waits until the daemon has written its state and ended.
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
}

case $command in
stop) stop ;;
start)
    for program in munged slurmctld slurmd sbatch; do
        command -v $program >/dev/null || { echo "$program is missing: apt-get install munge slurm-wlm" >&2; exit 2; }
    done
    mkdir -p "$directory"/{state,spool}
    # A separate key and socket, so that a munge service of the machine is not disturbed.
    [ -f "$directory/munge.key" ] || head -c 1024 /dev/urandom >"$directory/munge.key"
    chmod 700 "$directory"
    chmod 400 "$directory/munge.key"
    munged --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" \
        --pid-file="$directory/munged.pid" --log-file="$directory/munged.log" --seed-file="$directory/munge.seed"
    cat >"$directory/slurm.conf" <<EOF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
    export SLURM_CONF=$directory/slurm.conf
    slurmctld
    slurmd
    for _ in $(seq 60); do
        [ "$(timeout 5 sinfo --noheader --format=%t 2>/dev/null | head -1)" = idle ] && exit 0
        sleep 0.5
    done
    echo "the node did not become idle; see $directory/slurmctld.log and $directory/slurmd.log" >&2
    stop
    exit 1
    ;;
*) echo "usage: $0 start|stop DIR" >&2; exit 2 ;;
esac
