//! The arguments of `torture`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Torture {
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(in crate::cli) seconds: u32,
    /// Makes the same choices again
    #[arg(long)]
    pub(in crate::cli) seed: Option<u64>,
    /// An empty database to fill, such as postgres://USER@HOST/NAME, or `postgres` for a scratch server that is
    /// restarted as well; otherwise a scratch file
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) database: Option<String>,
    /// A bug for the daemons to have, to see it found
    #[arg(long, value_name = "BUG", value_parser = plant)]
    pub(in crate::cli) plant: Option<chimera_store::Plant>,
    /// The database is a cluster: have this program, as `cargo xtask with-patroni` hands one on, kill and cut off
    /// its primary, instead of doing anything to the daemons
    #[arg(long, value_name = "PROGRAM", requires = "database")]
    pub(in crate::cli) cluster: Option<PathBuf>,
    /// Every other daemon runs this program, another version: two on one database
    #[arg(long, value_name = "PROGRAM")]
    pub(in crate::cli) other_binary: Option<PathBuf>,
    /// Instead of all that, cut the power so often under daemons on a file system of their own, which loses what was
    /// not synced (as root)
    #[arg(long, value_name = "N", conflicts_with_all = ["database", "other_binary", "seconds"])]
    pub(in crate::cli) power_cuts: Option<u32>,
    /// No other process of the machine sees what this one mounts
    #[arg(long, hide = true, requires = "power_cuts")]
    pub(in crate::cli) mounts_of_its_own: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TortureDaemon {
    #[arg(long)]
    pub(in crate::cli) database: String,
    #[arg(long, allow_hyphen_values = true)]
    pub(in crate::cli) ahead: i64,
    #[arg(long)]
    pub(in crate::cli) seed: u64,
    #[arg(long, value_parser = plant)]
    pub(in crate::cli) plant: Option<chimera_store::Plant>,
    /// Projects have limits
    #[arg(long)]
    pub(in crate::cli) limited: bool,
    /// Submits tasks itself, and says what came of them
    #[arg(long)]
    pub(in crate::cli) submits: bool,
}

fn plant(name: &str) -> Result<chimera_store::Plant, String> {
    chimera_store::Plant::parse(name).ok_or_else(|| {
        let names = chimera_store::Plant::ALL.map(chimera_store::Plant::as_str);
        format!("there is {}", names.join(", "))
    })
}
