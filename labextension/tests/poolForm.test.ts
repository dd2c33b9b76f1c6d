import { englishTexts } from '../src/drawing/translation';
import { PoolForm, poolFieldAt, readPoolKinds } from '../src/pages/lists/poolForm';

const COMMON = {
  name: { type: 'string', title: 'Name', description: 'Deployments name their pool by it.' },
  kind: { type: 'string', title: 'Kind', default: 'local' },
  description: { type: 'string', title: 'Description', default: '' },
  concurrency: {
    anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }],
    title: 'Runs at once',
    default: null
  },
  paused: { type: 'boolean', title: 'Paused', default: false }
};
const JOB = {
  image: { type: 'string', description: 'An image.', default: '' },
  env: { type: 'object', default: {} },
  cpus: { anyOf: [{ type: 'number' }, { type: 'null' }], default: null },
  auto_remove: { type: 'boolean', default: true }
};
const KINDS = readPoolKinds({
  kinds: [
    { kind: 'local', schema: { properties: COMMON, required: ['name'] } },
    {
      kind: 'docker',
      schema: {
        properties: { ...COMMON, job: { type: 'object', properties: JOB } },
        required: ['name']
      }
    },
    { kind: 3 }
  ]
});

/** Fill a field, as its user does. */
function type(form: PoolForm, name: string, text: string): void {
  const control = form.node.querySelector<HTMLInputElement>(`[name="${name}"]`);
  if (control === null) {
    throw new Error(`There is no field ${name}.`);
  }
  control.value = text;
  control.dispatchEvent(new Event('input'));
  control.dispatchEvent(new Event('change'));
}

/** Give what a form would send. */
function sent(form: PoolForm): unknown {
  const values = form.read();
  return values === null ? null : JSON.parse(form.body(values));
}

test('a new pool is asked for by its kind, and what is left out is as the server has it', () => {
  const form = new PoolForm(KINDS, null, englishTexts);
  expect(sent(form)).toBeNull();

  type(form, 'name', 'gpu');
  type(form, 'concurrency', '2');
  const local = sent(form);
  type(form, 'kind', '"docker"');
  const byDeployments = sent(form);
  type(form, 'job/image', 'a/b:1');
  type(form, 'job/cpus', '1.50');
  type(form, 'job/env', '{"BIG": "1", "N": 12345678901234567890}');

  expect(local).toEqual({ kind: 'local', name: 'gpu', concurrency: 2 });
  expect(byDeployments).toEqual({
    kind: 'docker',
    name: 'gpu',
    concurrency: 2,
    job: { image: '' }
  });
  const values = form.read();
  expect(values && form.body(values)).toBe(
    '{"kind": "docker", "name": "gpu", "concurrency": 2, "job": ' +
      '{"image": "a/b:1", "env": {"BIG": "1", "N": 12345678901234567890}, "cpus": 1.50}}'
  );
});

test('a field that is emptied is as if it had never been said', () => {
  const known = { name: 'boxes', kind: 'docker', concurrency: 3, job: { image: 'a:1', cpus: 2 } };
  const form = new PoolForm(KINDS, known, englishTexts);
  expect(form.node.querySelectorAll('[name="name"], [name="kind"], [name="paused"]')).toHaveLength(
    0
  );
  expect(form.node.querySelector('details')?.open).toBe(true);
  expect(sent(form)).toEqual({ kind: 'docker', concurrency: 3, job: { image: 'a:1', cpus: 2 } });

  type(form, 'concurrency', '');
  type(form, 'job/cpus', '');

  expect(sent(form)).toEqual({ kind: 'docker', job: { image: 'a:1' } });
});

test('what is wrong with a job variable is said at its field', () => {
  const form = new PoolForm(KINDS, { kind: 'docker', job: { image: '' } }, englishTexts);

  const isShown = form.showErrors(new Map([[poolFieldAt('#/job/cpus/0'), 'Too few.']]));

  expect(isShown).toBe(true);
  expect(form.node.querySelector('[aria-invalid="true"]')?.getAttribute('name')).toBe('job/cpus');
  expect(form.showErrors(new Map([[poolFieldAt('#/cluster'), 'None.']]))).toBe(false);
  expect([poolFieldAt('#/name'), poolFieldAt('#/job')]).toEqual(['name', 'job']);
});
