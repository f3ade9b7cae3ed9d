//! Stories.

mod edge;
mod edge_support;
