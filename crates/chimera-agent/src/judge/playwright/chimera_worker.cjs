// Chimera's judge, Playwright Test: what is different about pages in a run.
//
// An answer with an error status and an empty body is an answer of the application, only the application is a page
// of a test, the browser calls itself what people's browsers do, and nobody waits on a page that cannot change.

'use strict';

const path = require('node:path');
const { chromium } = require('playwright-core');
const { utils } = require('playwright-core/lib/coreBundle');
const { listen } = require('./chimera_seen.cjs');
const { hurry, watch, wrap } = require('./chimera_still.cjs');

const ELSEWHERE = /^\s*(?!https?:)[a-z][a-z0-9+.-]*:/i;

/** Does something with a class once, as soon as there is an object of it. */
function once(found) {
  const done = new Set();
  return object => {
    const owner = Object.getPrototypeOf(object);
    if (!done.has(owner)) {
      done.add(owner);
      found(owner);
    }
    return object;
  };
}

/** An application must not tell the judge's browser from a person's: its headless shell is refused by its own name. */
async function checkBrowser(browser, { chromium: path, oldest_browser: oldest }) {
  const session = await browser.newBrowserCDPSession();
  const { product } = await session.send('Browser.getVersion');
  await session.detach();
  const [name, version] = product.split('/');
  // The reporter knows by the beginning that it is the browser's trouble, not the test's.
  if (name.startsWith('Headless'))
    throw new Error(`browserType.launch: ${path} is a headless shell; the judge needs the whole browser`);
  if (Number.parseInt(version, 10) < oldest)
    throw new Error(`browserType.launch: ${path} is ${product}; the judge needs version ${oldest} or newer`);
}

function prepare(settings) {
  const isOurs = url => url === settings.origin || url.startsWith(settings.origin + '/');

  async function reaching(original, self, args) {
    if (typeof args[0] === 'string' && ELSEWHERE.test(args[0]))
      throw new Error(`${args[0]} is no page of the application`);
    let response;
    try {
      response = await original(self, args);
    } catch (error) {
      if (!String(error).includes('net::ERR_HTTP_RESPONSE_CODE_FAILURE'))
        throw error;
      // The browser shows a page of its own instead.
      return null;
    }
    if (response && !isOurs(response.url()))
      throw new Error(`${response.url()} is no page of the application`);
    return response;
  }

  const pages = once(owner => wrap(owner, 'goto', reaching));
  const frames = once(owner => wrap(owner, 'goto', reaching));
  const contexts = once(owner =>
    wrap(owner, 'newPage', async (original, self, args) => {
      const page = pages(await original(self, args));
      frames(page.mainFrame());
      hurry(page, settings);
      return page;
    }));
  const browsers = once(owner =>
    wrap(owner, 'newContext', async (original, self, [options]) => {
      // As people's browsers call themselves, which have a window: an application must not tell a test from them.
      const userAgent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${self.version().split('.')[0]}.0.0.0 Safari/537.36`;
      const context = watch(await original(self, [{ ...options, userAgent }]));
      listen(context, settings);
      return contexts(context);
    }));
  wrap(Object.getPrototypeOf(chromium), 'launch', async (original, self, args) => {
    // Steps and errors are those of the test's lines, not of ours.
    const runner = path.dirname(require.resolve('playwright/package.json'));
    utils.setBoxedStackPrefixes([runner, __dirname]);
    const browser = await original(self, args);
    await checkBrowser(browser, settings);
    return browsers(browser);
  });
}

module.exports = { prepare };
