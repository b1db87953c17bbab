// Chimera's look at a Playwright Test file before it is frozen: parsed, never executed.
//
// The argument is the parser that the test runner itself uses. Reads {"source", "criteria"} as JSON from standard
// input, each criterion as [text, whether an action answers it], and writes a list of [line, rule, message] to
// standard output. What is not known to be harmless is refused: a test is a straight walk through the page, and
// needs little of the language. The rules are those for Python and are described in docs/proof.md.

'use strict';

const fs = require('node:fs');
const { babelParse, types: t } = require(process.argv[2]);

const words = text => new Set(text.trim().split(/\s+/));

const MODULE = '@playwright/test';
/** What may be imported as a value, and what as a type. */
const VALUES = words('test expect');
const TYPES = words(`Page Browser BrowserContext Locator Dialog Download Response Request ConsoleMessage FrameLocator
  Frame Keyboard Mouse ElementHandle FileChooser`);
/** Members of `test` that may be called. */
const TEST_CALLS = words('describe beforeEach use step');
/** Members of `expect` that may be called. */
const EXPECT_CALLS = words('soft any anything arrayContaining closeTo objectContaining stringContaining stringMatching');

/** Names of the language that a test may use whole, and the members of others. */
const GLOBALS = words('undefined NaN Infinity String Number Boolean BigInt parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent encodeURI decodeURI');
const MEMBERS = {
  Buffer: words('from alloc'),
  JSON: words('parse stringify'),
  Math: words('abs ceil floor round trunc max min sign sqrt pow'),
  Number: words('parseInt parseFloat isInteger isFinite isNaN MAX_SAFE_INTEGER'),
  String: words('raw'),
  Array: words('from of isArray'),
  Object: words('keys values entries'),
  Promise: words('all'),
  console: words('log'),
};
/** What may be made with `new`. */
const MADE = words('RegExp URL URLSearchParams Map Set Array');

const FIXTURES = words('page context browser browserName baseURL');
const SLEEPING = words('waitForTimeout setTimeout pause setDefaultTimeout setDefaultNavigationTimeout poll toPass configure slow');
const MOCKING = words(`route routeFromHAR routeWebSocket unroute unrouteAll fulfill abort continue fallback setContent
  addInitScript addScriptTag addStyleTag exposeFunction exposeBinding selectors setExtraHTTPHeaders setOffline
  serviceWorkers clock setGeolocation addCookies`);
/** They run a script over elements, of which nobody knows here that it only reads. */
const SCRIPTING = words('evaluateHandle evaluateAll $eval $$eval waitForFunction');
const INDIRECT = {
  addLocatorHandler: 'acts whenever it likes: dismiss what is in the way by a step of the test',
  removeLocatorHandler: 'goes with addLocatorHandler, which acts whenever it likes',
  dispatchEvent: 'does what no user does: click, fill or press',
};
const ESCAPING = words(`browserType chromium firefox webkit launch launchPersistentContext launchServer connect
  connectOverCDP newCDPSession newBrowserCDPSession storageState saveAs path createReadStream tracing startTracing
  stopTracing video har constructor prototype caller callee arguments apply call bind defineProperty setPrototypeOf
  getPrototypeOf assign getOwnPropertyDescriptor extend info errors attach mergeTests mergeExpects addMatchers
  playwright workers worker backgroundPages`);
/** They would let a failing promise go unheard, or depend on which one is faster. */
const SWALLOWING = words('catch then finally race allSettled rejects forEach');
/** Keys of an object that others call behind its back. */
const HIDDEN_KEYS = words('then toJSON toString valueOf asymmetricMatch constructor __proto__ prototype');
const FILE_KEYS = words('path harPath recordHar recordVideo downloadsPath storageState tracesDir artifactsDir');
/** What new pages may be told: how the user's device looks, not where the application is. */
const CONTEXT = words(`locale colorScheme viewport timezoneId isMobile hasTouch reducedMotion forcedColors
  deviceScaleFactor contrast screen acceptDownloads`);
const EVENTS = words('dialog popup page download console pageerror request response requestfailed requestfinished');
const DETAILS = words('tag annotation');

const SNAPSHOTS = words('toHaveScreenshot toMatchSnapshot toMatchAriaSnapshot toMatchInlineSnapshot');
/** Assertions that wait, and have to be awaited. */
const WAITING = words(`toBeAttached toBeChecked toBeDisabled toBeEditable toBeEmpty toBeEnabled toBeFocused toBeHidden
  toBeInViewport toBeVisible toContainClass toContainText toHaveAccessibleDescription toHaveAccessibleErrorMessage
  toHaveAccessibleName toHaveAttribute toHaveClass toHaveCSS toHaveCount toHaveId toHaveJSProperty toHaveRole toHaveText
  toHaveTitle toHaveURL toHaveValue toHaveValues toBeOK`);
const PLAIN = words(`toBe toBeCloseTo toBeDefined toBeFalsy toBeGreaterThan toBeGreaterThanOrEqual toBeInstanceOf
  toBeLessThan toBeLessThanOrEqual toBeNaN toBeNull toBeTruthy toBeUndefined toContain toContainEqual toEqual
  toHaveLength toHaveProperty toMatch toMatchObject toStrictEqual`);

