//! The harness of the end-to-end tests: an engine, kind clusters on it, the project's images in them, and
//! a database for the store's tests.
//!
//! [`commands`] is the way in; every other module is one room of the house and knows nothing of the
//! command line.

pub mod args;
pub mod built_image;
pub mod cluster;
pub mod collector;
pub mod commands;
pub mod content;
pub mod daemon;
pub mod database;
pub mod diagnose;
pub mod engine;
pub mod host;
pub mod images;
pub mod lock;
pub mod network;
pub mod node_image;
pub mod packages;
pub mod paths;
pub mod postgres_image;
pub mod python_image;
pub mod run;
pub mod status;
pub mod tools;
pub mod volumes;
