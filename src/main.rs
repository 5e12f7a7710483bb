//! The program `burn-topology`; see `burn-topology --help`.

/// The results of tensor operations are large and short-lived. The system's allocator would return their pages
/// to the operating system and fault them in again at every step; this one keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    burn_topology::cli::main()
}
