//! Honest cases: applications and tests as they are written every day. All of them must be completed.

use crate::case::{App, Case, py, ts};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = pages();
    cases.extend(servers());
    cases.extend(tests());
    cases.extend(ways());
    cases
}

/// Puts a text before the end of the page's main part.
macro_rules! page {
    ($html:literal) => {
        concat!(
            "cat > \"$HOME/new\" <<'END'\n",
            $html,
            "\nEND\nsed -i \"/<\\/main>/{\nr $HOME/new\nN\n}\" index.html\npassed\n"
        )
    };
}

fn pages() -> Vec<Case> {
    vec![
        Case::fair("plain", "a sentence on a static page"),
        Case::fair("formatter", "the coder's formatter touches the frozen test, too")
            .coder("add 'Open on Sundays'\nprintf '\\n' >> \"$TEST\"\npassed\n"),
        Case::fair("animation", "the sentence fades in")
            .coder(page!("<style>@keyframes in { from { opacity: 0; visibility: hidden } to { opacity: 1 } } .new { animation: in 0.6s }</style><p class=\"new\">Open on Sundays</p>")),
        Case::fair("late", "a script writes the sentence after a second")
            .coder(page!("<p id=\"new\"></p><script>setTimeout(() => { document.getElementById('new').textContent = 'Open on Sundays' }, 1000)</script>")),
        Case::fair("client-side", "a script fetches data and renders it")
            .coder("echo '{\"open\": \"Sundays\"}' > data.json\ncat > \"$HOME/new\" <<'END'\n<p id=\"new\"></p><script>fetch('data.json').then(r => r.json()).then(d => { document.getElementById('new').textContent = 'Open on ' + d.open })</script>\nEND\nsed -i \"/<h1>/r $HOME/new\" index.html\npassed\n"),
        Case::fair("single-page", "routes within the browser, with its history")
            .tests(
                py!("    page.goto(\"/\")\n    page.get_by_role(\"button\", name=\"Hours\").click()\n    expect(page).to_have_title(\"Hours\")\n    expect(page.get_by_role(\"heading\", name=\"Hours\")).to_be_visible()\n    page.go_back()\n    expect(page.get_by_role(\"heading\", name=\"Shop\")).to_be_visible()\n"),
                ts!("  await page.goto('/');\n  await page.getByRole('button', { name: 'Hours' }).click();\n  await expect(page).toHaveTitle('Hours');\n  await expect(page.getByRole('heading', { name: 'Hours' })).toBeVisible();\n  await page.goBack();\n  await expect(page.getByRole('heading', { name: 'Shop' })).toBeVisible();\n"),
            )
            .coder(page!("<button onclick=\"show('Hours'); history.pushState('Hours', '', '#hours')\">Hours</button><script>function show(name) { document.title = name; document.querySelector('h1').textContent = name } onpopstate = event => show(event.state || 'Shop')</script>")),
        Case::fair("dark-mode", "looks different for those who like it dark")
            .tests(
                py!("    page.emulate_media(color_scheme=\"dark\")\n    page.goto(\"/\")\n    expect(page.locator(\"body\")).to_have_css(\"background-color\", \"rgb(0, 0, 0)\")\n    expect(page.get_by_role(\"heading\", name=\"Shop\")).to_be_visible()\n"),
                ts!("  await page.emulateMedia({ colorScheme: 'dark' });\n  await page.goto('/');\n  await expect(page.locator('body')).toHaveCSS('background-color', 'rgb(0, 0, 0)');\n  await expect(page.getByRole('heading', { name: 'Shop' })).toBeVisible();\n"),
            )
            .coder(page!("<style>@media (prefers-color-scheme: dark) { body { background: black; color: white } }</style>")),
        Case::fair("other-scripts", "speaks Japanese, Arabic and German")
            .tests(
                py!("    page.goto(\"/\")\n    expect(page.get_by_text(\"日曜日も営業\")).to_be_visible()\n    expect(page.get_by_text(\"مفتوح يوم الأحد\")).to_be_visible()\n    expect(page.get_by_text(\"Sonntags geöffnet – „durchgehend“\")).to_be_visible()\n"),
                ts!("  await page.goto('/');\n  await expect(page.getByText('日曜日も営業')).toBeVisible();\n  await expect(page.getByText('مفتوح يوم الأحد')).toBeVisible();\n  await expect(page.getByText('Sonntags geöffnet – „durchgehend“')).toBeVisible();\n"),
            )
            .coder(page!("<p lang=\"ja\">日曜日も営業</p><p lang=\"ar\" dir=\"rtl\">مفتوح يوم الأحد</p><p lang=\"de\">Sonntags geöffnet – „durchgehend“</p>")),
        Case::fair("dialog", "opens a dialog and closes it")
            .tests(
                py!("    page.goto(\"/\")\n    page.get_by_role(\"button\", name=\"Hours\").click()\n    expect(page.get_by_role(\"dialog\")).to_be_visible()\n    page.keyboard.press(\"Escape\")\n    expect(page.get_by_role(\"dialog\")).to_be_hidden()\n"),
                ts!("  await page.goto('/');\n  await page.getByRole('button', { name: 'Hours' }).click();\n  await expect(page.getByRole('dialog')).toBeVisible();\n  await page.keyboard.press('Escape');\n  await expect(page.getByRole('dialog')).toBeHidden();\n"),
            )
            .coder(page!("<button onclick=\"document.querySelector('dialog').showModal()\">Hours</button><dialog>Open on Sundays</dialog>")),
        Case::fair("shadow-dom", "an element of its own with a shadow tree")
            .coder(page!("<shop-hours></shop-hours><script>customElements.define('shop-hours', class extends HTMLElement { connectedCallback() { this.attachShadow({ mode: 'open' }).innerHTML = '<p>Open on Sundays</p>' } })</script>")),
        Case::fair("frame", "shows a page within the page")
            .tests(
                py!("    page.goto(\"/\")\n    expect(page.frame_locator(\"iframe\").get_by_text(\"Open on Sundays\")).to_be_visible()\n"),
                ts!("  await page.goto('/');\n  await expect(page.frameLocator('iframe').getByText('Open on Sundays')).toBeVisible();\n"),
            )
            .coder("echo '<!doctype html><title>Hours</title><p>Open on Sundays</p>' > hours.html\nsed -i 's|</main>|<iframe src=\"hours.html\" title=\"Hours\"></iframe></main>|' index.html\npassed\n"),
        Case::fair("several-pages", "a link leads to a page of its own")
            .tests(
                py!("    page.goto(\"/\")\n    page.get_by_role(\"link\", name=\"Hours\").click()\n    expect(page.get_by_text(\"Open on Sundays\")).to_be_visible()\n"),
                ts!("  await page.goto('/');\n  await page.getByRole('link', { name: 'Hours' }).click();\n  await expect(page.getByText('Open on Sundays')).toBeVisible();\n"),
            )
            .coder("echo '<!doctype html><title>Hours</title><p>Open on Sundays</p>' > hours.html\nsed -i 's|</main>|<a href=\"hours.html\">Hours</a></main>|' index.html\npassed\n"),
    ]
}

