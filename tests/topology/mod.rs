//! Persistent homology and distances of diagrams: known answers, an independent oracle, other libraries,
//! and mathematical properties.

/// Diagrams and Betti matchings of images and volumes equal those of GUDHI and of the authors.
mod cubical;
/// Computes bars of images and volumes independently, by reducing the whole boundary matrix.
mod cubical_oracle;
/// Diagrams of random images and volumes equal the oracle, and have the properties that theory demands.
mod cubical_properties;
/// Distances of diagrams equal brute force, are metrics, and have the gradients of difference quotients.
mod diagram_distance_properties;
/// Distances of diagrams and their gradients equal published and hand-computed values.
mod diagram_distances;
/// Diagrams of small point sets equal those computed by hand.
mod known_answers;
/// Computes diagrams independently, by reducing the boundary matrix.
mod oracle;
/// Diagrams and their distances equal those of ripser.py, POT and Hera.
mod peers;
/// Diagrams of random matrices equal the oracle, and have the properties that theory demands.
mod properties;
/// Diagrams of dimension 0 from some of the distances equal those from all.
mod spanning_edges;
