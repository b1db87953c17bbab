//! A project whose end-to-end tests are in TypeScript, through the real binary.

use crate::real::{Site, git, repository};
use serde_json::json;

const CONFIG: &str = r#"
[[project]]
name = "shop"
repo = "shop"
e2e = "playwright-test"
[agent.author]
protocol = "command"
command = ["./author.sh"]
[roles]
e2e-tester-agent = "author"
"#;

/// Reads which runner it writes for, and maps the one criterion.
const AUTHOR: &str = r#"#!/bin/sh
set -eu
grep -Eq '"e2e": ?"playwright-test"' "$CHIMERA_ASSIGNMENT"
mkdir -p tests/e2e
cat > tests/e2e/opening-hours.spec.ts <<'END'
import { test, expect } from '@playwright/test';

test('opening hours', async ({ page }) => {
  await page.goto('/');
  // criterion 1
  await expect(page.getByRole('heading', { name: 'Open on Sundays' })).toBeVisible();
});
END
printf '{"outcome": "passed", "test_path": "tests/e2e/opening-hours.spec.ts"}' > "$CHIMERA_OUTCOME"
"#;

#[test]
fn a_command_author_leaves_a_spec_that_is_frozen_and_proven_and_can_be_run_again() {
    let site = Site::new(CONFIG);
    let page = "<!doctype html><title>Shop</title><main><h1>Shop</h1></main>";
    repository(&site.path().join("shop"), &[("index.html", page)]);
    std::fs::write(site.path().join("author.sh"), AUTHOR).expect("written");
    std::fs::set_permissions(
        site.path().join("author.sh"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("executable");
    let daemon = site.start();
    let task = daemon.submit(&json!({
        "feature": "Visitors can see opening hours",
        "target_url": "http://127.0.0.1:1/",
        "project": "shop",
        "acceptance": ["see heading \"Open on Sundays\""]
    }));
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let branch = format!("chimera/{task}:tests/e2e/opening-hours.spec.ts");
    assert!(git(&site.path().join("shop"), &["show", &branch]).contains("Open on Sundays"));

    let written = site.command().args(["--server", &daemon.url, "evidence", &task, "-o", "it.tar"]).output();
    assert!(written.expect("it runs").status.success());
    daemon.kill();
    let repeated = site.command().args(["verify", "it.tar", "--rerun", "--repo", "shop", "--yes"]).output();
    let repeated = repeated.expect("it runs");
    let said = String::from_utf8_lossy(&repeated.stdout);
    assert_eq!(repeated.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&repeated.stderr));
    assert!(said.contains("Green again: it passes 2 times"), "{said}");
}
