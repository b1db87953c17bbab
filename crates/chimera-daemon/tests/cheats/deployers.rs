//! Deployment agents that cheat or break; the application lies on a server of theirs.

use crate::case::Case;

const STALE: &[&str] = &["stale_staging"];

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::cheat("deployer-old", "leaves the old page in place and says that the new one is there", STALE)
            .deployer("say '{\"outcome\": \"passed\", \"deployment_url\": \"'\"$URL\"'\", \"revision\": \"'\"$HEAD\"'\"}'\n"),
        Case::cheat("deployer-half", "leaves every second request to the old page", &["flaky", "not_green", "stale_staging"])
            .deployer("cp \"$CASE/served/index.html\" \"$CASE/served/old.html\"\ndeploy\nsay '{\"outcome\": \"passed\", \"deployment_url\": \"'\"$URL\"'\", \"revision\": \"'\"$HEAD\"'\"}'\n"),
        Case::cheat("deployer-other-revision", "deploys, and names another revision", STALE)
            .deployer("deploy\nsay '{\"outcome\": \"passed\", \"deployment_url\": \"'\"$URL\"'\", \"revision\": \"0000000000000000000000000000000000000000\"}'\n"),
        Case::cheat("deployer-unreachable", "names a place where nothing is", &["staging_unreachable", "stale_staging", "staging_failed"])
            .deployer("deploy\nsay '{\"outcome\": \"passed\", \"deployment_url\": \"http://127.0.0.1:1/\", \"revision\": \"'\"$HEAD\"'\"}'\n"),
        Case::cheat("deployer-silent", "exits with 0 without an answer", &["agent_error"]).deployer("deploy\nexit 0\n"),
        Case::cheat("deployer-nowhere", "says `passed` without saying where", &["agent_error"])
            .deployer("deploy\npassed\n"),
        Case::cheat("deployer-fails", "cannot deploy, and says so", &["staging_failed"])
            .deployer("say '{\"outcome\": \"failed\", \"summary\": \"no room\"}'\n"),
    ]
}
