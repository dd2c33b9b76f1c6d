import { englishTexts } from '../src/drawing/translation';
import { Form } from '../src/form/form';
import { readValueFields, valueFields } from '../src/form/valueFields';

const VALUES = {
  region: 'EU',
  rows: 12,
  share: { $float: 'inf' },
  is_final: true,
  tags: ['new'],
  options: { a: 1 },
  limit: null,
  token: '••••',
  key: { $secret: 'api' }
};

function open(): Form {
  const form = new Form(valueFields(VALUES, englishTexts), englishTexts, 'Parameters');
  document.body.replaceChildren(form.node);
  form.fill(VALUES);
  return form;
}

function control(name: string): HTMLInputElement {
  return document.querySelector(`[name="${name}"]`) as HTMLInputElement;
}

function read(form: Form): Record<string, string> {
  return Object.fromEntries(readValueFields(form.read() ?? new Map()));
}

test('what is not changed is sent as it was; a secret that is not kept is not', () => {
  expect(read(open())).toEqual({
    region: '"EU"',
    rows: '12',
    share: '"Infinity"',
    is_final: 'true',
    tags: '["new"]',
    options: '{"a": 1}',
    limit: 'null',
    key: '{"$secret":"api"}'
  });
});

test('an empty control stands for what was recorded, and says so, until something else is filled in', () => {
  const values = { region: 'EU', limit: null, tag: '' };
  const form = new Form(valueFields(values, englishTexts), englishTexts, 'Parameters');
  document.body.replaceChildren(form.node);

  form.fill(values);
  expect(read(form)).toEqual({ region: '"EU"', limit: 'null', tag: '""' });
  expect([control('limit').placeholder, control('tag').placeholder]).toEqual(['None', '""']);

  control('region').value = '';
  control('limit').value = '3';
  expect(read(form)).toEqual({ limit: '3', tag: '""' });

  form.fill({ region: 'CH' });
  expect(read(form)).toEqual({ region: '"CH"' });
  expect([control('limit').placeholder, control('tag').placeholder]).toEqual(['', '']);
});

test('a value of another kind than the run had is sent as it was recorded', () => {
  const known = { rows: 12, limit: null, text: 'a' };
  const form = new Form(valueFields(known, englishTexts), englishTexts, 'Parameters');
  document.body.replaceChildren(form.node);

  form.fill({ rows: 'all', limit: '12', text: [1] });
  expect(read(form)).toEqual({ rows: '"all"', limit: '"12"', text: '[1]' });
});

test('a box that is unchecked is sent, and other parameters are among the rest', () => {
  const form = open();

  control('is_final').checked = false;
  control('…').value = '{"more": [1]}';

  expect(read(form)).toMatchObject({ is_final: 'false', more: '[1]' });
});
