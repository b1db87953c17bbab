//! The look at a Playwright Test file before it is frozen.

use crate::check::{EVERY_CRITERION, found};
use chimera_agent::author;
use chimera_agent::criteria::parse_all;
use chimera_agent::spec::{E2E_DIR, E2e};

const IMPORT: &str = "import { test, expect } from '@playwright/test';\n";
const TEST: &str =
    "test('x', async ({ page }) => { await page.goto('/'); await expect(page).toHaveTitle('a'); });\n";

/// A test with one more line in it, which is line 5.
fn typescript(line: &str) -> String {
    format!(
        "import {{ test, expect }} from '@playwright/test';\n\ntest('x', async ({{ page }}) => {{\n\
         \x20 await page.goto('/');\n  {line}\n  await expect(page).toHaveTitle('Shop');\n}});\n"
    )
}

#[tokio::test]
async fn what_the_author_writes_in_typescript_is_fine() {
    let criteria = parse_all(&EVERY_CRITERION.map(str::to_owned)).expect("in the grammar");
    let test = author::compile(E2e::PlaywrightTest, E2E_DIR, "User can \"do\" it", &criteria, "/");
    assert_eq!(found(E2e::PlaywrightTest, &test.source, &EVERY_CRITERION).await, [], "{}", test.source);
}

#[tokio::test]
async fn honest_typescript_is_let_through() {
    assert_eq!(found(E2e::PlaywrightTest, HONEST, &[]).await, []);
}

#[tokio::test]
async fn every_trick_in_typescript_is_named_with_its_line() {
    for (line, rule) in TRICKS {
        let found = found(E2e::PlaywrightTest, &typescript(line), &[]).await;
        assert!(found.contains(&(5, (*rule).to_owned())), "{line}: {rule} is not among {found:?}");
    }
}

#[tokio::test]
async fn a_typescript_file_as_a_whole_is_looked_at() {
    for (source, rule) in FILES {
        let source = source.replace("IMPORT;", IMPORT).replace("TEST;", TEST);
        let found = found(E2e::PlaywrightTest, &source, &[]).await;
        assert!(found.iter().any(|(_, named)| named == rule), "{source}: {rule} is not among {found:?}");
    }
}

#[tokio::test]
async fn each_criterion_has_an_assertion_in_typescript() {
    let source = format!(
        "{IMPORT}test('x', async ({{ page }}) => {{\n  // criterion 1: open the page\n  await page.goto('/');\n\
         \x20 // criterion 2: the title\n  await expect(page).toHaveTitle('a');\n\
         \x20 // criterion 3 and\n  /* criterion 4 */\n  expect(page.url()).toBe('x');\n}});\n"
    );
    let all = ["open \"/\"", "The title is a", "One", "Other"];
    assert_eq!(found(E2e::PlaywrightTest, &source, &all).await, []);
    let five = [&all[..], &["Another"]].concat();
    assert_eq!(found(E2e::PlaywrightTest, &source, &five).await, [(1, "criterion".to_owned())]);
    // Doing something answers a criterion that asks to do it, and no other.
    let seen = ["The page is there", "The title is a", "One", "Other"];
    assert_eq!(found(E2e::PlaywrightTest, &source, &seen).await, [(3, "criterion".to_owned())]);
}

/// Much of what a test may do.
const HONEST: &str = r#"
import { test, expect, type Page } from '@playwright/test';

const PATHS = ['/a', '/b'] as const;
const CASES = [{ lang: 'de', text: 'Hallo' }, { lang: 'en', text: 'Hello' }];

async function sees(page: Page, text: string): Promise<void> {
  await expect(page.getByText(text)).toBeVisible();
}
const shop = (page: Page) => page.getByRole('main');

test.use({ colorScheme: 'dark', viewport: { width: 360, height: 640 } });

test.describe('languages', () => {
  test.beforeEach(async ({ page }) => {
    await page.goto('/');
  });
  for (const { lang, text } of CASES) {
    test(`greets in ${lang}`, { tag: '@lang' }, async ({ browser }) => {
      const context = await browser.newContext({ locale: lang, colorScheme: 'dark' });
      const page = await context.newPage();
      await page.goto(`/?lang=${lang}`);
      await sees(page, text);
    });
  }
});