const ACTIONS = words(`goto click dblclick fill check uncheck setChecked selectOption selectText press hover tap type focus
  blur setInputFiles pressSequentially clear dragTo dragAndDrop reload goBack goForward scrollIntoViewIfNeeded`);
/** Calls whose answer has to be waited for. */
const ASYNC = new Set([...ACTIONS, ...words(`title content textContent innerText innerHTML inputValue getAttribute
  isVisible isHidden isEnabled isDisabled isChecked isEditable boundingBox ariaSnapshot allTextContents allInnerTexts
  evaluate waitFor waitForURL waitForLoadState waitForEvent waitForResponse waitForRequest waitForSelector
  emulateMedia setViewportSize bringToFront newPage newContext cookies clearCookies grantPermissions screenshot
  count accept dismiss post put patch head fetch json text body elementHandles down up move wheel insertText`)]);
/** They may be begun before what brings them about. */
const AHEAD = words('waitForEvent waitForResponse waitForRequest waitForURL');
/** What is looked at where it is called, and must not go by another name. */
const CALLED = words('goto evaluate setInputFiles newContext newPage on once screenshot');
/** Of other things, too. */
const AMBIGUOUS = words('fill count clear press type check text json body head patch put post up down move accept');

const SCRIPT_CALLS = words(`getComputedStyle getPropertyValue matchMedia getBoundingClientRect querySelector
  querySelectorAll getAttribute hasAttribute getItem toString trim getElementById contains matches closest String Number
  Boolean toLowerCase toUpperCase includes startsWith endsWith checkValidity`);
const CRITERION = /^[\s*]*criterion\s+(\d+)\b/i;

const FORBIDDEN = {
  WhileStatement: ['loop', 'a loop that waits or retries: expect(...) waits by itself'],
  DoWhileStatement: ['loop', 'a loop that waits or retries: expect(...) waits by itself'],
  ForStatement: ['loop', 'a loop that counts: write `for (const value of [...])`'],
  ForInStatement: ['loop', 'no for-in: write `for (const value of [...])`'],
  BreakStatement: ['loop', 'no break: a loop goes through all of its values'],
  ContinueStatement: ['loop', 'no continue: a loop goes through all of its values'],
  LabeledStatement: ['loop', 'no labels'],
  IfStatement: ['branch', 'a test walks straight on: no if'],
  SwitchStatement: ['branch', 'a test walks straight on: no switch'],
  ConditionalExpression: ['branch', 'a test walks straight on: no conditional expression'],
  TryStatement: ['swallow', 'no try: a test must not catch its own failure'],
  ThrowStatement: ['swallow', 'no throw: fail by an assertion'],
  SequenceExpression: ['statement', 'no comma operator'],
  ClassDeclaration: ['statement', 'no classes in a test'],
  ClassExpression: ['statement', 'no classes in a test'],
  ObjectMethod: ['statement', 'no methods and getters in objects'],
  YieldExpression: ['statement', 'no generators in a test'],
  ThisExpression: ['escape', '`this` is nothing that a test needs'],
  MetaProperty: ['escape', '`import.meta` is not available to tests'],
  ImportExpression: ['import', 'no import(...): imports stand at the top'],
  Import: ['import', 'no import(...): imports stand at the top'],
  TaggedTemplateExpression: ['escape', 'no tagged templates'],
  WithStatement: ['statement', 'no with'],
  DebuggerStatement: ['sleep', 'no debugger'],
  TSEnumDeclaration: ['statement', 'no enum in a test'],
  TSModuleDeclaration: ['statement', 'no namespace in a test'],
  TSTypeAssertion: ['patch', 'no type assertions'],
  TSImportEqualsDeclaration: ['import', 'no import ='],
  TSExportAssignment: ['statement', 'no export'],
  ExportNamedDeclaration: ['statement', 'no export'],
  ExportDefaultDeclaration: ['statement', 'no export'],
  ExportAllDeclaration: ['statement', 'no export'],
};

const isFunction = node => node?.type === 'ArrowFunctionExpression' || node?.type === 'FunctionExpression';
const isCall = node => node?.type === 'CallExpression';
const isMember = node => node?.type === 'MemberExpression' || node?.type === 'OptionalMemberExpression';
const text = node => (node?.type === 'StringLiteral' ? node.value : node?.type === 'TemplateLiteral' && node.quasis.length === 1 ? node.quasis[0].value.cooked : undefined);
const keyOf = property => property.key?.name ?? text(property.key) ?? (property.key?.type === 'NumericLiteral' ? String(property.key.value) : undefined);

/** The name of a member, as far as it is written out. */
function memberName(node) {
  if (!isMember(node))
    return undefined;
  if (!node.computed)
    return node.property.name;
  return text(node.property);
}

/** The parts of a node that can be executed; types cannot. */
function* children(node) {
  for (const key of t.VISITOR_KEYS[node.type] ?? []) {
    for (const child of [node[key]].flat()) {
      if (child && !isType(child))
        yield child;
    }
  }
}

