//! The system's files, read.

use super::{available, left_of_group, load, strain};

#[test]
fn what_linux_writes_is_read() {
    let meminfo = "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\n";
    assert_eq!(available(meminfo), Some(2_000_000 * 1024));
    assert_eq!(left_of_group("1000\n", "400\n"), Some(600));
    assert_eq!(left_of_group("1000\n", "1400\n"), Some(0));
    assert_eq!(load("12.80 10.00 7.72 16/399 21393\n"), Some(12.8));
}

#[test]
fn what_nobody_tells_is_not_known() {
    assert_eq!((available(""), available("MemAvailable: much")), (None, None));
    assert_eq!(left_of_group("max\n", "400\n"), None, "no limit");
    assert_eq!((load(""), load("NaN")), (None, None));
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_tells_both() {
    let strain = strain();
    assert!(strain.free_memory.is_some_and(|free| free > 0) && strain.load.is_some_and(|load| load >= 0.0));
}
