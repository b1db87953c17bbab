//! The one way out of a run: what is behind the origin, and what is not reached.

use crate::judge::{Bench, body, only, site, statuses, tests};
use chimera_agent::judge::{Scene, Trial};
use chimera_core::TestStatus;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn controls_stand_at_the_origin_of_the_application() {
    let bench = Bench::new().await;
    let source = tests(&[
        ("", "page.goto('/')\nexpect(page).to_have_title('Shop')"),
        ("", "page.goto('/form')\nexpect(page.get_by_text('Closed')).to_have_count(0)"),
        ("", "assert page.request.get('/').status == 200"),
    ]);
    for (scene, expected) in [
        (Scene::Blank, [TestStatus::AssertionFailed, TestStatus::Passed, TestStatus::Passed]),
        (Scene::Error, [TestStatus::AssertionFailed, TestStatus::Passed, TestStatus::AssertionFailed]),
    ] {
        let trial = Trial { scene, ..bench.trial(&source) };
        let run = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap();
        assert_eq!(statuses(&run.report), expected, "{run:?}");
    }
    // The same test, told to go to the same place, when the application is there.
    assert_eq!(statuses(&bench.report(&source).await), [TestStatus::Passed; 3]);
}

#[tokio::test]
async fn an_application_is_seen_under_the_origin_of_its_project() {
    let bench = Bench::new().await;
    let source = body(
        "page.goto('/form')\nexpect(page).to_have_url('http://shop.example/form')\n\
        assert page.evaluate('isSecureContext')\nexpect(page).to_have_title('Form')",
    );
    let trial = Trial { origin: "http://shop.example", ..bench.trial(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap();
    assert_eq!(only(&run.report), (TestStatus::Passed, 3, ""));
    assert_eq!(run.report.tests[0].asserted_at, [7, 8, 9]);
}

#[tokio::test]
async fn nothing_but_the_origin_and_declared_hosts_is_reached() {
    let bench = Bench::new().await;
    let other = site().await;
    let source = tests(&[
        ("", &format!("page.goto('{other}/')")),
        ("", &format!("page.goto('/')\npage.evaluate('fetch(\"{other}/form\")')")),
        ("", &format!("page.request.get('{other}/')")),
        ("", &format!("import urllib.request\nurllib.request.urlopen('{other}/')")),
        ("", "open('/etc/shadow')"),
        ("", "open('/tmp/chimera-trace', 'w')"),
    ]);
    let run = bench.run(&source).await;
    assert!(run.report.tests[..3].iter().all(|test| test.status != TestStatus::Passed), "{run:?}");
    let report = std::fs::read_to_string(&run.files[0].2).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let authority = other.trim_start_matches("http://");
    assert_eq!(report["refused"][0], authority, "{report}");
    let fence = report["fence"].as_str().unwrap();
    let told = |number: usize| run.report.tests[number].message.clone().unwrap_or_default();
    if fence.starts_with("landlock") {
        for number in [3, 4, 5] {
            assert!(told(number).contains("Permission denied"), "{}", told(number));
        }
    }
    let source = body(&format!("page.goto('{other}/')\nexpect(page).to_have_title('Shop')"));
    let hosts = [authority.to_owned()];
    let trial = Trial { allow_hosts: &hosts, ..bench.trial(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap();
    assert_eq!(only(&run.report).0, TestStatus::Passed);
}

#[tokio::test]
async fn an_application_cannot_tell_the_browser_from_that_of_people() {
    let bench = Bench::new().await;
    let source = body(
        "page.goto('/')\n\
         assert page.evaluate('navigator.webdriver') is False, page.evaluate('navigator.webdriver')\n\
         agent = page.evaluate('navigator.userAgent')\n\
         assert 'Headless' not in agent and 'Chrome/' in agent, agent\n\
         brands = page.evaluate('JSON.stringify(navigator.userAgentData)')\n\
         assert 'Headless' not in str(brands), brands\n\
         assert page.request.get('/').ok\nexpect(page).to_have_title('Shop')",
    );
    assert_eq!(only(&bench.report(&source).await), (TestStatus::Passed, 5, ""));
}

/// A second user is as much at the application as the first one, and as much like people.
#[tokio::test]
async fn pages_of_contexts_that_a_test_makes_are_like_that_of_the_fixture() {
    let bench = Bench::new().await;
    let lines = |page: &str| {
        format!(
            "other = {page}\nother.goto('/')\nexpect(other).to_have_title('Shop')\n\
             assert 'Headless' not in other.evaluate('navigator.userAgent')"
        )
    };
    let (context, page) =
        ("page.context.browser.new_context().new_page()", "page.context.browser.new_page()");
    let (context, page) = (lines(context), lines(page));
    let report = bench.report(&tests(&[("", &context), ("", &page)])).await;
    assert_eq!(statuses(&report), [TestStatus::Passed; 2], "{report:?}");
}