const isType = node => /^TS/.test(node.type) && !(node.type in FORBIDDEN) &&
  !['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression', 'TSInstantiationExpression', 'TSParameterProperty'].includes(node.type);

function* walk(node) {
  yield node;
  for (const child of children(node))
    yield* walk(child);
}

class Check {
  constructor(source, tree, criteria) {
    this.source = source;
    this.program = tree.program;
    this.comments = tree.comments ?? [];
    this.criteria = criteria;
    this.found = [];
    this.parents = new Map();
    this.bound = new Set();
    this.awaited = new Set();
    this.asserting = new Set();
    this.waiting = new Set();
    this.scripts = new Set();
    this.constants = new Set();
    this.tests = [];
  }

  no(node, rule, message) {
    this.found.push([typeof node === 'number' ? node : (node.loc?.start.line ?? 1), rule, message]);
  }

  run() {
    for (const node of walk(this.program))
      for (const child of children(node))
        this.parents.set(child, node);
    this.bind();
    for (const node of this.program.body)
      this.top(node, false);
    this.visit(this.program);
    if (this.tests.length === 0)
      this.no(1, 'assertion', 'there is no test: call test(title, async ({ page }) => { ... })');
    for (const { call, body } of this.tests)
      if (!this.asserts(body))
        this.no(call, 'assertion', 'this test asserts nothing: use expect(...)');
    this.mapping();
    return this.found.sort((one, other) => one[0] - other[0]);
  }

  // Names

  bind() {
    for (const node of walk(this.program)) {
      if (node.type === 'VariableDeclarator')
        this.names(node.id);
      else if (node.type === 'FunctionDeclaration' || isFunction(node)) {
        if (node.id)
          this.names(node.id);
        node.params.forEach(param => this.names(param));
      }
      if (node.type === 'AwaitExpression' && node.argument.type === 'Identifier')
        this.awaited.add(node.argument.name);
      for (const item of node.type === 'AwaitExpression' && this.isAll(node.argument) ? node.argument.arguments[0]?.elements ?? [] : [])
        if (item?.type === 'Identifier')
          this.awaited.add(item.name);
    }
    const helpers = this.program.body.flatMap(node => {
      if (node.type === 'FunctionDeclaration')
        return [[node.id.name, node]];
      const declared = node.type === 'VariableDeclaration' ? node.declarations : [];
      return declared.filter(one => isFunction(one.init)).map(one => [one.id.name, one.init]);
    });
    this.helpers = new Set(helpers.map(([, body]) => body));
    for (const [name, body] of helpers)
      if (body.async)
        this.waiting.add(name);
    // A function that asserts makes its callers assert.
    for (let round = 0; round < helpers.length; round++)
      for (const [name, body] of helpers)
        if (this.asserts(body.body))
          this.asserting.add(name);
  }

  /** The names that a pattern binds. */
  names(pattern) {
    switch (pattern?.type) {
      case 'Identifier': return this.free(pattern);
      case 'ObjectPattern': return pattern.properties.forEach(property => this.property(property));
      case 'ArrayPattern': return pattern.elements.forEach(element => this.names(element));
      case 'AssignmentPattern': return this.names(pattern.left);
      case 'RestElement': return this.names(pattern.argument);
      case undefined: return;
      default: this.no(pattern, 'name', 'this is no name');
    }
  }

  property(property) {
    if (property.type === 'RestElement')
      return this.names(property.argument);
    if (property.computed || keyOf(property) === undefined)
      this.no(property, 'escape', 'no computed names');
    else
      this.member(property, keyOf(property), false);
    this.names(property.value);
  }

  free(node) {
    const { name } = node;
    const own = ['require', 'module', 'exports', '__filename', '__dirname', 'arguments', 'eval'];
    if (VALUES.has(name) || own.includes(name) || name in globalThis || /^_./.test(name))
      this.no(node, 'name', `\`${name}\` is not free: a test must not replace what it is judged with`);
    else
      this.bound.add(name);
  }

  // The file as a whole: imports, constants, functions and tests

  top(node, inDescribe) {
    switch (node.type) {
      case 'ImportDeclaration': return;
      case 'FunctionDeclaration': return;
      case 'TSTypeAliasDeclaration': return;
      case 'TSInterfaceDeclaration': return;
      case 'EmptyStatement': return;
      case 'VariableDeclaration':
        node.declarations.forEach(one => this.constants.add(one.id.name));
        if (node.kind === 'const' && node.declarations.every(one => this.literal(one.init) || (isFunction(one.init) && !inDescribe && one.id.type === 'Identifier')))
          return;
        break;
      case 'ForOfStatement': {
        if (node.await || node.left.type !== 'VariableDeclaration' || !this.literal(node.right))
          break;
        const body = node.body.type === 'BlockStatement' ? node.body.body : [node.body];
        return body.forEach(inner => this.top(inner, true));
      }
      case 'ExpressionStatement':
        if (isCall(node.expression) && this.testCall(node.expression))
          return;
        break;
    }
    this.no(node, 'statement', 'outside of tests only imports, functions, constants, loops over constants and tests are possible');
  }

