//! The shape of `chimera.toml`. Every key is optional; an unknown one is an error.

use super::duration::Span;
use super::retention::Keep;
use super::shape;
use super::size::Size;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) tools_dir: Option<PathBuf>,
    pub(super) chromium: Option<PathBuf>,
    pub(super) database: Database,
    pub(super) api: Api,
    pub(super) executor: Executor,
    pub(super) delivery: Delivery,
    pub(super) git: Git,
    pub(super) retention: Retention,
    pub(super) timeouts: BTreeMap<String, Span>,
    pub(super) roles: BTreeMap<String, OneOrMany>,
    pub(super) agent: BTreeMap<String, Agent>,
    #[serde(deserialize_with = "projects")]
    pub(super) project: Vec<Project>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Database {
    pub(super) url: Option<String>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) readers: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(deserialize_with = "shape::list")]
    pub(super) allowed_hosts: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Executor {
    pub(super) min_workers: Option<u32>,
    pub(super) max_workers: Option<u32>,
    pub(super) min_free_memory: Option<Size>,
    pub(super) max_load: Option<f64>,
    pub(super) poll_interval: Option<Span>,
    pub(super) lease: Option<Span>,
    pub(super) shutdown_grace: Option<Span>,
    pub(super) max_retries: Option<u32>,
    pub(super) retry_base: Option<Span>,
    pub(super) retry_cap: Option<Span>,
    pub(super) max_iterations: Option<u32>,
    pub(super) max_test_rounds: Option<u32>,
    pub(super) max_review_rounds: Option<u32>,
    pub(super) max_validation_rounds: Option<u32>,
    pub(super) max_crashes: Option<u32>,
    pub(super) breaker_failures: Option<u32>,
    pub(super) breaker_cool_down: Option<Span>,
    pub(super) limits: BTreeMap<String, u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Delivery {
    pub(super) green_runs: Option<u32>,
    pub(super) staging_ttl: Option<Span>,
    pub(super) recordings: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Git {
    pub(super) remote: Option<String>,
    pub(super) home_patience: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retention {
    pub(super) completed: Option<Keep>,
    pub(super) cancelled: Option<Keep>,
    pub(super) failed: Option<Keep>,
    pub(super) discarded: Option<Keep>,
}

/// The name of an agent, or several.
#[derive(Debug)]
pub(super) struct OneOrMany(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        shape::one_or_many(from).map(Self)
    }
}

fn projects<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Project>, D::Error> {
    shape::tables(from, "project")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agent {
    pub(super) protocol: String,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) command: Vec<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) env: Vec<String>,
    pub(super) timeout: Option<Span>,
    pub(super) stall: Option<Span>,
    pub(super) max_concurrent: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) repo: String,
    pub(super) base_branch: Option<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) urls: Vec<String>,
    #[serde(default)]
    pub(super) test_target: bool,
    pub(super) e2e: Option<String>,
    pub(super) e2e_dir: Option<String>,
    pub(super) host: Option<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) allow_hosts: Vec<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) checks: Vec<String>,
    pub(super) suite: Option<String>,
    pub(super) suite_report: Option<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) protected: Vec<String>,
    #[serde(default, deserialize_with = "shape::list")]
    pub(super) allow_paths: Vec<String>,
    pub(super) max_diff_lines: Option<u32>,
    pub(super) push: Option<bool>,
    pub(super) git_timeout: Option<Span>,
    pub(super) git_credentials: Option<PathBuf>,
    pub(super) git_credential_helper: Option<String>,
    pub(super) git_filter: Option<String>,
    #[serde(default)]
    pub(super) without: Vec<String>,
    pub(super) max_concurrent: Option<u32>,
    pub(super) staging: Option<Staging>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Staging {
    pub(super) static_dir: Option<String>,
    pub(super) start: Option<String>,
    pub(super) build: Option<String>,
    pub(super) ready: Option<String>,
    pub(super) ready_timeout: Option<Span>,
    pub(super) stop_timeout: Option<Span>,
    pub(super) revision: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) shared: Option<bool>,
}
