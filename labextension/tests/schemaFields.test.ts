import { englishTexts } from '../src/drawing/translation';
import { Form } from '../src/form/form';
import type { FormValues } from '../src/form/form';
import { answerForm } from '../src/form/schemaFields';

const APPROVAL = {
  type: 'object',
  required: ['rows', 'region'],
  properties: {
    rows: { type: 'integer', minimum: 1 },
    region: { enum: ['EU', 'US'], description: 'Where it is sold.' },
    note: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
    share: { type: 'number', default: 0.5 },
    level: { $ref: '#/$defs/Level' },
    since: { type: ['string', 'null'], format: 'date' },
    kind: { const: 'plain' }
  },
  $defs: { Level: { enum: [1, 2], title: 'Level' } }
};

function fill(form: Form, name: string, value: string): void {
  const control = form.node.querySelector<HTMLInputElement>(`[name="${name}"]`);
  if (control === null) {
    throw new Error(`There is no field ${name}.`);
  }
  control.value = value;
  control.dispatchEvent(new Event('input'));
}

function read(form: Form): FormValues {
  return form.read() ?? new Map([['', '"the form refuses what is in it"']]);
}

test('each property of an object is a field of its type', () => {
  const { fields } = answerForm(APPROVAL, englishTexts);

  expect(fields.map(field => [field.name, field.kind, field.isRequired, field.isNullable])).toEqual(
    [
      ['rows', 'integer', true, false],
      ['region', 'choice', true, false],
      ['note', 'text', false, true],
      ['share', 'number', false, false],
      ['level', 'choice', false, false],
      ['since', 'date', false, true],
      ['kind', 'choice', false, false]
    ]
  );
  expect(fields[1].help).toBe('Where it is sold.');
  expect(fields[4].choices.map(choice => choice.json)).toEqual(['1', '2']);
});

test('the answer is what was filled in, and the defaults that were left', () => {
  const asked = answerForm(APPROVAL, englishTexts);
  const form = new Form(asked.fields, englishTexts, null);

  expect(form.read()).toBeNull();
  fill(form, 'rows', '12345678901234567890');
  fill(form, 'region', '"US"');
  fill(form, 'share', '1.0');

  const answer = asked.answer(read(form));
  expect(answer).toContain('"rows": 12345678901234567890');
  expect(JSON.parse(answer)).toMatchObject({ region: 'US', note: null, share: 1 });
  expect(answer).not.toContain('level');
});

test('what is no object is one field, and an error of any place in it is that field’s', () => {
  const asked = answerForm({ type: 'array', items: { type: 'string' } }, englishTexts);
  const form = new Form(asked.fields, englishTexts, null);
  fill(form, '', '["a", "b"]');

  expect(asked.answer(read(form))).toBe('["a", "b"]');
  expect(asked.fields[0].label).toBe('Answer');
  expect(asked.fieldAt('/1')).toBe('');
});

test('a place in an object belongs to its property', () => {
  const asked = answerForm(APPROVAL, englishTexts);

  expect(asked.fieldAt('/rows')).toBe('rows');
  expect(asked.fieldAt('/a~1b/0')).toBe('a/b');
});
