//! The command line finds its daemon: past proxies, over HTTPS, while it starts, and never another one.

use crate::real::Site;
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn list(site: &Site, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = site.command();
    command.arg("list").args(args).envs(variables.iter().copied()).output().expect("it runs")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A port that was free a moment ago, and a site that uses it.
fn at_a_port() -> (Site, String) {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    (Site::new(&format!("[api]\nport = {port}\n")), port.to_string())
}

#[test]
fn a_proxy_of_the_environment_never_stands_before_this_machine() {
    let site = Site::new("");
    let daemon = site.start_with(&["api", "--port", "0"]);
    let proxies =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9"));
    let done = list(&site, &["--server", &daemon.url], &proxies);
    assert!(done.status.success(), "{}", complaint(&done));
    let far = list(&site, &["--server", "http://chimera.example"], &proxies);
    assert_eq!(far.status.code(), Some(4));
    assert!(complaint(&far).contains("through the proxy 127.0.0.1:9"), "{}", complaint(&far));
}

#[test]
fn an_address_may_lack_its_scheme_and_a_wrong_one_is_a_wrong_command_line() {
    let site = Site::new("");
    let daemon = site.start_with(&["api", "--port", "0"]);
    let done = list(&site, &["--server", daemon.url.trim_start_matches("http://")], &[]);
    assert!(done.status.success(), "{}", complaint(&done));
    let wrong = list(&site, &["--server", "ftp://localhost"], &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(complaint(&wrong).contains("write http://HOST:PORT"), "{}", complaint(&wrong));
}

#[test]
fn a_command_waits_for_a_daemon_that_is_just_starting() {
    let (site, _) = at_a_port();
    let waiting =
        site.command().arg("list").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let _daemon = site.start_with(&["api"]);
    let done = waiting.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{}", complaint(&done));
}

#[test]
fn a_daemon_of_another_data_directory_is_not_talked_to() {
    let (site, port) = at_a_port();
    let daemon = site.start_with(&["api"]);
    assert!(list(&site, &[], &[]).status.success(), "its own commands reach it");
    let other = Site::new(&format!("[api]\nport = {port}\n"));
    let refused = list(&other, &[], &[]);
    assert_eq!(refused.status.code(), Some(4));
    let said = complaint(&refused);
    for dir in [site.path(), other.path()] {
        assert!(said.contains(&*dir.join("chimera-data").to_string_lossy()), "{said}");
    }
    assert!(list(&other, &["--server", &daemon.url], &[]).status.success(), "unless it is named");
    std::fs::remove_file(other.path().join("chimera.toml")).expect("its configuration");
    let nobody = list(&other, &[], &[("CHIMERA_API_PORT", &port)]);
    assert!(nobody.status.success(), "a place without a configuration means whatever is there");
}

#[test]
fn a_frozen_daemon_is_told_from_one_that_is_not_there() {
    let site = Site::new("");
    let daemon = site.start_with(&["api", "--port", "0"]);
    daemon.signal(Signal::STOP);
    let done = list(&site, &["--server", &daemon.url], &[]);
    daemon.signal(Signal::CONT);
    assert_eq!(done.status.code(), Some(4));
    assert!(complaint(&done).contains("does not answer"), "{}", complaint(&done));
}

#[test]
fn a_variable_that_is_empty_is_not_set() {
    let (site, _) = at_a_port();
    let names = [
        "CHIMERA_CONFIG",
        "CHIMERA_SERVER",
        "CHIMERA_API_PORT",
        "CHIMERA_API_HOST",
        "CHIMERA_DATA_DIR",
        "CHIMERA_DB_PATH",
    ];
    let empty = names.map(|name| (name, ""));
    let _daemon = site.start_as(&["api"], &empty);
    let done = list(&site, &[], &empty);
    assert!(done.status.success(), "{}", complaint(&done));
}

/// Answers every request as the API answers `list`, over HTTPS.
const HTTPS: &str = r#"
import http.server, ssl
class Lists(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Type", "application/json"); self.end_headers()
        self.wfile.write(b'{"items": [], "next": null}')
server = http.server.HTTPServer(("127.0.0.1", 0), Lists)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn a_daemon_behind_https_is_reached_if_its_certificate_is_trusted() {
    let site = Site::new("");
    let made = Command::new("openssl")
        .current_dir(site.path())
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", complaint(&made));
    let mut python = Command::new("python3");
    python.current_dir(site.path()).args(["-c", HTTPS]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = python.spawn().expect("python runs");
    let mut port = String::new();
    BufReader::new(server.stdout.take().expect("its output")).read_line(&mut port).expect("a port");
    let url = format!("https://localhost:{}", port.trim());
    let trusted = list(&site, &["--server", &url], &[("SSL_CERT_FILE", "cert.pem")]);
    let stranger = list(&site, &["--server", &url], &[]);
    let _ = server.kill();
    let _ = server.wait();
    assert!(trusted.status.success(), "{}", complaint(&trusted));
    assert!(complaint(&stranger).contains("SSL_CERT_FILE"), "{}", complaint(&stranger));
}
