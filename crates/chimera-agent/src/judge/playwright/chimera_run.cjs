// Chimera's judge, Playwright Test: the main process of a run.
//
// Reads its instructions from standard input, before anything of the test is loaded, hands the token to the
// reporter and starts the runner. Workers have no standard input, and find the token nowhere: neither in the
// environment nor in a file.

'use strict';

const fs = require('node:fs');
const path = require('node:path');

const { token, ...instructions } = JSON.parse(fs.readFileSync(0, 'utf8'));
require('./chimera_reporter.cjs').instruct(token, instructions);

const cli = require.resolve('@playwright/test/cli');
process.argv = [process.argv[0], cli, 'test', '--config', path.join(__dirname, 'chimera.config.cjs')];
require(cli);
