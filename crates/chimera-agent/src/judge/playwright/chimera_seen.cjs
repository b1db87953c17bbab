// Chimera's judge, Playwright Test: what the pages of a test were like. Told to people and agents; no verdict rests on
// it.
//
// A worker notes it in a file when a context closes, and the reporter, which lives in another process, reads it there.

'use strict';

const fs = require('node:fs');
const { readFileSync, appendFileSync } = fs;

/** Listens to a context, and notes what was seen when it closes. */
function listen(context, settings) {
  const notes = { console: [], requests: [] };
  const statuses = new Map();
  const note = (kind, text) => {
    if (notes[kind].length < settings.notes)
      notes[kind].push(String(text).slice(0, settings.note_chars));
  };
  const bare = url => url.split('#')[0];
  context.on('console', message => {
    const { url, lineNumber } = message.location();
    // What could not be loaded is among the requests; the browser's own look for an icon is nobody's trouble.
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource'))
      note('console', `${message.type()}: ${message.text()} (${url}:${lineNumber + 1})`);
  });
  context.on('weberror', found => note('console', `uncaught ${found.error().stack ?? found.error()}`));
  context.on('requestfailed', request => note('requests', `${request.method()} ${request.url()}: ${request.failure()?.errorText}`));
  context.on('response', response => {
    statuses.set(bare(response.url()), response.status());
    if (response.status() >= 400)
      note('requests', `${response.request().method()} ${response.url()}: ${response.status()}`);
  });
  const close = context.close;
  context.close = function (...args) {
    const url = context.pages()[0]?.url();
    const shown = url === undefined || url === 'about:blank' ? {} : { url, status: statuses.get(bare(url)) };
    const test = require('@playwright/test').test.info().testId;
    appendFileSync(settings.seen, JSON.stringify({ test, ...shown, ...notes }) + '\n');
    return close.apply(context, args);
  };
}

/** What was noted of a test's first context that showed a page. */
function seen(file, test) {
  let all;
  try {
    all = readFileSync(file, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line));
  } catch {
    return {};
  }
  const own = all.filter(one => one.test === test);
  const { test: _, ...shown } = own.find(one => one.url !== undefined) ?? own[0] ?? {};
  return shown;
}

/** The accessibility tree in the text that the runner leaves for a failed test. */
function snapshot(attachments) {
  const file = attachments.find(one => one.name === 'error-context')?.path;
  if (file === undefined)
    return undefined;
  try {
    const tree = /^```yaml\n([^]*?)\n```$/m.exec(readFileSync(file, 'utf8'))?.[1];
    return tree?.replace(/ \[(ref=\w+|cursor=\w+)\]/g, '');
  } catch {
    return undefined;
  }
}

module.exports = { listen, seen, snapshot };
