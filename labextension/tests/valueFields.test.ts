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
  tag: '',
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

/** Write into a control, as people do. */
function type(name: string, text: string): void {
  control(name).value = text;
  control(name).dispatchEvent(new Event('input'));
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
    options: '{"a":1}',
    limit: 'null',
    tag: '""',
    key: '{"$secret":"api"}'
  });
});

test('what is changed is sent, and other parameters are among the rest', () => {
  const form = open();

  type('is_final', 'false');
  type('…', '{"more": [1]}');

  expect(read(form)).toMatchObject({ is_final: 'false', more: '[1]' });
});

test('what is emptied has its default, also where None or nothing was given', () => {
  const form = open();
  expect(control('limit').placeholder).toBe('None');

  ['limit', 'tag', 'is_final', 'region'].forEach(name => type(name, ''));

  expect(control('limit').placeholder).toBe('');
  const sent = Object.keys(read(form));
  expect(sent).toEqual(['rows', 'share', 'tags', 'options', 'key']);
});

test('a value of another kind than the last run had is sent as it was', () => {
  const form = open();

  form.fill({ rows: 'many', is_final: 'perhaps', token: 'open', region: { $secret: 'where' } });

  expect(read(form)).toEqual({
    region: '{"$secret":"where"}',
    rows: '"many"',
    is_final: '"perhaps"',
    token: '"open"'
  });
});