test('upload', async ({ page }) => {
  page.on('dialog', dialog => dialog.accept());
  await page.goto('/upload');
  const file = page.getByLabel('File');
  await file.setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
  await page.setInputFiles('#f', [{ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }]);
  const waiting = page.waitForEvent('popup');
  await shop(page).getByRole('link').click();
  const popup = await waiting;
  await expect(popup).toHaveTitle('Popup');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Get').click()]);
  expect(download.suggestedFilename()).toBe('a.txt');
  for (const path of PATHS) {
    await page.goto(path);
    expect(await page.title()).toBe('x');
  }
  await test.step('colours', async () => {
    const colour = await page.locator('body').evaluate(body => getComputedStyle(body).color);
    expect(colour).toMatch(/rgb/);
  });
  const texts = (await page.getByRole('listitem').allTextContents()).map(text => text.trim());
  expect(texts).toEqual(['a', 'b']);
  expect(texts.length).toBeGreaterThan(1);
  const price = Number((await page.getByTestId('price').textContent())!.replace(/[^0-9]/g, ''));
  expect(price + 1).toBeCloseTo(3.5);
  expect((await page.locator('p').first().textContent())?.trim()).toBe('x');
  await expect(page.title()).resolves.toBe('x');
  const answer = await page.request.get('/api');
  expect(answer.ok()).toBe(true);
  expect(await answer.json()).toEqual({ a: 1 });
  await expect(page).toHaveURL(new RegExp('^https?://[^/]+/x$'));
  await expect(page.getByRole('button')).not.toBeVisible();
  await expect.soft(page.getByRole('list')).toHaveText(['a', 'b']);
  let count = 0;
  count += 1;
  expect(await page.locator('p').count()).toBe(count);
  await page.locator('#x').evaluate('e => getComputedStyle(e).color');
  await page.keyboard.press('Enter');
  await page.mouse.move(1, 2);
  expect(new URL(page.url()).pathname).toBe('/x');
});
"#;

