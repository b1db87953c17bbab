// Chimera's judge, Playwright Test: writes the report of a run, once, at its end.
//
// It lives in the runner's main process; tests run in a worker. A run that ends in any other way leaves no
// report, and without one nothing counts.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { seen: seenOf, snapshot } = require('./chimera_seen.cjs');

// Taken now: what a test file does when it is loaded cannot change them any more.
const { writeFileSync, renameSync } = fs;
const stringify = JSON.stringify;

let token;
let told;

const NAVIGATION = /^TimeoutError: (page|frame)\.(goto|reload|goBack|goForward|waitForLoadState):/;
const LOCATOR =
  /^(TimeoutError|Error): ((locator|frameLocator|elementHandle)\.\w+|(page|frame)\.(click|dblclick|tap|fill|focus|hover|press|type|check|uncheck|setChecked|selectOption|dragAndDrop|waitForSelector|waitForURL|waitForFunction|getAttribute|innerText|innerHTML|textContent|inputValue|is[A-Z]\w*)):/;
const ANSWERED = 'net::ERR_HTTP_RESPONSE_CODE_FAILURE';
const REFUSED_MARKS = ['skip', 'fixme', 'fail', 'slow'];

const plain = text => String(text ?? '').replace(/\x1b\[[0-9;]*m/g, '');
const cut = text => plain(text).slice(0, told.message_chars);

/** Every step, outer ones first. */
function* steps(of) {
  for (const step of of.steps) {
    yield step;
    yield* steps(step);
  }
}

const isOwn = location => location !== undefined && path.basename(location.file) === told.test_file;

/** The results of tests whose own lines are over, and the assertions that had no end by then: nobody awaited them. */
const over = new WeakSet();
const late = new WeakSet();

const isAfterHooks = step => step !== undefined && step.category === 'hook' && step.title === 'After Hooks';
const isWithinAfterHooks = step => step !== undefined && (isAfterHooks(step) || isWithinAfterHooks(step.parent));

/** What a test did, read from its steps. */
function seen(result) {
  const all = [...steps(result)];
  const expects = all.filter(step => step.category === 'expect' && isOwn(step.location));
  const failed = all.filter(step =>
    ['expect', 'pw:api'].includes(step.category) && step.error !== undefined && isOwn(step.location));
  const navigated = step =>
    step.category === 'pw:api' && /^(Navigate|GET|POST|PUT|PATCH|DELETE|HEAD|Fetch)\b/.test(step.title) && isOwn(step.location) &&
    step.duration >= 0 && (step.error === undefined || plain(step.error.message).includes(ANSWERED));
  return { expects, failed, reached: all.some(navigated) };
}

/** What an error of a test says: assertion_failed, unreachable or errored. */
function classified(error, { failed, reached }) {
  const text = plain(error.message);
  if (text.includes('net::ERR_') || NAVIGATION.test(text))
    return 'unreachable';
  const step = failed.find(step => plain(step.error.message) === text);
  if (step === undefined || !reached)
    return 'errored';
  if (step.category === 'expect')
    return late.has(step) || text.includes('- Test ended.') ? 'errored' : 'assertion_failed';
  const heldNot = text.startsWith('TimeoutError:') || text.includes('strict mode violation');
  return heldNot && LOCATOR.test(text) ? 'assertion_failed' : 'errored';
}

/** What came of a test, and why. */
function outcome(test, result, did) {
  const marks = [...test.annotations, ...result.annotations].map(mark => mark.type);
  const mark = marks.find(type => REFUSED_MARKS.includes(type));
  if (mark !== undefined || test.expectedStatus !== 'passed' || result.status === 'skipped')
    return ['skipped', `it is marked: ${mark ?? test.expectedStatus}`];
  if (result.status === 'passed') {
    if (did.expects.some(step => step.duration < 0 || late.has(step)))
      return ['errored', 'an assertion was not awaited'];
    if (did.expects.some(step => step.error !== undefined))
      return ['errored', 'an assertion failed, and the test passed all the same'];
    return ['passed'];
  }
  if (result.status !== 'failed' || result.errors.length === 0)
    return ['errored', result.errors[0]?.message ?? `it ended as ${result.status}`];
  const classes = result.errors.map(error => classified(error, did));
  const status = ['unreachable', 'errored', 'assertion_failed'].find(status => classes.includes(status));
  const error = result.errors[classes.indexOf(status)];
  return [status, error.message, error];
}

/** Where a test failed, from its own line to the one that did, and what its page was like. */
function failure(test, result, error) {
  const stack = plain(error?.stack).split('\n').map(line => /([^(\s]+):(\d+):\d+\)?$/.exec(line)).filter(Boolean);
  const lines = stack.filter(([, file]) => path.basename(file) === told.test_file).map(([, , line]) => Number(line)).reverse();
  if (lines.length === 0 && isOwn(error?.location))
    lines.push(error.location.line);
  const { url, status, console = [], requests = [] } = seenOf(told.seen, test.id);
  return { lines, url, status, snapshot: snapshot(result.attachments)?.slice(0, told.snapshot_chars), console, requests };
}

class Reporter {
  constructor() {
    this.tests = [];
    this.error = null;
    this.toolError = null;
    this.suite = undefined;
    writeFileSync(told.report + '.started', '');
  }

  printsToStdio() {
    return false;
  }

  onBegin(config, suite) {
    this.suite = suite;
  }

  onError(error) {
    const where = error.location ? `${path.basename(error.location.file)}:${error.location.line}: ` : '';
    this.error ??= cut(where + plain(error.message ?? error.value));
  }

  onStepBegin(_test, result, step) {
    if (isAfterHooks(step))
      over.add(result);
  }

  onStepEnd(_test, result, step) {
    if (over.has(result) && step.category === 'expect' && !isWithinAfterHooks(step))
      late.add(step);
  }

  onTestEnd(test, result) {
    const did = seen(result);
    if (result.retry > 0)
      this.error ??= 'a test was run again';
    const launch = result.errors.find(error => plain(error.message).includes('browserType.launch: '));
    if (launch !== undefined)
      this.toolError ??= cut(`the browser does not start: ${plain(launch.message)}`);
    const [status, message, error] = outcome(test, result, did);
    const lines = new Set(did.expects.map(step => step.location.line));
    this.tests.push({
      id: test.titlePath().slice(3).join(' › '),
      status,
      assertions: did.expects.length,
      asserted_at: [...lines].slice(0, told.places),
      duration_ms: Math.round(result.duration),
      message: message === undefined ? null : cut(message),
      failed: error === undefined ? null : failure(test, result, error),
    });
  }

  onEnd() {
    const collected = this.suite ? this.suite.allTests().length : 0;
    if (collected !== this.tests.length)
      this.error ??= `${collected} tests were collected, ${this.tests.length} ran`;
    if (collected === 0)
      this.error ??= 'there is no test in the file';
    const rest = stringify({ tests: this.tests, error: this.error, tool_error: this.toolError });
    writeFileSync(told.report + '.part', `{"token":"${token}",${rest.slice(1)}`);
    renameSync(told.report + '.part', told.report);
  }
}

Reporter.instruct = (secret, instructions) => {
  token = secret;
  told = instructions;
  delete Reporter.instruct;
};

module.exports = Reporter;