  /** Whether a statement outside of tests is one of those that make tests. */
  testCall(call) {
    const member = this.ofTest(call.callee);
    const [first, ...rest] = call.arguments;
    const body = call.arguments.at(-1);
    if (member === 'test') {
      const titled = text(first) !== undefined || first?.type === 'TemplateLiteral' || first?.type === 'Identifier';
      if (!titled || !isFunction(body) || rest.length > 2)
        this.no(call, 'statement', 'a test is written test(title, async ({ page }) => { ... })');
      if (rest.length === 2)
        this.keys(rest[0], DETAILS, 'mark', 'a test');
      if (isFunction(body))
        this.testBody(call, body);
      return true;
    }
    if (member === 'describe') {
      if (!isFunction(body) || body.async || body.params.length > 0 || body.body.type !== 'BlockStatement' || rest.length !== 1)
        this.no(call, 'statement', 'a group is written test.describe(title, () => { ... })');
      else
        body.body.body.forEach(inner => this.top(inner, true));
      return true;
    }
    if (member === 'beforeEach') {
      if (!isFunction(body))
        this.no(call, 'statement', 'a hook is written test.beforeEach(async ({ page }) => { ... })');
      else
        this.fixtures(body);
      return true;
    }
    if (member === 'use') {
      this.keys(first, CONTEXT, 'escape', 'test.use');
      return true;
    }
    return false;
  }

  testBody(call, body) {
    this.fixtures(body);
    this.tests.push({ call, body: body.body });
    const returns = node => {
      if (node.type === 'ReturnStatement')
        this.no(node, 'branch', 'a test runs to its end: no return');
      for (const child of children(node))
        if (!isFunction(child))
          returns(child);
    };
    returns(body.body);
  }

  fixtures(body) {
    if (!body.async || body.generator || body.body.type !== 'BlockStatement')
      this.no(body, 'statement', 'a test is an async function with a body in braces');
    const [given, ...others] = body.params;
    if (others.length > 0)
      this.no(others[0], 'fixture', 'a test takes its fixtures and nothing else');
    if (given === undefined)
      return;
    const names = given.type === 'ObjectPattern' ? given.properties : [given];
    for (const one of names) {
      const name = one.type === 'ObjectProperty' && one.shorthand && one.value.type === 'Identifier' ? one.value.name : undefined;
      if (!FIXTURES.has(name))
        this.no(one, 'fixture', `this fixture is not there; ${[...FIXTURES].join(', ')} are, each by its own name${name === 'request' ? '; instead of `request` there is page.request' : ''}`);
    }
  }

  /** A literal, or a constant of the file. */
  isConstant(node) {
    return node.type === 'Identifier' ? this.constants.has(node.name) : this.literal(node);
  }

  literal(node) {
    switch (node?.type) {
      case 'StringLiteral': case 'NumericLiteral': case 'BooleanLiteral': case 'NullLiteral': case 'RegExpLiteral': return true;
      case 'Identifier': return node.name === 'undefined' || (this.bound.has(node.name) && !this.waiting.has(node.name));
      case 'TemplateLiteral': return node.expressions.every(one => this.literal(one));
      case 'ArrayExpression': return node.elements.every(one => one && this.literal(one));
      case 'ObjectExpression': return node.properties.every(one => one.type === 'ObjectProperty' && !one.computed && this.literal(one.value));
      case 'UnaryExpression': return ['-', '+', '!'].includes(node.operator) && this.literal(node.argument);
      case 'BinaryExpression': return this.literal(node.left) && this.literal(node.right);
      case 'NewExpression': return node.callee.name === 'RegExp' && node.arguments.every(one => this.literal(one));
      case 'TSAsExpression': case 'TSSatisfiesExpression': return this.literal(node.expression);
      case 'CallExpression': {
        const owner = isMember(node.callee) && node.callee.object.name;
        return ['Buffer', 'Object'].includes(owner) && node.arguments.every(one => this.literal(one));
      }
      default: return false;
    }
  }

  // Every node of the tree

  visit(node) {
    if (this.scripts.has(node))
      return;
    const refused = FORBIDDEN[node.type];
    if (refused)
      this.no(node, ...refused);
    this[`on${node.type}`]?.(node);
    for (const child of children(node))
      this.visit(child);
  }

  onImportDeclaration(node) {
    if (node.source.value !== MODULE || (node.attributes ?? []).length > 0)
      return this.no(node, 'import', `\`${node.source.value}\` cannot be imported; ${MODULE} can`);
    if (node.specifiers.length === 0)
      this.no(node, 'import', 'an import names what it imports');
    for (const one of node.specifiers) {
      const name = one.imported?.name;
      const type = node.importKind === 'type' || one.importKind === 'type';
      const known = TYPES.has(name) || (!type && VALUES.has(name));
      if (one.type !== 'ImportSpecifier' || !known || one.local.name !== name)
        this.no(one, 'import', `only test, expect and types can be imported, each by its own name`);
    }
  }

