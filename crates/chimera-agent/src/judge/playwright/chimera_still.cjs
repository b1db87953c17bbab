// Chimera's judge, Playwright Test: nobody waits on a page that cannot change.
//
// An assertion that fails there, with the default time, has its answer after a short wait, as has an action whose
// element is not there. Where anything can change the page (a script, a request, an animation, another call of the
// test), or where the browser has not looked yet, Playwright's own patience applies.

'use strict';

/** Actions on an element, with the place of their options among the arguments. */
const ACTIONS = {
  click: 0, dblclick: 0, check: 0, uncheck: 0, hover: 0, tap: 0, fill: 1, selectOption: 1, press: 1, type: 1,
};

/** How many short waits there are. A picture that has come is told as an open request for a moment longer. */
const TRIES = 3;

/** The requests of a context that have no end yet. */
const inFlight = new WeakMap();
/** How many calls of the test have begun, and how many of them have no end yet. */
const calls = { begun: 0, running: 0 };
let done = false;

/** Replaces a method of a class by one that is given the original, to be called with object and arguments. */
function wrap(owner, name, around) {
  // The runner names a step and its error by the word that its source map has at the call: there must be none here.
  const method = owner[name];
  const original = (self, args) => Reflect['apply'](method, self, args);
  owner[name] = function (...args) {
    return around(original, this, args);
  };
}

/** Follows the requests of a context. */
function watch(context) {
  const requests = new Set();
  inFlight.set(context, requests);
  context.on('request', request => requests.add(request));
  context.on('requestfinished', request => requests.delete(request));
  context.on('requestfailed', request => requests.delete(request));
  return context;
}

/** A number for the document, if nothing can change it any more, nor another call of the test; otherwise null. */
async function still(page, settings) {
  // Internal: a question of ours is no step of the test, and has no place in its trace.
  const ask = () => page.mainFrame().evaluate(settings.still);
  const document = await page._wrapApiCall(ask, { internal: true }).catch(() => null);
  return calls.running === 0 ? document : null;
}

const isQuiet = page => inFlight.get(page.context())?.size === 0;

/** Whether the browser saw what is there before the time was over. */
const looked = result => result.received !== undefined || (result.errorMessage ?? '').includes('element(s) not found');

async function expecting(original, frame, [expression, options], settings) {
  const page = frame.page();
  for (let tries = 0; tries < TRIES && options.timeout === settings.action_timeout_ms; tries++) {
    const [document, begun, quiet] = [await still(page, settings), calls.begun, isQuiet(page)];
    if (document === null)
      break;
    const result = await original(frame, [expression, { ...options, timeout: settings.still_wait_ms }]);
    if (!result.timedOut)
      return result;
    if (!looked(result) || calls.begun !== begun + 1 || await still(page, settings) !== document)
      break;
    if (quiet && isQuiet(page))
      return { ...result, timedOut: false };
  }
  return await original(frame, [expression, options]);
}

/** Whether an element is not there, and nothing can bring it. */
async function neverAppears(locator, settings) {
  const page = locator.page();
  for (let tries = 0; tries < TRIES; tries++) {
    const [document, begun, quiet] = [await still(page, settings), calls.begun, isQuiet(page)];
    const same = async () => calls.begun === begun && await still(page, settings) === document;
    if (document === null || !await isAbsent(locator, settings) || !await same())
      return false;
    if (quiet && isQuiet(page))
      return true;
  }
  return false;
}

async function isAbsent(locator, settings) {
  const ask = async () => {
    const wait = locator.waitFor({ state: 'attached', timeout: settings.still_wait_ms });
    if (await wait.then(() => true, () => false))
      return false;
    // The wait may have ended before the browser looked; the count is a look.
    return await locator.count() === 0;
  };
  return await locator.page()._wrapApiCall(ask, { internal: true }).catch(() => false);
}

async function acting(original, locator, args, place, settings) {
  const options = args[place] ?? {};
  if (options.timeout === undefined && await neverAppears(locator, settings)) {
    const before = Array.from({ length: place }, (_, index) => args[index]);
    return await original(locator, [...before, { ...options, timeout: settings.still_wait_ms }]);
  }
  return await original(locator, args);
}

/** Takes the waiting out of all pages. */
function hurry(page, settings) {
  if (done)
    return;
  done = true;
  wrap(Object.getPrototypeOf(page._connection), 'sendMessageToServer', async (original, self, args) => {
    const [, method, , options] = args;
    if (options.internal || method === '__waitInfo__')
      return await original(self, args);
    calls.begun += 1;
    calls.running += 1;
    try {
      return await original(self, args);
    } finally {
      calls.running -= 1;
    }
  });
  const [frame, locator] = [page.mainFrame(), page.locator(':root')].map(Object.getPrototypeOf);
  wrap(frame, '_expect', (original, self, args) => expecting(original, self, args, settings));
  for (const [name, place] of Object.entries(ACTIONS))
    wrap(locator, name, (original, self, args) => acting(original, self, args, place, settings));
}

module.exports = { hurry, watch, wrap };
