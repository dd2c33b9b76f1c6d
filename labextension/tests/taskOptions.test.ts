import { fieldAt, optionFields, readOptionValues, readTaskOptions } from '../src/cells/taskOptions';
import type { ITaskOptions, OptionTexts } from '../src/cells/taskOptions';
import { englishTexts } from '../src/drawing/translation';
import { Form } from '../src/form/form';

const OPTIONS = [
  option('--retries', '3'),
  option('--cache', '1h', { value_is_optional: true }),
  option('--tag', 'team=sales', { may_repeat: true }),
  option('--wait', '', { takes_value: false }),
  option('--new', 'x')
];

function option(name: string, example: string, more: object = {}): object {
  const basic = { takes_value: true, value_is_optional: false, may_repeat: false };
  return { option: name, help: 'what it does', example, ...basic, ...more };
}

function read(values: object = {}, name = 'load'): ITaskOptions {
  const found = readTaskOptions({ is_task: true, name, values, options: OPTIONS });
  if (found === null) {
    throw new Error('no options');
  }
  return found;
}

/** Open the form, type into it, and give what it says. */
function fill(task: ITaskOptions, typed: Readonly<Record<string, string | boolean>>): object {
  const form = new Form(optionFields(task, englishTexts), englishTexts, 'Options');
  document.body.replaceChildren(form.node);
  for (const [name, value] of Object.entries(typed)) {
    const control = document.querySelector<HTMLInputElement>(`[name="${name}"]`);
    if (control === null) {
      throw new Error(`no control ${name}`);
    }
    if (typeof value === 'boolean') {
      control.checked = value;
    } else {
      control.value = value;
    }
  }
  const values = form.read();
  if (values === null) {
    throw new Error('something is wrong');
  }
  const said = readOptionValues(task, values);
  return { name: said.name, ...Object.fromEntries(said.values as Map<string, unknown>) };
}

describe('what the form says', () => {
  const GIVEN = {
    '--retries': [' 2'],
    '--cache': ['1h'],
    '--tag': ['a=b', ' c=d '],
    '--wait': [null]
  };

  test('is what came, where nothing was typed', () => {
    expect(fill(read(GIVEN), {})).toEqual({ name: 'load', ...GIVEN });
  });

  test.each<[string, object, Record<string, string | boolean>, object]>([
    ['a name', {}, { name: 'clean' }, { name: 'clean' }],
    ['no name any more', {}, { name: '' }, { name: '' }],
    ['a value', {}, { '--retries': '3' }, { name: 'load', '--retries': ['3'] }],
    ['no value any more', { '--retries': ['2'] }, { '--retries': '' }, { name: 'load' }],
    ['a switch', {}, { '--wait': true }, { name: 'load', '--wait': [null] }],
    ['a switch no more', { '--wait': [null] }, { '--wait': false }, { name: 'load' }],
    [
      'lines',
      { '--tag': ['a=b'] },
      { '--tag': 'a=b\n\nc=d\n' },
      { name: 'load', '--tag': ['a=b', 'c=d'] }
    ],
    ['kept for ever', {}, { '--cache': true }, { name: 'load', '--cache': [null] }],
    ['kept for a time', {}, { '--cache value': '1h' }, { name: 'load', '--cache': ['1h'] }],
    [
      'for ever now',
      { '--cache': ['1h'] },
      { '--cache value': '' },
      { name: 'load', '--cache': [null] }
    ],
    ['kept no more', { '--cache': ['1h'] }, { '--cache': false }, { name: 'load' }],
    ['an option that is new here', {}, { '--new': 'y' }, { name: 'load', '--new': ['y'] }]
  ])('%s', (_, given, typed, said) => {
    expect(fill(read(given), typed)).toEqual(said);
  });
});

test('each option has a label, also one that this code does not know', () => {
  const labels = optionFields(read(), englishTexts).map(field => field.label);

  expect(labels).toEqual([
    'Name',
    'Retries',
    'Keep the result',
    'Keep it for',
    'Tags',
    'Wait for it',
    '--new'
  ]);
});

test.each([
  ['#/name', 'name'],
  ['#/values/--retries', '--retries'],
  ['#/source', null]
])('the field at %s', (pointer, field) => {
  expect(fieldAt(pointer)).toBe(field);
});

test.each([null, {}, { values: {} }])('%j is no answer', data => {
  expect(readTaskOptions(data)).toBeNull();
});

test('an answer of any form is read', () => {
  const found = readTaskOptions({
    is_task: 1,
    name: 2,
    values: { a: 3, b: ['x', 4] },
    options: [5]
  });

  expect(found).toEqual({
    isTask: false,
    name: '',
    values: new Map([
      ['a', []],
      ['b', ['x', null]]
    ]) as OptionTexts,
    options: []
  });
});