/// Lines of a test, and the rule that each of them breaks.
const TRICKS: &[(&str, &str)] = &[
    ("require('fs');", "name"),
    ("process.exit(0);", "name"),
    ("globalThis.x;", "name"),
    ("eval('1');", "name"),
    ("new Function('1')();", "escape"),
    ("Function('1')();", "name"),
    ("await import('fs');", "import"),
    ("(() => {}).constructor('1')();", "escape"),
    ("page['constructor'];", "escape"),
    ("const { constructor: c } = page;", "escape"),
    ("page['set' + 'Content']('x');", "escape"),
    ("(page as any).x();", "patch"),
    ("const k = 'x'; page[k]();", "escape"),
    ("page.goto = 1;", "patch"),
    ("await page._channel.x();", "patch"),
    ("await page.route('**', r => r.abort());", "mock"),
    ("await page.setContent('x');", "mock"),
    ("await page.addInitScript('x');", "mock"),
    ("await page.exposeBinding('x', () => 1);", "mock"),
    ("await page.evaluate(() => { document.title = 'x'; });", "script"),
    ("await page.evaluate(() => document.body.append('x'));", "script"),
    ("await page.evaluate('document.title = 1');", "script"),
    ("await page.evaluate(page.url());", "script"),
    ("await page.locator('x').evaluateAll(x => x);", "script"),
    ("await page.$eval('x', x => x);", "script"),
    ("await page.waitForTimeout(5);", "sleep"),
    ("await page.screenshot({ path: 'x' });", "file"),
    ("await page.getByLabel('F').setInputFiles('/etc/passwd');", "file"),
    ("await page.goto('http://127.0.0.1:22/');", "address"),
    ("await page.goto('//x');", "address"),
    ("await page.goto('javascript:1');", "address"),
    ("await page.request.get('http://x/');", "address"),
    ("await page.goto(page.url() + 'x');", "address"),
    ("test.skip();", "mark"),
    ("test.fixme();", "mark"),
    ("test.fail();", "mark"),
    ("test.slow();", "mark"),
    ("test.info().errors.length = 0;", "mark"),
    ("test.setTimeout(1);", "mark"),
    ("if (page.url()) { await page.reload(); }", "branch"),
    ("const x = page.url() ? 1 : 2;", "branch"),
    ("return;", "branch"),
    ("while (1) {}", "loop"),
    ("for (let i = 0; i < 3; i++) await page.reload();", "loop"),
    ("throw new Error('x');", "swallow"),
    ("try { await page.reload(); } catch {}", "swallow"),
    ("await expect(page).toHaveTitle('x').catch(() => {});", "swallow"),
    ("await page.click('x').then(() => 1, () => 1);", "swallow"),
    ("expect(page).toHaveTitle('x');", "await"),
    ("void expect(page).toHaveTitle('x');", "await"),
    ("page.click('x');", "await"),
    ("const p = page.click('x');", "await"),
    ("page.url() && await expect(page).toHaveTitle('x');", "swallow"),
    ("expect(true).toBe(true);", "assertion"),
    ("expect(1 + 1).toBe(2);", "assertion"),
    ("expect(await page.title() || 'x').toBe('x');", "assertion"),
    ("expect(page);", "assertion"),
    ("await expect(page).toBeMagic();", "assertion"),
    ("await expect(page).toHaveScreenshot();", "snapshot"),
    ("expect(await page.title()).toMatchSnapshot('x');", "snapshot"),
    ("await expect(page.locator('x')).toMatchAriaSnapshot({ name: 'x' });", "snapshot"),
    ("await expect.poll(() => 1).toBe(1);", "patch"),
    ("await expect(async () => { await page.reload(); }).toPass();", "assertion"),
    ("page.on('route', r => r);", "escape"),
    ("expect(Date.now()).toBe(1);", "name"),
    ("expect(Math.random()).toBe(1);", "name"),
    ("expect(performance.now()).toBe(1);", "name"),
    ("expect(new Date().getTime()).toBe(1);", "escape"),
    ("await page.context().browser().browserType().launch();", "escape"),
    ("await page.context().newCDPSession(page);", "escape"),
    ("await page.context().browser().newContext({ baseURL: 'http://x' });", "escape"),
    ("await page.context().browser().newPage({ ...x });", "escape"),
    ("[1].forEach(async x => { await expect(page).toHaveTitle('x'); });", "swallow"),
    ("await Promise.race([page.click('a')]);", "swallow"),
    ("const f = expect; f(page);", "patch"),
    ("expect.extend({});", "patch"),
    ("const expect2 = { expect };", "patch"),
    ("expect(await page.title()).toEqual({ asymmetricMatch: () => true });", "patch"),
    ("const o = { then: 1 };", "patch"),
    ("const o = { get x() { return 1; } };", "statement"),
    ("delete page.x;", "statement"),
    ("await page.clock.install();", "mock"),
    ("const expect = 1;", "name"),
    ("const process = 1;", "name"),
    ("const f = (fetch) => 1;", "name"),
    ("fetch('/x');", "name"),
    ("setTimeout(() => 1, 1);", "name"),
    ("this.x;", "escape"),
    ("arguments[0];", "name"),
    ("expect(page.title()).toBeTruthy();", "await"),
    ("debugger;", "sleep"),
    ("await page?.click('x');", "branch"),
    ("label: await page.reload();", "loop"),
    ("await page.locator`x`;", "escape"),
    ("Object.assign(page, {});", "name"),
    ("Object.defineProperty(page, 'x', {});", "name"),
    ("Reflect.get(page, 'x');", "name"),
    ("new Proxy(page, {});", "escape"),
    ("Buffer.constructor;", "escape"),
    ("await page.context().route('**', r => r);", "mock"),
    ("await page.context().storageState({ path: 'x' });", "escape"),
    ("test('y', async ({ page }) => { await expect(page).toHaveTitle('x'); });", "mark"),
    ("page.goto.call(page, 'data:x');", "escape"),
    ("const g = page.goto; await g('data:x');", "escape"),
    ("const { goto } = page;", "escape"),
    ("Object.values(page);", "escape"),
    ("Object.values({ ...page });", "escape"),
    ("const e = page.evaluate; await e('x');", "escape"),
    ("await (async () => { await page.reload(); })();", "swallow"),
    ("const c = page.click('x') as const; ", "await"),
    ("await page.getByText('a').click().finally(() => 1);", "swallow"),
];

