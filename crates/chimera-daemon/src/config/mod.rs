//! The configuration: `chimera.toml`, then `CHIMERA_*` variables, then flags.
