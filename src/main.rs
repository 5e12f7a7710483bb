//! The program `burn-topology`; see `burn-topology --help`.

/// Results of tensor operations are large and short-lived; the system's allocator gives their pages
/// back and faults them in again at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    burn_topology::cli::main()
}