/// Whole files, and the rule that each of them breaks.
const FILES: &[(&str, &str)] = &[
    ("", "assertion"),
    ("test('x', async (", "syntax"),
    ("IMPORT;test.skip('x', async ({ page }) => { await expect(page).toHaveTitle('a'); });\n", "mark"),
    (
        "IMPORT;test.only('x', async ({ page }) => { await page.goto('/'); await expect(page).toHaveTitle('a'); });\n",
        "mark",
    ),
    ("IMPORT;test.describe.configure({ retries: 2 });\nTEST;", "mark"),
    ("IMPORT;test.describe.serial('x', () => {});\nTEST;", "mark"),
    ("IMPORT;test.describe.skip('x', () => {TEST;});\n", "mark"),
    (
        "import { test as base, expect } from '@playwright/test';\nconst test = base.extend({});\nTEST;",
        "import",
    ),
    ("import * as p from '@playwright/test';\nTEST;", "import"),
    ("import p from '@playwright/test';\nTEST;", "import"),
    ("import { test, expect, chromium } from '@playwright/test';\nTEST;", "import"),
    ("IMPORT;import fs from 'fs';\nTEST;", "import"),
    ("IMPORT;import '../../x';\nTEST;", "import"),
    ("IMPORT;import { x } from '../../helper';\nTEST;", "import"),
    ("IMPORT;const fs = require('fs');\nTEST;", "name"),
    ("IMPORT;test('x', async ({ request }) => { expect(request).toBe(1); });\n", "fixture"),
    ("IMPORT;test('x', async ({ page }, info) => { expect(info).toBe(1); });\n", "fixture"),
    ("IMPORT;test('x', async ({ page: p }) => { await expect(p).toHaveTitle('a'); });\n", "fixture"),
    ("IMPORT;TEST;test('y', async ({ page }) => { await page.goto('/'); });\n", "assertion"),
    ("IMPORT;TEST;console.log(process.env);\n", "statement"),
    ("IMPORT;test.use({ baseURL: 'http://x' });\nTEST;", "escape"),
    ("IMPORT;test.use({ storageState: 'x' });\nTEST;", "escape"),
    (
        "IMPORT;test.beforeEach(async ({ page }) => { await page.route('**', r => r.abort()); });\nTEST;",
        "mock",
    ),
    ("IMPORT;test.afterEach(async ({ page }) => { await page.reload(); });\nTEST;", "mark"),
    ("IMPORT;export const x = 1;\nTEST;", "statement"),
    ("IMPORT;enum A { B }\nTEST;", "statement"),
    ("IMPORT;const x = page();\nTEST;", "statement"),
    ("IMPORT;for (const x of [...Array(9)]) { TEST;}\n", "statement"),
    ("IMPORT;function expect(x: any) { return x; }\nTEST;", "name"),
    (
        "IMPORT;async function f(page: any) { try { await expect(page).toHaveTitle('x'); } catch {} }\ntest('x', async ({ page }) => { await f(page); });\n",
        "swallow",
    ),
    (
        "IMPORT;async function f(page: any) { await expect(page).toHaveTitle('x'); }\ntest('x', async ({ page }) => { f(page); });\n",
        "await",
    ),
    ("import { test } from '@playwright/test';\n\nvoid test;\n", "statement"),
    ("IMPORT;test('x', () => {});\n", "statement"),
    ("IMPORT;test('x', async () => {});\n", "assertion"),
    ("IMPORT;@x class A {}\nTEST;", "statement"),
];
