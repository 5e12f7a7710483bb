//! A share of what `scripts/torture.sh` does: changed files, kills, races and full disks.

mod processes;
mod readers;
