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
    key: '{"$secret":"api"}'
  });
});

test('a box that is unchecked is sent, and other parameters are among the rest', () => {
  const form = open();

  control('is_final').checked = false;
  control('…').value = '{"more": [1]}';

  expect(read(form)).toMatchObject({ is_final: 'false', more: '[1]' });
});
