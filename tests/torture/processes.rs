//! A few cases of every kind of test of `scripts/torture/torture.py`.

use std::path::Path;
use std::process::Command;

use crate::util::TestDir;

#[test]
fn kills_races_and_full_disks_change_no_result_and_leave_nothing() {
    let directory = TestDir::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/torture/torture.py");
    let output = Command::new("python3")
        .arg("-B")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_burn-topology"))
        .args(["--quick", "--cases", "1", "--keep"])
        .arg(directory.path().join("failures"))
        .current_dir(directory.path())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must have Python");
            eprintln!("python3 cannot be started ({error}): the test was skipped");
            return;
        }
    };
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    // Full disks may be left out where nothing can be mounted, but not the others.
    for kind in ["kills of train clips", "two ablates of one study"] {
        assert!(report.contains(kind), "{report}\n{errors}");
    }
    print!("{report}");
}
