//! The process in its surroundings: few descriptors, idle clients.

use crate::real::{Site, repository};
use serde_json::json;
use std::io::Write;

const SHOP: &str = "[[project]]\nname = \"shop\"\nrepo = \"repo\"\nurls = [\"http://127.0.0.1:1\"]\n";
const PAGE: &str = "<!doctype html><title>Shop</title><header><nav></nav></header><main><h1>Shop</h1></main>";

fn wish() -> serde_json::Value {
    json!({"feature": "Visitors read Sale", "target_url": "http://127.0.0.1:1/", "acceptance": ["open \"/\"", "see text \"Sale\""]})
}

#[test]
fn idle_connections_neither_end_a_delivery_nor_shut_anybody_out() {
    let site = Site::new(SHOP);
    repository(&site.path().join("repo"), &[("index.html", PAGE)]);
    let mut few = site.command_after("ulimit -n 256; exec \"$@\"");
    few.args(["start-all", "--port", "0"]);
    let daemon = site.start_by(few);
    let half = |number: u32| {
        let mut connection = daemon.connect();
        if number % 2 == 0 {
            connection.write_all(b"GET /livez HTTP/1.1\r\nHost: local").expect("half a request");
        }
        connection
    };
    let idle: Vec<_> = (0..300).map(half).collect();
    let task = daemon.submit(&wish());
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    assert_eq!(daemon.get("/health")["status"], "healthy");
    drop(idle);
}
