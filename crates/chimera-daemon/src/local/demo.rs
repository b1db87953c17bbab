//! demo
/// x
pub struct DemoOptions;
/// x
pub fn demo() {}
