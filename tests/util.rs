//! What several tests need.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::{DType, Distribution};

/// An autodiff device, and options for 64-bit tensors on it.
pub fn device() -> (Device, DType) {
    (Device::flex().autodiff(), DType::F64)
}

/// A 64-bit tensor of repeatable numbers between -1 and 1.
pub fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
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

/// The values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .without_autodiff()
        .try_into_vec_as()
        .expect("a readable tensor")
}

/// Asserts that the gradient of `f` at `x` along a few directions equals central differences.
///
/// `f` maps a 64-bit tensor to a scalar.
pub fn assert_gradient<const D: usize>(x: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) {
    let tracked = x.clone().require_grad();
    let gradient = tracked
        .grad(&f(tracked.clone()).backward())
        .expect("a gradient");
    for seed in 0..3 {
        let direction = numbers(x.dims(), 1000 + seed);
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

/// A directory that goes away with the test.
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
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .expect("the directory of the test")
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

/// The program, to be run in a directory.
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

/// Runs the program, which must refuse with exit code 2 and one line that says what was expected.
pub fn assert_refused(directory: &Path, arguments: &[&str], expected: &str) {
    let output = run_program(directory, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains(expected),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Attention of random scores: 64-bit, rows summing to one.
pub fn attention(shape: [usize; 4], seed: u64) -> Tensor<4> {
    burn_topology::burn::tensor::activation::softmax(numbers(shape, seed) * 3.0, 3)
}

/// Attention in 32 bits on a device without autodiff.
pub fn plain_attention(shape: [usize; 4]) -> Tensor<4> {
    let device = Device::flex();
    let scores = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device);
    burn_topology::burn::tensor::activation::softmax(scores, 3)
}

/// Runs a shell script in a mount namespace of its own; `None` where that is not allowed.
pub fn in_own_mounts(directory: &Path, script: &str) -> Option<Output> {
    let run = |script: &str| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-ec", script])
            .current_dir(directory)
            .env("PROGRAM", env!("CARGO_BIN_EXE_burn-topology"))
            .output()
    };
    let is_allowed =
        run("mkdir -p probe && mount -t tmpfs none probe").is_ok_and(|o| o.status.success());
    if !is_allowed {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount");
        eprintln!("not allowed to mount here: nothing was tested");
        return None;
    }
    Some(run(script).unwrap())
}