  onIdentifier(node) {
    const parent = this.parents.get(node);
    const isKey = (parent.type === 'ObjectProperty' && parent.key === node && !parent.computed && parent.value !== node && !parent.shorthand) ||
      (isMember(parent) && parent.property === node && !parent.computed);
    const named = ['ImportSpecifier', 'ImportDefaultSpecifier', 'ImportNamespaceSpecifier'].includes(parent.type);
    if (isKey || named)
      return;
    const { name } = node;
    if (VALUES.has(name)) {
      const owner = isMember(parent) && parent.object === node && !parent.computed;
      const called = isCall(parent) && parent.callee === node;
      const whole = this.parents.get(parent);
      if (!called && !(owner && isCall(whole) && whole.callee === parent))
        this.no(node, 'patch', `\`${name}\` can only be called`);
    } else if (name in MEMBERS && isMember(parent) && parent.object === node) {
      if (!MEMBERS[name].has(memberName(parent)))
        this.no(node, 'name', `\`${name}.${memberName(parent) ?? '...'}\` is not available to tests`);
      else if (name === 'Object' && !this.parents.get(parent).arguments?.every(given => this.isConstant(given)))
        this.no(node, 'escape', 'Object is for constants only');
    } else if (!GLOBALS.has(name) && !this.bound.has(name) && !(parent.type === 'NewExpression' && parent.callee === node)) {
      this.no(node, 'name', `\`${name}\` is not available to tests`);
    }
  }

  onNewExpression(node) {
    if (!MADE.has(node.callee.name))
      this.no(node, 'escape', `a test may make ${[...MADE].join(', ')} only`);
  }

  onMemberExpression(node) {
    const name = memberName(node);
    if (name === undefined) {
      if (node.property.type !== 'NumericLiteral')
        this.no(node, 'escape', 'a member is named in writing: no computed names');
    } else {
      const parent = this.parents.get(node);
      this.member(node, name, isCall(parent) && parent.callee === node);
    }
    const outer = this.ofTest(node);
    if (outer !== undefined && outer !== 'test' && !TEST_CALLS.has(outer))
      this.no(node, 'mark', `test.${outer}: a test runs once, always, as it is`);
    if (this.ofTest(node.object) === 'describe')
      this.no(node, 'mark', `test.describe.${name}: a test runs once, always, as it is`);
    if (node.object.name === 'expect' && !EXPECT_CALLS.has(name))
      this.no(node, 'patch', `expect.${name} is not available to tests`);
  }

  onOptionalMemberExpression(node) {
    this.onMemberExpression(node);
  }

  onOptionalCallExpression(node) {
    const name = memberName(node.callee);
    if (ASYNC.has(name) || this.isExpect(node.callee))
      this.no(node, 'branch', 'an action or an assertion does not depend on whether something is there: no ?.');
  }

  /** `test`, or the member of it that a callee names. */
  ofTest(callee) {
    if (callee?.name === 'test')
      return 'test';
    return isMember(callee) && callee.object.name === 'test' ? (memberName(callee) ?? '...') : undefined;
  }

  member(node, name, called) {
    if (/^_/.test(name))
      this.no(node, 'patch', `\`.${name}\` is internal`);
    else if (SLEEPING.has(name))
      this.no(node, 'sleep', `\`${name}\`: expect(...) and actions wait by themselves`);
    else if (MOCKING.has(name))
      this.no(node, 'mock', `\`${name}\` changes what the application shows`);
    else if (Object.hasOwn(INDIRECT, name))
      this.no(node, 'mock', `\`${name}\` ${INDIRECT[name]}`);
    else if (SCRIPTING.has(name))
      this.no(node, 'script', `\`${name}\` runs a script over elements: read them by count(), innerText() or allInnerTexts() of a locator, and wait by expect(...)`);
    else if (SWALLOWING.has(name))
      this.no(node, 'swallow', `\`${name}\`: await what happens, and let it fail`);
    else if (ESCAPING.has(name) && !(name === 'path' && !called))
      this.no(node, 'escape', `\`${name}\` leads out of the page`);
    else if (CALLED.has(name) && !called)
      this.no(node, 'escape', `\`${name}\` can only be called`);
  }

  onObjectProperty(node) {
    const name = keyOf(node);
    if (node.computed || name === undefined)
      this.no(node, 'escape', 'a key is named in writing: no computed names');
    else if (HIDDEN_KEYS.has(name))
      this.no(node, 'patch', `\`${name}\` is called behind a test's back`);
  }

  onAssignmentExpression(node) {
    if (node.left.type !== 'Identifier')
      this.no(node, 'patch', 'an assignment to a member changes what a test is judged with');
    else if (!this.bound.has(node.left.name))
      this.no(node, 'name', `\`${node.left.name}\` is not free`);
    if (this.assertsAny(node.right))
      this.no(node, 'swallow', 'an assertion stands for itself');
  }

  onUpdateExpression(node) {
    if (node.argument.type !== 'Identifier')
      this.no(node, 'patch', 'an assignment to a member changes what a test is judged with');
  }

  onUnaryExpression(node) {
    if (['delete', 'void'].includes(node.operator))
      this.no(node, 'statement', `no ${node.operator}`);
  }

  onTSAsExpression(node) {
    const type = node.typeAnnotation;
    if (!(type.type === 'TSTypeReference' && type.typeName?.name === 'const'))
      this.no(node, 'patch', '`as` hides what something is: only `as const` is possible; write String(...) or Number(...)');
  }

