import { englishTexts } from '../src/drawing/translation';
import { plainField } from '../src/form/fields';
import type { IField } from '../src/form/fields';
import { Form } from '../src/form/form';

function makeForm(...fields: IField[]): Form {
  const form = new Form(fields, englishTexts, 'Parameters');
  document.body.replaceChildren(form.node);
  return form;
}

function control(name: string): HTMLInputElement {
  const found = document.querySelector<HTMLInputElement>(`[name="${name}"]`);
  if (found === null) {
    throw new Error(`no control ${name}`);
  }
  return found;
}

/** Give the texts that a screen reader says after the name of a control. */
function described(name: string): string[] {
  const ids = control(name).getAttribute('aria-describedby')?.split(' ') ?? [];
  return ids.map(id => document.getElementById(id)?.textContent ?? '');
}

function type(name: string, text: string): void {
  control(name).value = text;
  control(name).dispatchEvent(new Event('input'));
}

const ROWS = plainField({
  name: 'rows',
  label: 'Rows',
  kind: 'integer',
  help: 'how many',
  isRequired: true
});
const NOTE = plainField({ name: 'note', label: 'Note', kind: 'text', help: '', initial: 'none' });
const TOKEN = plainField({ name: 'token', label: 'Token', kind: 'secret', help: '' });

test('an error stands at its field until that is changed, and the first one has the focus', () => {
  const form = makeForm(NOTE, ROWS);

  expect(form.read()).toBeNull();
  expect(described('rows')).toEqual(['how many', 'Fill this in.']);
  expect(control('rows').getAttribute('aria-invalid')).toBe('true');
  expect(document.activeElement).toBe(control('rows'));

  type('rows', '12');
  expect(control('rows').getAttribute('aria-invalid')).toBeNull();
  expect(form.read()).toEqual(new Map([['rows', '12']]));
});

test('errors of the server stand at their fields; those of no field are the business of others', () => {
  const form = makeForm(NOTE, ROWS);

  expect(form.showErrors(new Map([['note', 'Too long.']]))).toBe(true);
  expect(described('note')).toEqual(['Too long.']);
  expect(document.activeElement).toBe(control('note'));
  expect(form.showErrors(new Map([['other', 'x']]))).toBe(false);
  expect(described('note')).toEqual(['']);
});

test('a form starts from the values of a run, and with defaults for what that did not have', () => {
  const form = makeForm(NOTE, ROWS, TOKEN);
  type('note', 'changed');

  form.fill({ rows: 7, token: { $secret: 'api-token' } });
  expect(form.read()).toEqual(
    new Map([
      ['rows', '7'],
      ['token', '{"$secret":"api-token"}']
    ])
  );
  expect(control('token').placeholder).toBe('the stored secret api-token');

  type('token', 'another');
  expect(form.read()?.get('token')).toBe('"another"');
  form.fill({ rows: 7, token: '••••' });
  expect(control('token').placeholder).toBe('is not kept: give it again');
  expect(form.read()?.has('token')).toBe(false);
});

test('text of the notebook is text', () => {
  makeForm(plainField({ ...NOTE, label: '<b>Note</b>', help: '<img src=x>' }));

  expect(document.querySelector('b, img')).toBeNull();
  expect(document.querySelector('label')?.textContent).toBe('<b>Note</b>');
});

test('a text is typed unseen until it is shown, and names are offered', () => {
  const fields = [
    plainField({ name: 'key', label: 'Key', kind: 'text', help: '', isUnseen: true }),
    plainField({ name: 'of', label: 'Of', kind: 'text', help: '', offers: ['a', '<b>'] })
  ];
  const form = new Form(fields, englishTexts, null);
  document.body.replaceChildren(form.node);
  const key = document.querySelector<HTMLInputElement>('[name="key"]');
  const show = document.querySelector<HTMLButtonElement>('button');
  const types = [key?.type];
  for (let click = 0; click < 2; click++) {
    show?.click();
    types.push(key?.type);
  }

  expect(types).toEqual(['password', 'text', 'password']);
  const offered = document.querySelector<HTMLInputElement>('[name="of"]')?.list?.options ?? [];
  expect([...offered].map(option => option.value)).toEqual(['a', '<b>']);
});