fn servers() -> Vec<Case> {
    vec![
        Case::fair("slow", "the page takes two seconds").app(App::Server)
            .coder("add 'Open on Sundays'\nsed -i 's|return self.answer(PAGE)|time.sleep(2)\\n            return self.answer(PAGE)|' app.py\npassed\n"),
        Case::fair("redirect", "the front page leads on to another one").app(App::Server)
            .coder("sed -i 's|return self.answer(PAGE)$|return self.answer(\"\", 302, [(\"Location\", \"/hours\")])|; s|if path == \"/login\":|if path == \"/hours\":\\n            return self.answer(PAGE.replace(\"</main>\", \"Open on Sundays</main>\"))\\n        if path == \"/login\":|' app.py\npassed\n"),
        Case::fair("login", "greets whoever has logged in").app(App::Server)
            .tests(
                py!("    page.goto(\"/login\")\n    page.get_by_label(\"Name\").fill(\"Ada\")\n    page.get_by_label(\"Password\").fill(\"lovelace\")\n    page.get_by_role(\"button\", name=\"Log in\").click()\n    expect(page.get_by_text(\"Welcome, Ada\")).to_be_visible()\n"),
                ts!("  await page.goto('/login');\n  await page.getByLabel('Name').fill('Ada');\n  await page.getByLabel('Password').fill('lovelace');\n  await page.getByRole('button', { name: 'Log in' }).click();\n  await expect(page.getByText('Welcome, Ada')).toBeVisible();\n"),
            )
            .coder("sed -i 's|return self.answer(PAGE)$|return self.answer(PAGE.replace(\"</main>\", f\"Welcome, {self.name()}</main>\"))|' app.py\npassed\n"),
        Case::fair("upload", "takes a file and says how large it is").app(App::Server)
            .tests(
                py!("    page.goto(\"/upload\")\n    page.get_by_label(\"Picture\").set_input_files([{\"name\": \"cat.png\", \"mimeType\": \"image/png\", \"buffer\": b\"0123456789\"}])\n    page.get_by_role(\"button\", name=\"Send\").click()\n    expect(page.get_by_text(\"Got cat.png\")).to_be_visible()\n"),
                ts!("  await page.goto('/upload');\n  await page.getByLabel('Picture').setInputFiles([{ name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from('0123456789') }]);\n  await page.getByRole('button', { name: 'Send' }).click();\n  await expect(page.getByText('Got cat.png')).toBeVisible();\n"),
            )
            .coder("sed -i 's|if path == \"/login\":\\r\\{0,1\\}$|&|; s|        return self.answer(\"not here\", 404)\\r\\{0,1\\}$|&|' app.py\npython3 - <<'END'\ntext = open('app.py').read()\nhead, tail = text.split('    def post(self, path, body):\\n')\nopen('app.py', 'w').write(head + '    def post(self, path, body):\\n        if path == \"/upload\":\\n            name = body.split(b\"filename=\\\\\"\")[1].split(b\"\\\\\"\")[0].decode()\\n            return self.answer(PAGE.replace(\"</main>\", f\"Got {name}</main>\"))\\n' + tail)\nEND\npassed\n"),
        Case::fair("memory", "remembers what visitors write").app(App::Server)
            .tests(
                py!("    page.goto(\"/\")\n    page.get_by_label(\"Say\").fill(\"hello there\")\n    page.get_by_role(\"button\", name=\"Post\").click()\n    expect(page.get_by_text(\"hello there\").first).to_be_visible()\n"),
                ts!("  await page.goto('/');\n  await page.getByLabel('Say').fill('hello there');\n  await page.getByRole('button', { name: 'Post' }).click();\n  await expect(page.getByText('hello there').first()).toBeVisible();\n"),
            )
            .coder("python3 - <<'END'\ntext = open('app.py').read()\ntext = text.replace('class Handler', 'SAID = []\\nFORM = \"<form method=post action=/say><label>Say <input name=say></label><button>Post</button></form>\"\\n\\n\\nclass Handler')\ntext = text.replace('return self.answer(PAGE)\\n', 'return self.answer(PAGE.replace(\"</main>\", FORM + \"\".join(f\"<p>{one}</p>\" for one in SAID) + \"</main>\"))\\n')\ntext = text.replace('    def post(self, path, body):\\n', '    def post(self, path, body):\\n        if path == \"/say\":\\n            SAID.append(urllib.parse.parse_qs(body.decode())[\"say\"][0])\\n            return self.answer(\"\", 303, [(\"Location\", \"/\")])\\n')\nopen('app.py', 'w').write(text)\nEND\npassed\n"),
    ]
}