  onLogicalExpression(node) {
    if (this.assertsAny(node.left) || this.assertsAny(node.right) || [...walk(node.right)].some(inner => inner.type === 'AwaitExpression'))
      this.no(node, 'swallow', 'an assertion or an action must not depend on something else');
    if (node.operator === '||' && this.inside(node, inner => isCall(inner) && this.isExpectCall(inner)))
      this.no(node, 'assertion', 'an assertion with `||` has a way out: assert one thing');
  }

  inside(node, holds) {
    for (let at = this.parents.get(node); at; at = this.parents.get(at))
      if (holds(at))
        return true;
    return false;
  }

  onForOfStatement(node) {
    if (node.await)
      this.no(node, 'loop', 'no for await');
    if (node.left.type !== 'VariableDeclaration')
      this.no(node, 'loop', 'a loop declares its value: for (const value of [...])');
  }

  onFunctionDeclaration(node) {
    if (node.generator)
      this.no(node, 'statement', 'no generators in a test');
    if (this.parents.get(node) !== this.program)
      this.no(node, 'statement', 'functions belong at the top of the file');
  }

  onFunctionExpression(node) {
    this.onArrowFunctionExpression(node);
  }

  onArrowFunctionExpression(node) {
    const call = this.parents.get(node);
    const place = isCall(call) ? (this.ofTest(call.callee) ?? memberName(call.callee)) : undefined;
    const walked = ['test', 'describe', 'beforeEach', 'step'].includes(place) && this.ofTest(call.callee) !== undefined;
    if (walked || this.helpers.has(node))
      return;
    if (this.asserts(node.body))
      this.no(node, 'swallow', 'an assertion in a function that others call may never run');
    if (node.async && !['on', 'once'].includes(place))
      this.no(node, 'swallow', 'nobody waits for an async function here');
  }

  onCallExpression(node) {
    const { callee } = node;
    const name = memberName(callee) ?? callee.name;
    if (callee.name === 'expect' || this.ofExpect(callee) === 'soft')
      this.expected(node);
    if (this.isMatcher(node))
      this.matcher(node, name);
    else
      this.awaitedCall(node, name);
    if (isMember(callee))
      this.arguments(node, name);
    if (this.ofTest(callee) !== undefined)
      this.place(node);
    if (callee.type !== 'Identifier' && !isMember(callee))
      this.no(node, 'escape', 'what is called has a name');
  }

  /** `test(...)` and its like stand where they make tests; `test.step` in them. */
  place(node) {
    const member = this.ofTest(node.callee);
    const statement = this.parents.get(node);
    if (member === 'step') {
      const body = node.arguments[1];
      if (!isFunction(body) || !body.async || body.params.length > 0 || node.arguments.length !== 2)
        this.no(node, 'statement', 'a step is written await test.step(title, async () => { ... })');
      return;
    }
    const inTest = this.inside(node, inner => this.tests.some(test => test.body === inner) || this.helpers.has(inner));
    if (statement?.type !== 'ExpressionStatement' || inTest)
      this.no(node, 'mark', `test.${member} stands outside of tests`);
  }

  /** The member of `expect` that a callee names. */
  ofExpect(callee) {
    return isMember(callee) && callee.object.name === 'expect' ? memberName(callee) : undefined;
  }

  isExpectCall(node) {
    return isCall(node) && (node.callee.name === 'expect' || this.ofExpect(node.callee) === 'soft');
  }

  /** Whether a callee continues `expect(...)`: through `not`, `resolves`. */
  isExpect(callee) {
    for (let at = callee; isMember(at); at = at.object)
      if (this.isExpectCall(at.object))
        return true;
    return false;
  }

  isMatcher(node) {
    return isCall(node) && isMember(node.callee) && this.isExpect(node.callee);
  }

  /** expect(...) goes on to a matcher that is called. */
  expected(node) {
    let at = node;
    const through = [];
    while (isMember(this.parents.get(at)) && this.parents.get(at).object === at) {
      at = this.parents.get(at);
      through.push(memberName(at));
    }
    const call = this.parents.get(at);
    if (through.length === 0 || !isCall(call) || call.callee !== at)
      return this.no(node, 'assertion', 'expect(...) without a matcher asserts nothing');
    if (through.slice(0, -1).some(name => !['not', 'resolves'].includes(name)))
      this.no(node, 'assertion', 'between expect(...) and its matcher stands `not` or `resolves` only');
    const [subject] = node.arguments;
    if (subject === undefined || !this.telling(subject))
      this.no(node, 'assertion', 'this assertion holds whatever the page shows');
  }

  /** Whether an expression could tell anything of the page. */
  telling(node) {
    return [...walk(node)].some(inner => isCall(inner) || inner.type === 'AwaitExpression' || (inner.type === 'Identifier' && !GLOBALS.has(inner.name)));
  }

