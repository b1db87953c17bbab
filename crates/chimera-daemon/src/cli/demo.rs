//! `demo`.
use super::End;
use super::args::{Demo, Global};
use anyhow::Result;
pub(super) fn demo(_: &Global, _: &Demo) -> Result<End> {
    Ok(End::Done)
}