fn tests() -> Vec<Case> {
    const TWO: &str = "add 'Open on Sundays'\nadd 'Closed on Mondays'\npassed\n";
    vec![
        Case::fair("several-tests", "two tests in one file").coder(TWO).tests(
            "from playwright.sync_api import Page, expect\n\n\ndef test_sundays(page: Page) -> None:\n    page.goto(\"/\")\n    expect(page.get_by_text(\"Open on Sundays\")).to_be_visible()\n\n\ndef test_mondays(page: Page) -> None:\n    page.goto(\"/\")\n    expect(page.get_by_text(\"Closed on Mondays\")).to_be_visible()\n",
            "import { test, expect } from '@playwright/test';\n\ntest('sundays', async ({ page }) => {\n  await page.goto('/');\n  await expect(page.getByText('Open on Sundays')).toBeVisible();\n});\n\ntest('mondays', async ({ page }) => {\n  await page.goto('/');\n  await expect(page.getByText('Closed on Mondays')).toBeVisible();\n});\n",
        ),
        Case::fair("one-of-two", "one test is new, the other holds before and after").tests(
            "from playwright.sync_api import Page, expect\n\n\ndef test_name(page: Page) -> None:\n    page.goto(\"/\")\n    expect(page.get_by_role(\"heading\", name=\"Shop\")).to_be_visible()\n\n\ndef test_sundays(page: Page) -> None:\n    page.goto(\"/\")\n    expect(page.get_by_text(\"Open on Sundays\")).to_be_visible()\n",
            "import { test, expect } from '@playwright/test';\n\ntest('name', async ({ page }) => {\n  await page.goto('/');\n  await expect(page.getByRole('heading', { name: 'Shop' })).toBeVisible();\n});\n\ntest('sundays', async ({ page }) => {\n  await page.goto('/');\n  await expect(page.getByText('Open on Sundays')).toBeVisible();\n});\n",
        ),
        Case::fair("parameters", "one test with several values").coder(TWO).tests(
            "import pytest\nfrom playwright.sync_api import Page, expect\n\n\n@pytest.mark.parametrize(\"text\", [\"Open on Sundays\", \"Closed on Mondays\"])\ndef test_case(page: Page, text: str) -> None:\n    page.goto(\"/\")\n    expect(page.get_by_text(text)).to_be_visible()\n",
            "import { test, expect } from '@playwright/test';\n\nfor (const text of ['Open on Sundays', 'Closed on Mondays']) {\n  test(`case ${text}`, async ({ page }) => {\n    await page.goto('/');\n    await expect(page.getByText(text)).toBeVisible();\n  });\n}\n",
        ),
        Case::fair("plain-assertion", "asserts a value that it read from the page").tests(
            py!("    page.goto(\"/\")\n    page.get_by_text(\"Open on Sundays\").wait_for()\n    assert page.locator(\"main p\").count() == 1\n    assert page.title() == \"Shop\"\n"),
            ts!("  await page.goto('/');\n  await page.getByText('Open on Sundays').waitFor();\n  expect(await page.locator('main p').count()).toBe(1);\n  expect(await page.title()).toBe('Shop');\n"),
        ),
        Case::fair("phone", "on the screen of a phone").tests(
            py!("    page.set_viewport_size({\"width\": 360, \"height\": 640})\n    page.goto(\"/\")\n    expect(page.get_by_text(\"Open on Sundays\")).to_be_in_viewport()\n"),
            ts!("  await page.setViewportSize({ width: 360, height: 640 });\n  await page.goto('/');\n  await expect(page.getByText('Open on Sundays')).toBeInViewport();\n"),
        ),
    ]
}

