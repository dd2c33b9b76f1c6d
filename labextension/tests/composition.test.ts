import { deploymentBody, freeName, optionsOf, scheduleOf } from '../src/schedule/composition';
import type { IScheduleValues } from '../src/schedule/composition';
import type { FieldsOf, IDeployment } from '../src/schedule/records';
import { readDeployment, readHealth, readPreview } from '../src/schedule/records';

const VALUES: IScheduleValues = {
  schedule: { field: 'cron', text: '0 9 * * 1-5' },
  timezone: 'Europe/Berlin',
  options: new Map([['concurrency', '1']]),
  parameters: new Map([
    ['share', '1.0'],
    ['rows', '1'.repeat(30)]
  ])
};

function deployed(spec: FieldsOf): IDeployment {
  return {
    name: 'sales',
    version: 3,
    isPaused: false,
    spec: { name: 'sales', notebook: '/home/ana/sales.ipynb', ...spec },
    words: [],
    problem: '',
    nextAt: null
  };
}

function body(base: IDeployment | null, values: Partial<IScheduleValues> = {}, at = 0): FieldsOf {
  const text = deploymentBody(base, '/home/ana/sales.ipynb', at, { ...VALUES, ...values });
  return JSON.parse(text) as FieldsOf;
}

test('a new deployment says the schedule, and that a run waits for the one before it', () => {
  const text = deploymentBody(null, '/home/ana/sales.ipynb', 0, VALUES);

  expect(JSON.parse(text)).toMatchObject({
    notebook: '/home/ana/sales.ipynb',
    schedules: [{ cron: '0 9 * * 1-5', timezone: 'Europe/Berlin' }],
    concurrency: 1,
    on_conflict: 'queue'
  });
  // numbers arrive as they were typed
  expect(text).toContain(`"parameters": {"share": 1.0, "rows": ${'1'.repeat(30)}}`);
});

test('options go to the schedule or to the deployment', () => {
  const options = new Map([
    ['catchup', '"all"'],
    ['jitter', '"5m"'],
    ['start', '"2026-12-01T00:00"'],
    ['retries', '2'],
    ['pool', '"gpu"'],
    ['overlap', '"beside"'],
    ['concurrency', '4']
  ]);

  const said = body(null, { options });

  expect(said).toMatchObject({
    schedules: [{ catchup: 'all', jitter: '5m', start: '2026-12-01T00:00' }],
    retries: 2,
    pool: 'gpu'
  });
  expect(said).not.toHaveProperty('concurrency');
  expect(said).not.toHaveProperty('overlap');
});

test('what the dialog has no field for stays, and what it leaves empty goes', () => {
  const base = deployed({
    tags: { team: 'a' },
    cell_timeout: '5m',
    timeout: '1h',
    concurrency: 4,
    on_conflict: 'skip',
    parameters: { share: 0.5 },
    schedules: [{ every: '1h', jitter: '5m', days_off: ['2026-12-25'], timezone: 'UTC' }]
  });

  expect(body(base, { parameters: new Map() })).toEqual({
    name: 'sales',
    notebook: '/home/ana/sales.ipynb',
    tags: { team: 'a' },
    cell_timeout: '5m',
    concurrency: 1,
    on_conflict: 'queue',
    parameters: {},
    schedules: [{ days_off: ['2026-12-25'], cron: '0 9 * * 1-5', timezone: 'Europe/Berlin' }]
  });
});

test('one schedule of several is changed, or a further one added; the others stay', () => {
  const base = deployed({ schedules: [{ every: '1h' }, { every: '2h' }] });
  const changed = { cron: '0 9 * * 1-5', timezone: 'Europe/Berlin' };

  expect(body(base, {}, 1).schedules).toEqual([{ every: '1h' }, changed]);
  expect(body(base, {}, 2).schedules).toEqual([{ every: '1h' }, { every: '2h' }, changed]);
});

test('a start that was not touched is the same instant, also in the hour that comes twice', () => {
  const start = '2026-10-25T02:30:00+01:00';
  const base = deployed({ schedules: [{ every: '1h', start, timezone: 'Europe/Berlin' }] });
  const shown = optionsOf(base, 0).start;
  const options = new Map([['start', JSON.stringify(shown)]]);

  expect(shown).toBe('2026-10-25T02:30:00');
  expect(body(base, { options }).schedules).toMatchObject([{ start }]);
  expect(body(base, { options, timezone: 'UTC' }).schedules).toMatchObject([{ start: shown }]);
});

test.each([
  [{}, { overlap: 'beside' }],
  [{ concurrency: 2 }, { overlap: 'queue', concurrency: 2 }],
  [
    { concurrency: 1, on_conflict: 'skip' },
    { overlap: 'skip', concurrency: 1 }
  ]
])('%j is shown as %j', (spec, expected) => {
  expect(optionsOf(deployed(spec), 0)).toEqual(expected);
});

test('a deployment without a schedule has an empty one', () => {
  expect(scheduleOf({}, 0)).toEqual({});
});

test('the name of a new deployment is free', () => {
  expect(freeName('sales.ipynb', [])).toBe('sales');
  expect(freeName('sales.ipynb', ['sales', 'sales-2'])).toBe('sales-3');
});

test('what the server tells is read, and what is something else is not', () => {
  const told = {
    name: 'sales',
    version: 2,
    is_paused: true,
    spec: { pool: 'gpu' },
    schedules: [
      { words: 'every hour', problem: '' },
      { words: 'every day', problem: 'gone' }
    ],
    fire_times: [{ at: 'never' }, { at: '2026-11-27T09:00:00+01:00', words: '', note: '' }]
  };

  expect(readDeployment(told)).toEqual({
    name: 'sales',
    version: 2,
    isPaused: true,
    spec: { pool: 'gpu' },
    words: ['every hour', 'every day'],
    problem: 'gone',
    nextAt: '2026-11-27T09:00:00+01:00'
  });
  expect(readDeployment({ name: 'sales' })).toBeNull();
  expect(readPreview({ words: 7 })).toBeNull();
  expect(readHealth({ own_service: 'off', services: [{ is_up: true }, { is_up: false }] })).toEqual(
    {
      ownService: 'off',
      up: 1
    }
  );
  expect(readHealth([])).toBeNull();
});
