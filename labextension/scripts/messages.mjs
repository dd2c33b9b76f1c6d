/**
 * Prints the messages of the source as JSON: `[{ id, plural, context, places }]`, by file
 * and place in it. A message is the literal text of a call of `__`, `_n`, `_p` or `_np`, or a text of a schema that JupyterLab's server
 * translates. What is wrong is told on stderr, a line each with its place, and the exit status is 1.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { URL, fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The domain of our own messages; what is loaded from another one is another project's. */
const DOMAIN = 'orchestra_nb';

/** The calls of a translation bundle: which argument is the context, the text, its plural. */
const CALLS = {
  __: { id: 0 },
  _n: { id: 0, plural: 1 },
  _p: { context: 0, id: 1 },
  _np: { context: 0, id: 1, plural: 2 }
};

/** As in `jupyterlab_server.translation_utils`: which texts of a schema are translated, and in which context. */
const SCHEMA_TEXTS = [
  [/^\/(definitions\/.*\/)?properties\/.*\/(title|description)$/, 'settings'],
  [/^\/(title|description)$/, 'schema'],
  [/^\/jupyter\.lab\.setting-icon-label$/, 'settings'],
  [/^\/jupyter\.lab\.menus\/.*\/label$/, 'menu'],
  [/^\/jupyter\.lab\.toolbars\/.*\/label$/, 'toolbar']
];
const SCHEMA_DOMAIN = 'jupyter.lab.internationalization';

/** The folder with `src` and `schema`: the argument, or our own. */
const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const messages = new Map();
const problems = [];

function add(id, { plural = null, context = null }, place) {
  const key = `${context ?? ''}\u0004${id}`;
  const known = messages.get(key);
  if (known === undefined) {
    messages.set(key, { id, plural, context, places: [place] });
    return;
  }
  if (known.plural !== plural) {
    problems.push(
      `${place}: "${id}" is used with another plural, or without one, in ${known.places[0]}.`
    );
  }
  if (!known.places.includes(place)) {
    known.places.push(place);
  }
}

/** Give the text of literals, also of such as are put together by `+`; undefined for anything else. */
function literal(node) {
  if (ts.isStringLiteralLike(node)) {
    return node.text;
  }
  if (ts.isParenthesizedExpression(node)) {
    return literal(node.expression);
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [literal(node.left), literal(node.right)];
    return left === undefined || right === undefined ? undefined : left + right;
  }
  return undefined;
}

/** Give the domain that a bundle was loaded from in the same expression; ours where it has a name. */
function domainOf(bundle) {
  return ts.isCallExpression(bundle) &&
    ts.isPropertyAccessExpression(bundle.expression) &&
    bundle.expression.name.text === 'load'
    ? literal(bundle.arguments[0])
    : DOMAIN;
}

function readCall(call, source, place) {
  const { expression, arguments: given } = call;
  if (!ts.isPropertyAccessExpression(expression) || !Object.hasOwn(CALLS, expression.name.text)) {
    return;
  }
  if (domainOf(expression.expression) !== DOMAIN) {
    return;
  }
  const texts = {};
  for (const [part, index] of Object.entries(CALLS[expression.name.text])) {
    texts[part] = index < given.length ? literal(given[index]) : undefined;
    if (texts[part] === undefined || texts[part] === '') {
      const line = source.getLineAndCharacterOfPosition(call.getStart(source)).line + 1;
      const asked = `${expression.name.text}() needs a literal text that is not empty`;
      problems.push(`${place}:${line}: ${asked}: ${call.getText(source).slice(0, 80)}`);
      return;
    }
  }
  add(texts.id, texts, place);
}

function readSource(file) {
  const place = relative(root, file);
  const text = readFileSync(file, 'utf8');
  const kind = file.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, kind);
  const visit = node => {
    if (ts.isCallExpression(node)) {
      readCall(node, source, place);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

function readSchema(file) {
  const place = relative(root, file);
  const schema = JSON.parse(readFileSync(file, 'utf8'));
  if (schema[SCHEMA_DOMAIN]?.domain !== DOMAIN) {
    problems.push(
      `${place}: "${SCHEMA_DOMAIN}" is to say {"domain": "${DOMAIN}"}, or nothing of it is translated.`
    );
  }
  const visit = (value, path) => {
    for (const [key, part] of Object.entries(value)) {
      // JupyterLab's server writes the places in lists this way, and its patterns are ours
      const at = Array.isArray(value) ? `${path}[${key}]` : `${path}/${key}`;
      const found =
        typeof part === 'string' &&
        part !== '' &&
        SCHEMA_TEXTS.find(([pattern]) => pattern.test(at));
      if (found) {
        add(part, { context: found[1] }, place);
      } else if (part !== null && typeof part === 'object') {
        visit(part, at);
      }
    }
  };
  visit(schema, '');
}

function filesOf(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter(name => ending.test(name))
    .sort()
    .map(name => join(root, folder, name));
}

filesOf('src', /\.tsx?$/).forEach(readSource);
filesOf('schema', /\.json$/).forEach(readSchema);
if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exitCode = 1;
}
process.stdout.write(JSON.stringify([...messages.values()]));
