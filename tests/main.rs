//! Stories: the real binary against the real engine, told from outside. One binary, so that it links once; one file per theme.
#![expect(clippy::print_stderr, reason = "what a failed story needs to be understood goes to the terminal")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "the stories start processes and read the environment; the product may not"
)]

mod harness;

mod addons;
mod addons_servers;
mod addons_upgrade;
mod addons_apart;
mod api;
mod analyze;
mod catalog_sources;
mod plans;
mod ports;
mod previews;
mod queue;
mod stack_push;
mod api_access;
mod api_desk;
mod api_reviewed;
mod api_streams;
mod auto_rollback;
mod bad_input;
mod check;
mod cli;
mod commit_status;
mod data_backups;
mod disk;
mod docker;
mod docker_build;
mod faults;
mod folders;
mod hooks;
mod image_archives;
mod image_watch;
mod lfs;
mod hooks_crash;
mod engine_support;
mod browser;
mod builds;
mod console;
mod container_logs;
mod supervisor;
mod supervisor_engine;
mod supervisor_replicas;
mod supervisor_stage;
mod edge;
mod edge_acme;
mod edge_acme_refusals;
mod edge_answers;
mod edge_attacks;
mod edge_frames;
mod edge_h2;
mod edge_hosts;
mod edge_rules;
mod edge_run;
mod edge_standalone;
mod edge_support;
mod lifecycle;
mod lifecycle_clone;
mod lifecycle_dev;
mod lifecycle_engine;
mod lifecycle_wake;
mod outgoing;
mod edge_switch;
mod environment;
mod people;
mod redeploy;
mod registry;
mod release;
mod release_commands;
mod replicas;
mod repositories;
mod resources;
mod runs;
mod schedules;
mod sleep;
mod workers;
mod earlier_assets;
mod stacks;
mod submodules;
mod starters;
mod state;
mod status;
mod tidy;
