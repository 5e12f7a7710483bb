//! Helpers that several tests share: tensors, gradients, temporary directories, and runs of the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::{DType, Distribution};

/// Autodiff device, and the data type of 64-bit tensors on it.
pub fn device() -> (Device, DType) {
    (Device::flex().autodiff(), DType::F64)
}

/// 64-bit tensor of reproducible pseudo-random numbers between -1 and 1.
pub fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    // A linear congruential generator: independent of the backend and of crates for random numbers.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect();
    let (device, dtype) = device();
    Tensor::from_data(TensorData::new(values, shape), (&device, dtype))
}

/// Kind of the error of the operating system that caused an error, if one did.
pub fn io_kind(error: &burn_topology::Error) -> Option<std::io::ErrorKind> {
    let cause = std::error::Error::source(error)?;
    Some(cause.downcast_ref::<std::io::Error>()?.kind())
}

/// Values of a tensor, on the host.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .without_autodiff()
        .try_into_vec_as()
        .expect("a readable tensor")
}

/// Asserts that the gradient of `f` at `x` equals central differences along three random directions.
///
/// `f` maps a 64-bit tensor to a scalar.
pub fn assert_gradient<const D: usize>(x: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) {
    let tracked = x.clone().require_grad();
    let gradient = tracked
        .grad(&f(tracked.clone()).backward())
        .expect("a gradient");
    for seed in 0..3 {
        let direction = numbers(x.dims(), 1000 + seed);
        // In 64 bits, truncation and rounding errors are then both far below the tolerance.
        let step = 1e-6;
        let at = |sign: f64| values(f(x.clone() + direction.clone() * (sign * step)))[0];
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        let along = values((gradient.clone() * direction.inner()).sum())[0];
        let scale = slope.abs().max(along.abs()).max(1e-6);
        assert!(
            (slope - along).abs() <= 1e-6 * scale,
            "direction {seed}: central difference {slope}, gradient {along}"
        );
    }
}

/// Temporary directory, removed at the end of the test.
pub struct TestDir(PathBuf);

impl TestDir {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "burn-topology-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Names of everything in the directory.
    pub fn names(&self) -> Vec<String> {
        Self::names_in(&self.0)
    }

    /// Names of everything in another directory.
    pub fn names_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .expect("a directory of the test")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        names.sort();
        names
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Command that runs the program in a directory.
pub fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burn-topology"));
    command.args(arguments).current_dir(directory);
    command
}

/// Runs the program in a directory.
pub fn run_program(directory: &Path, arguments: &[&str]) -> Output {
    program(directory, arguments)
        .output()
        .expect("the program runs")
}

/// Runs the program, which must succeed; returns its stdout and its stderr.
pub fn succeeds(directory: &Path, arguments: &[&str]) -> (String, String) {
    let output = run_program(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr))
}

/// Runs the program, which must end with exit code 2; returns its stderr.
pub fn refusal(directory: &Path, arguments: &[&str]) -> String {
    let output = run_program(directory, arguments);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// Copies a file, or a directory with everything in it.
pub fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::copy(from, to).expect("a copy");
        return;
    }
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory of the test") {
        let entry = entry.expect("an entry");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Asserts that the program fails with exit code 2 and a one-line message that contains `expected`.
pub fn assert_refused(directory: &Path, arguments: &[&str], expected: &str) {
    let output = run_program(directory, arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && message.contains(expected),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// Random 64-bit attention weights, whose rows sum to 1.
pub fn attention(shape: [usize; 4], seed: u64) -> Tensor<4> {
    burn_topology::burn::tensor::activation::softmax(numbers(shape, seed) * 3.0, 3)
}

/// Random 32-bit attention weights on a device without autodiff.
pub fn plain_attention(shape: [usize; 4]) -> Tensor<4> {
    let device = Device::flex();
    let scores = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device);
    burn_topology::burn::tensor::activation::softmax(scores, 3)
}

/// Runs a shell script in its own mount namespace; `None` if the system does not allow this.
pub fn in_own_mounts(directory: &Path, script: &str) -> Option<Output> {
    let run = |script: &str| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-ec", script])
            .current_dir(directory)
            .env("PROGRAM", env!("CARGO_BIN_EXE_burn-topology"))
            .output()
    };
    // Tried first, so that a failure of the script itself is not taken for a missing permission.
    let is_allowed =
        run("mkdir -p probe && mount -t tmpfs none probe").is_ok_and(|o| o.status.success());
    if !is_allowed {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount");
        eprintln!("mounting is not allowed here: the test was skipped");
        return None;
    }
    Some(run(script).unwrap())
}