  matcher(node, name) {
    if (SNAPSHOTS.has(name))
      return this.no(node, 'snapshot', `no ${name}, neither with a file nor with a template: assert each thing, as in await expect(page.getByRole('heading', { name: '...' })).toBeVisible()`);
    if (!WAITING.has(name) && !PLAIN.has(name))
      return this.no(node, 'assertion', `\`${name}\` is no matcher that is known here`);
    const parent = this.parents.get(node);
    const isAwaited = parent.type === 'AwaitExpression';
    const statement = isAwaited ? this.parents.get(parent) : parent;
    const resolves = [...walk(node.callee)].some(inner => memberName(inner) === 'resolves');
    if ((WAITING.has(name) || resolves) && !isAwaited)
      this.no(node, 'await', `await expect(...).${name}(...): one that is not awaited asserts nothing`);
    const last = statement.type === 'ArrowFunctionExpression' && this.helpers.has(statement);
    if (statement.type !== 'ExpressionStatement' && !last && (isAwaited || PLAIN.has(name)))
      this.no(node, 'swallow', 'an assertion stands for itself');
  }

  isAll(node) {
    return isCall(node) && isMember(node.callee) && node.callee.object.name === 'Promise' && memberName(node.callee) === 'all';
  }

  /** Actions and questions are awaited, alone or together with others. */
  awaitedCall(node, name) {
    const ofBound = node.callee.type === 'Identifier' && this.waiting.has(name);
    const ofPage = isMember(node.callee) && ASYNC.has(name) && !(AMBIGUOUS.has(name) && this.isPlainValue(node.callee.object));
    const step = this.ofTest(node.callee) === 'step';
    if (!ofBound && !ofPage && !step && !this.isAll(node))
      return;
    let parent = this.parents.get(node);
    if (parent.type === 'AwaitExpression')
      return;
    const list = parent.type === 'ArrayExpression' ? this.parents.get(parent) : undefined;
    if (list && this.isAll(list) && list.arguments[0] === parent)
      return;
    if (AHEAD.has(name) && parent.type === 'VariableDeclarator' && this.awaited.has(parent.id.name))
      return;
    if (parent.type === 'ArrowFunctionExpression' && parent.body === node && this.isHandler(parent))
      return;
    const subject = isCall(parent) && this.isExpectCall(parent) && [...walk(this.chain(parent))].some(inner => memberName(inner) === 'resolves');
    if (subject)
      return;
    if (ofPage && AMBIGUOUS.has(name) && node.callee.object.type === 'Identifier' && !FIXTURES.has(node.callee.object.name) && parent.type !== 'ExpressionStatement')
      return;
    this.no(node, 'await', `\`${name}\` is not awaited`);
  }

  /** The outermost member that continues a call. */
  chain(node) {
    let at = node;
    while (isMember(this.parents.get(at)) && this.parents.get(at).object === at)
      at = this.parents.get(at);
    return at;
  }

  isHandler(node) {
    const call = this.parents.get(node);
    return (isCall(call) && ['on', 'once'].includes(memberName(call.callee))) || this.helpers.has(node);
  }

  isPlainValue(node) {
    return ['ArrayExpression', 'StringLiteral', 'NewExpression', 'TemplateLiteral'].includes(node.type);
  }

  arguments(node, name) {
    const [first, second] = node.arguments;
    for (const given of node.arguments) {
      const file = given.type === 'ObjectExpression' && given.properties.map(keyOf).find(key => FILE_KEYS.has(key));
      if (file && !['use', 'newContext', 'newPage'].includes(name))
        this.no(node, 'file', `a test neither reads nor writes files: no \`${file}\``);
      if (given.type === 'SpreadElement')
        this.no(node, 'escape', `\`${name}(...)\`: write the arguments out`);
    }
    if (['evaluate'].includes(name))
      this.script(node, first);
    else if (['newContext', 'newPage'].includes(name) && first !== undefined)
      this.keys(first, CONTEXT, 'escape', name);
    else if (name === 'goto')
      this.address(node, first);
    else if (['get', 'post', 'put', 'patch', 'delete', 'head', 'fetch'].includes(name) && /^\s*([a-z][a-z0-9+.-]*:|\/\/)/i.test(text(first) ?? ''))
      this.no(node, 'address', `${name} takes a path of the application, such as "/"`);
    else if (name === 'setInputFiles' && !this.payload(node.arguments.length > 1 && text(first) !== undefined && second?.type !== 'ObjectExpression' ? second : first) && !this.payload(second))
      this.no(node, 'file', "give uploads by value: { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('...') }");
    else if (['on', 'once'].includes(name) && !EVENTS.has(text(first)))
      this.no(node, 'escape', `\`${name}\` listens to ${[...EVENTS].join(', ')} only`);
  }

  keys(node, known, rule, what) {
    const properties = node?.type === 'ObjectExpression' ? node.properties : undefined;
    const odd = properties?.map(keyOf).filter(key => !known.has(key));
    if (odd === undefined || odd.length > 0) {
      const hint = odd?.includes('storageState') ? ': log in by steps of the test' : '';
      this.no(node ?? 1, rule, `${what} may be told ${[...known].join(', ')} only, written out${odd ? `; not ${odd.map(key => key ?? '...').join(', ')}` : ''}${hint}`);
    }
  }

