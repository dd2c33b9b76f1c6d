import { englishTexts } from '../src/drawing/translation';
import { offeredRuns, presetLabel, readEarlierRun, whenText } from '../src/form/earlierRuns';
import type { IEarlierRun } from '../src/form/earlierRuns';
import {
  helpOf,
  plainField,
  readControl,
  readNotebookParameters,
  textOf
} from '../src/form/fields';
import type { FieldResult, IField } from '../src/form/fields';

/** Give the field that is made of a parameter as the server tells it. */
function fieldOf(
  schema: Record<string, unknown>,
  parameter: Record<string, unknown> = {},
  definitions: Record<string, unknown> = {}
): IField {
  const told = readNotebookParameters({
    path: '/home/ana/sales.ipynb',
    declared: true,
    problem: '',
    parameters: [{ name: 'x', annotated: true, required: false, secret: false, ...parameter }],
    schema: { type: 'object', properties: { x: schema }, $defs: definitions }
  });
  if (told === null) {
    throw new Error('not read');
  }
  return told.fields[0];
}

function read(field: IField, text: string): FieldResult {
  return readControl(field, text, englishTexts);
}

const UNIT = { enum: ['pieces', 'kg'], type: 'string', title: 'Unit' };
const REQUIRED = { required: true };

test.each<[string, Record<string, unknown>, Partial<IField>]>([
  ['int', { type: 'integer', default: 3 }, { kind: 'integer', initial: '3' }],
  ['str', { type: 'string', default: 'a b' }, { kind: 'text', initial: 'a b' }],
  ['bool', { type: 'boolean', default: true }, { kind: 'checkbox', initial: 'true' }],
  [
    'date',
    { type: 'string', format: 'date', default: '2026-03-01' },
    { kind: 'date', initial: '2026-03-01' }
  ],
  [
    'datetime',
    { type: 'string', format: 'date-time', default: '2026-03-01T08:30:00' },
    { kind: 'datetime' }
  ],
  [
    'datetime of a zone',
    { type: 'string', format: 'date-time', default: '2026-03-01T08:30:00+02:00' },
    { kind: 'text', initial: '2026-03-01T08:30:00+02:00' }
  ],
  [
    'timedelta',
    { type: 'string', format: 'duration', default: 'P7D' },
    { kind: 'text', example: '1h30m' }
  ],
  [
    'list',
    { type: 'array', default: ['a', { b: 1 }] },
    { kind: 'list', initial: '["a", {"b": 1}]' }
  ],
  ['dict', { type: 'object', default: {} }, { kind: 'mapping', initial: '{}' }],
  ['Any', { default: null }, { kind: 'any', initial: '' }],
  [
    'int | None',
    { anyOf: [{ type: 'integer' }, { type: 'null' }], default: null },
    { kind: 'integer', isNullable: true, initial: '' }
  ],
  [
    'int | str',
    { anyOf: [{ type: 'integer' }, { type: 'string' }], default: 'a' },
    { kind: 'any', initial: 'a' }
  ]
])('a parameter of type %s has its field', (_, schema, expected) => {
  expect(fieldOf(schema)).toMatchObject(expected);
});

test('an Enum is a choice, also where it may be None', () => {
  const field = fieldOf(
    { anyOf: [{ $ref: '#/$defs/Unit' }, { type: 'null' }], title: 'X', default: 'kg' },
    {},
    { Unit: UNIT }
  );

  expect(field).toMatchObject({
    kind: 'choice',
    label: 'X',
    isNullable: true,
    initial: '"kg"',
    choices: [
      { json: '"pieces"', label: 'pieces' },
      { json: '"kg"', label: 'kg' }
    ]
  });
  expect(read(field, '"pieces"')).toEqual({ json: '"pieces"' });
  expect(read(field, '')).toEqual({ json: 'null' });
});

test('a secret has no default in its field', () => {
  const field = fieldOf({ type: 'string', format: 'password', default: 'no' }, { secret: true });

  expect(field).toMatchObject({ kind: 'secret', initial: '' });
  expect(read(field, ' a ')).toEqual({ json: '" a "' });
  expect(read(field, '')).toEqual({ isLeftOut: true });
});

test('without an annotation a whole default takes any number', () => {
  const field = fieldOf({ type: 'integer', default: 1 }, { annotated: false });

  expect(read(field, '0.5')).toEqual({ json: '0.5' });
});

test('a bool without a known default must be chosen', () => {
  const field = fieldOf({ type: 'boolean' }, REQUIRED);

  expect(field.choices.map(({ label }) => label)).toEqual(['True', 'False']);
  expect(read(field, '')).toEqual({ error: 'Fill this in.' });
  expect(read(field, 'false')).toEqual({ json: 'false' });
});

test('what is as the default is left to the notebook, and so is a default that only running tells', () => {
  expect(read(fieldOf({ type: 'integer', default: 3 }), '3')).toEqual({ isLeftOut: true });
  const computed = fieldOf({ type: 'string', format: 'path' }, { default_source: 'Path.home()' });
  expect(read(computed, '')).toEqual({ isLeftOut: true });
  expect(helpOf(computed, englishTexts)).toBe('empty for Path.home()');
});

