//! Everything that crosses files, in one binary: each further one would link Burn again.

mod topology;
