//! What a PostgreSQL URL may say, and what is said about one that cannot be read.

use crate::fixture::House;
use chimera_store::{Database, Options, Store, StoreError};
use std::path::{Path, PathBuf};

fn parse(url: &str) -> Result<Database, String> {
    Database::parse(url, Path::new(""), None)
}

/// Also if the password was not encoded as it has to be, and so reads like another part of the URL.
#[test]
fn no_part_of_a_password_is_told() {
    let secrets = ["s3cr", "hunt", "er2"];
    for url in [
        "postgres://me:s3cr@hunt/er2@host/x",
        "postgres://me:s3cr/hunt@host/x",
        "postgres://me:s3cr?hunt=er2@host/x",
        "postgres://me:s3cr@hunt@host/x",
        "postgres://me:s3cr#hunt/er2@host/x",
        "postgres://me:s3cr:hunt@er2@host:port/x",
        "postgres://me:s3cr",
        "postgres://me:s3cr/x",
        "postgres://me:s3cr@host:hunt/x",
        "postgres://me@host/x?password=s3cr&colour=red",
        "postgres://me@host/x?password=s3cr&sslmode=hunter2",
        "postgres://me@host/x?password=s3cr@hunt",
    ] {
        let told = parse(url).err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(!secrets.iter().any(|part| told.contains(part)), "{url}: {told}");
    }
    let encoded = parse("postgres://me:s3cr%40hunt%2Fer2@host/x").expect("a URL");
    assert_eq!(encoded.to_string(), "postgres://host:5432/x");
}

#[test]
fn what_is_wrong_with_a_url_is_named_with_the_remedy() {
    for (url, words) in [
        ("postgres://h/x?sslmode=maybe", ["`sslmode`", "verify-full"]),
        ("postgres://h/x?colour=red", ["`colour`", "remove it"]),
        ("postgres://h/x?schema=shop", ["`schema`", "options=-csearch_path%3D"]),
        ("postgres://h/x?connect_timeout=soon", ["`connect_timeout`", "not valid"]),
        ("postgres://h/x?target_session_attrs=standby", ["`target_session_attrs`", "read-write"]),
        ("postgres://h/x?sslcert=a.pem", ["`sslcert`", "`sslkey`"]),
        ("postgres://h:p/x", ["%40", "%2F"]),
        ("postgres:///x", ["names no host", "postgres://USER"]),
        ("mysql://h/x", ["sqlite:PATH", "postgres://"]),
    ] {
        let told = parse(url).err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(words.iter().all(|word| told.contains(word)), "{url}: {told}");
    }
}

#[test]
fn every_host_is_shown() {
    for (url, shown) in [
        ("postgres://a,b:7/x", "postgres://a:5432,b:7/x"),
        ("postgresql://me@[::1]:7/x?load_balance_hosts=random", "postgres://::1:7/x"),
        ("postgres:///x?host=/run/a,b&port=1,2&target_session_attrs=read-write", "postgres:///run/a:1,b:2/x"),
        ("postgres://a/x?hostaddr=10.0.0.1&sslmode=allow", "postgres://a:5432/x"),
    ] {
        assert_eq!(parse(url).expect(url).to_string(), shown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_proves_as_much_as_the_url_demands() {
    let house = House::postgres();
    let ca = std::env::var("CHIMERA_TEST_POSTGRES_CA").expect("set by `cargo xtask with-postgres`");
    let open = |query: &str| {
        let database =
            Database::parse(&format!("{}?{query}", house.url()), &PathBuf::new(), None).expect("a URL");
        Store::open(&database, &Options::default()).map(drop)
    };
    for query in ["sslmode=verify-ca", "sslmode=verify-full", "sslmode=require"] {
        open(&format!("{query}&sslrootcert={ca}")).expect("trusted");
        for untrusted in [query.to_owned(), format!("{query}&sslrootcert=system")] {
            let err = open(&untrusted).expect_err("nobody vouches for it");
            assert!(
                matches!(&err, StoreError::Open { detail, .. } if detail.contains("certificate")),
                "{err}"
            );
        }
    }
    let elsewhere = |query: &str| {
        let named = house.url().replace("127.0.0.1", "db.example");
        let url = format!("{named}?hostaddr=127.0.0.1&{query}&sslrootcert={ca}");
        Store::open(&parse(&url).expect("a URL"), &Options::default()).map(drop)
    };
    elsewhere("sslmode=verify-ca").expect("trusted under whatever name");
    for query in ["sslmode=verify-full", "sslmode=require"] {
        let err = elsewhere(query).expect_err("it has another name");
        assert!(err.to_string().contains("not valid for name"), "{err}");
    }
    open("sslmode=allow").expect("not asked for proof");
    let missing = open("sslmode=verify-ca&sslrootcert=/nowhere/ca.pem").expect_err("there is no such file");
    assert!(missing.to_string().contains("/nowhere/ca.pem"), "{missing}");
    let missing = open("sslcert=/nowhere/me.pem&sslkey=/nowhere/me.key").expect_err("there is no such file");
    assert!(missing.to_string().contains("/nowhere/me.pem"), "{missing}");
}
