// Chimera's judge, Playwright Test: how a run is configured. Loaded in the main process and in the worker, so
// it holds nothing that a test may not know.

'use strict';

const path = require('node:path');
const settings = require('./settings.json');

require('./chimera_worker.cjs').prepare(settings);

module.exports = {
  testDir: settings.test_dir,
  testMatch: [settings.test_file],
  outputDir: settings.artifacts,
  snapshotPathTemplate: path.join(settings.artifacts, 'snapshots', '{arg}{ext}'),
  tsconfig: path.join(__dirname, 'tsconfig.json'),
  reporter: [[path.join(__dirname, 'chimera_reporter.cjs')]],
  retries: 0,
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  updateSnapshots: 'none',
  ignoreSnapshots: false,
  preserveOutput: 'always',
  captureGitInfo: { commit: false, diff: false },
  // The run as a whole has a limit; a test has no other one.
  timeout: 0,
  globalTimeout: 0,
  expect: { timeout: settings.action_timeout_ms },
  use: {
    browserName: 'chromium',
    baseURL: settings.origin,
    headless: true,
    screenshot: 'on',
    trace: settings.trace ? 'on' : 'off',
    video: settings.video ? 'on' : 'off',
    actionTimeout: settings.action_timeout_ms,
    navigationTimeout: settings.navigation_timeout_ms,
    launchOptions: {
      executablePath: settings.chromium,
      args: settings.args,
      // The one way out, for loopback, too; without the bypass list the browser would go there directly.
      proxy: { server: settings.proxy, bypass: '<-loopback>' },
    },
  },
};