test('an emptied field is an empty text, None, or the default', () => {
  expect(read(fieldOf({ type: 'string', default: 'a' }), '')).toEqual({ json: '""' });
  const optional = { anyOf: [{ type: 'integer' }, { type: 'null' }], default: 3 };
  expect(read(fieldOf(optional), '')).toEqual({ json: 'null' });
  expect(read(fieldOf({ type: 'integer', default: 3 }), ' ')).toEqual({ isLeftOut: true });
});

const BOUNDED = { minimum: 1, exclusiveMaximum: 10 };

test.each<[string, Record<string, unknown>, string, FieldResult]>([
  ['integer', { type: 'integer' }, '1.5', { error: 'Write a whole number.' }],
  ['integer', { type: 'integer' }, '+07', { json: '7' }],
  ['long integer', { type: 'integer' }, '1'.repeat(30), { json: '1'.repeat(30) }],
  ['integer', { type: 'integer', ...BOUNDED }, '0', { error: 'At least 1.' }],
  ['integer', { type: 'integer', ...BOUNDED }, '10', { error: 'Less than 10.' }],
  ['number', { type: 'number' }, '1.0', { json: '1.0' }],
  ['number', { type: 'number' }, '.5', { json: '0.5' }],
  ['number', { type: 'number' }, '-Infinity', { json: '"-Infinity"' }],
  ['number', { type: 'number' }, '1e', { error: 'Write a number.' }],
  ['number', { type: 'number', exclusiveMinimum: 0 }, '0', { error: 'More than 0.' }],
  ['number', { type: 'number', maximum: 1 }, '2', { error: 'At most 1.' }],
  ['text', { type: 'string', minLength: 2 }, '𝒳', { error: 'At least 2 characters.' }],
  ['text', { type: 'string', maxLength: 1 }, '𝒳', { json: '"𝒳"' }],
  ['list', { type: 'array' }, '[1.0, "a"]', { json: '[1.0, "a"]' }],
  ['list', { type: 'array' }, '{"a": 1}', { error: 'Write a list, as in ["a", "b"]' }],
  ['mapping', { type: 'object' }, 'null', { error: 'Write a mapping, as in {"a": 1}' }],
  ['anything', {}, '007', { json: '"007"' }],
  ['anything', {}, '[1]', { json: '[1]' }]
])('%s %j: %s', (_, schema, text, expected) => {
  expect(read(fieldOf(schema, REQUIRED), text)).toEqual(expected);
});

test('a text that is no JSON is told where a list is meant', () => {
  const result = read(fieldOf({ type: 'array' }, REQUIRED), '[1');

  expect('error' in result && result.error).toMatch(/^This is no JSON: ./);
});

test('what a run recorded goes into a field again', () => {
  expect(textOf('number', { $float: '-inf' })).toBe('-Infinity');
  expect(textOf('choice', 'kg')).toBe('"kg"');
  expect(textOf('checkbox', true)).toBe('true');
  expect(textOf('integer', null)).toBe('');
});

test('help tells bounds and what empty means', () => {
  const field = plainField({
    name: 'x',
    label: 'X',
    kind: 'number',
    help: 'of all',
    isNullable: true
  });
  const bounds = { ...field.bounds, exclusiveMinimum: 0, maximum: 1 };

  expect(helpOf({ ...field, bounds }, englishTexts)).toBe(
    'of all · more than 0 · at most 1 · empty for None'
  );
});

const NOW = new Date(2026, 2, 10, 12, 0).getTime();

function earlier(name: string, parameters: object, notebook = '/a.ipynb'): IEarlierRun {
  return {
    name,
    createdAt: new Date(2026, 2, 9, 8, 0).toISOString(),
    notebookPath: notebook,
    parameters: { ...parameters }
  };
}

test('a form offers the runs of its file that had parameters, each set of values once', () => {
  const runs = [
    earlier('calm-fox', { a: 1, b: 2 }),
    earlier('other-file', { a: 3 }, '/b.ipynb'),
    earlier('same-again', { b: 2, a: 1 }),
    earlier('none', {}),
    earlier('brisk-otter', { a: 2 }),
    earlier('too-many', { a: 4 })
  ];

  expect(offeredRuns(runs, '/a.ipynb', 2).map(({ name }) => name)).toEqual([
    'calm-fox',
    'brisk-otter'
  ]);
  expect(readEarlierRun({ name: 'x', created_at: 'x', parameters: [] })).toBeNull();
});

test('an earlier run is named with its day in words', () => {
  const run = earlier('calm-fox', {});

  expect(presetLabel(run, NOW, englishTexts, 'en-GB')).toBe('As in run calm-fox (yesterday 08:00)');
  expect(whenText(new Date(NOW).toISOString(), NOW, 'en-GB')).toBe('today 12:00');
  expect(whenText(new Date(2026, 1, 1, 7, 5).toISOString(), NOW, 'en-GB')).toBe('1 Feb 07:05');
});
