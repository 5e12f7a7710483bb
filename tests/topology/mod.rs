//! The engine against hand computation, a slow oracle and the laws of persistence.

mod diagram_distance_properties;
mod diagram_distances;
mod known_answers;
mod oracle;
mod peers;
mod properties;