fn ways() -> Vec<Case> {
    vec![
        Case::fair("second-round", "the reviewer says no once, and yes to the second attempt")
            .coder("if grep -q Sundays index.html; then echo '<!-- explained -->' >> index.html; else add 'Open on Sundays'; fi\npassed\n")
            .guardian("if grep -q explained index.html; then passed; else say '{\"outcome\": \"rejected\", \"summary\": \"explain it\"}'; fi\n"),
        Case::fair("second-try", "the coder crashes once")
            .coder("if [ -e \"$CASE/tried\" ]; then add 'Open on Sundays'; passed; else : > \"$CASE/tried\"; exit 7; fi\n"),
        Case::fair("suite", "the project has checks, which go on holding")
            .file("check.sh", "grep -q '<h1>Shop</h1>' index.html\n")
            .config("checks = [\"sh check.sh\"]"),
        Case::fair("own-conftest", "the project has a conftest.py and a configuration of its own")
            .file("conftest.py", "raise SystemExit('not for the judge')\n")
            .file("playwright.config.ts", "throw new Error('not for the judge');\n"),
        Case::fair("ignored-tests", "the repository ignores the directory of the frozen tests")
            .file(".gitignore", "tests/\n"),
        Case::fair("deployed", "a deployment agent puts it onto a server of its own").app(App::Deployed),
    ]
}