  address(node, given) {
    let start = given;
    while (start?.type === 'BinaryExpression')
      start = start.left;
    if (start?.type === 'TemplateLiteral' && start.quasis[0].value.cooked === '')
      start = start.expressions[0];
    const begin = start?.type === 'TemplateLiteral' ? start.quasis[0].value.cooked : text(start);
    const fits = begin !== undefined ? begin.startsWith('/') && !begin.startsWith('//') : start?.type === 'Identifier' || isMember(start);
    if (!fits)
      this.no(node, 'address', 'goto takes a path of the application, such as "/", without scheme and host');
  }

  payload(node) {
    if (node?.type === 'ArrayExpression')
      return node.elements.every(item => this.payload(item));
    const keys = node?.type === 'ObjectExpression' ? node.properties.map(keyOf) : [];
    return keys.length === 3 && ['name', 'mimeType', 'buffer'].every(key => keys.includes(key));
  }

  /** A script may only read the page. What it names is not what the test names. */
  script(node, given) {
    let code = text(given);
    if (isFunction(given) && !given.async && given.params.every(param => param.type === 'Identifier') && given.body.type !== 'BlockStatement') {
      code = this.source.slice(given.body.start, given.body.end);
      this.scripts.add(given);
    }
    const why = code === undefined ? 'one expression, written out' : writes(code);
    if (why)
      this.no(node, 'script', `evaluate may only read the page: ${why}`);
  }

  onVariableDeclarator(node) {
    if (this.assertsAny(node.init) && !this.helpers.has(node.init))
      this.no(node, 'swallow', 'an assertion stands for itself');
    if (isFunction(node.init) && !this.helpers.has(node.init))
      this.no(node, 'statement', 'functions belong at the top of the file');
    if (node.init?.type === 'Identifier' && VALUES.has(node.init.name))
      this.no(node, 'patch', `\`${node.init.name}\` has no other name`);
  }

  // Assertions and criteria

  asserts(node) {
    return [...walk(node)].some(inner => this.isAssertion(inner));
  }

  assertsAny(node) {
    return Boolean(node) && this.asserts(node);
  }

  isAssertion(node) {
    if (!isCall(node))
      return false;
    if (isMember(node.callee) && this.isExpect(node.callee))
      return WAITING.has(memberName(node.callee)) || PLAIN.has(memberName(node.callee));
    return this.asserting.has(node.callee.name);
  }

  mapping() {
    if (this.criteria.length === 0)
      return;
    const marks = this.comments.flatMap(comment => {
      const match = CRITERION.exec(comment.value);
      return match ? [[comment.loc.start.line, Number(match[1])]] : [];
    });
    this.criteria.forEach(([criterion, byAction], index) => {
      const number = index + 1;
      const places = marks.filter(([, marked]) => marked === number).map(([line]) => line);
      if (places.length === 0)
        this.no(1, 'criterion', `criterion ${number} is not mapped: put \`// criterion ${number}\` above its assertion (${criterion})`);
      else if (!places.some(line => this.answers(line, marks, byAction)))
        this.no(places[0], 'criterion', `criterion ${number} has no assertion between its comment and the next one (${criterion})`);
    });
  }

  answers(place, marks, byAction) {
    for (const { call, body } of this.tests) {
      const last = call.loc.end.line;
      if (place < call.loc.start.line || place > last)
        continue;
      let line = place;
      const next = () => Math.min(...marks.map(([other]) => other).filter(other => other > line), last + 1);
      let end = next();
      // Two comments one above the other share what follows.
      while (end === line + 1 && marks.some(([other]) => other === end)) {
        line = end;
        end = next();
      }
      const block = [...walk(body)].filter(node => node.loc && line <= node.loc.start.line && node.loc.start.line < end);
      return block.some(node => this.isAssertion(node) || (byAction && isCall(node) && ACTIONS.has(memberName(node.callee))));
    }
    return false;
  }
}

/** Why a script is not known to read only; nothing if it is. */
function writes(script) {
  const code = script.replace(/'[^'\\\n]*'|"[^"\\\n]*"/g, "''");
  if (/[`\\;{}]|\+\+|--|\b(new|delete|import|await|async|function|while|for|this|void|throw)\b/.test(code))
    return 'one expression without blocks, templates, escapes and keywords';
  if (code.replace(/===|!==|==|!=|<=|>=|=>/g, ' ').includes('='))
    return 'no assignment';
  if (/[\])]\s*\(/.test(code))
    return 'no computed call';
  for (const [, name] of code.matchAll(/([A-Za-z_$][\w$]*)\s*\(/g))
    if (!SCRIPT_CALLS.has(name))
      return `\`${name}(...)\` is not among what reads only`;
  return undefined;
}

function main() {
  const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
  let found;
  try {
    const tree = babelParse(asked.source, 'test.spec.ts', false);
    found = new Check(asked.source, tree, asked.criteria).run();
  } catch (error) {
    if (!error?.loc && !(error instanceof RangeError))
      throw error;
    found = [[error.loc?.line ?? 1, 'syntax', `this is no TypeScript: ${String(error.message).split('\n')[0]}`]];
  }
  fs.writeSync(1, JSON.stringify(found));
}

main();
