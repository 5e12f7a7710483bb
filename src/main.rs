//! The command line; see `burn-topology --help`.

fn main() -> std::process::ExitCode {
    burn_topology::cli::main()
}
