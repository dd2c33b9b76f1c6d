import {
  alertItems,
  clusterItems,
  clusterMemory,
  scheduleItems
} from '../src/components/overviewSections';
import { visibleRows } from '../src/components/rows';
import type { OverviewItems } from '../src/components/rows';
import { alerts, cluster, scheduled } from './overviewRecords';
import { ago, id, run } from './records';

const GB = 1024 ** 3;
const NONE: ReadonlySet<string> = new Set();

const LETTER = {
  id: `${id(1)}.1`,
  runId: id(9),
  name: 'load',
  flowName: 'report',
  endedAs: 'FAILED',
  message: 'no such table',
  at: ago(5)
};
const WORKER = { name: 'w1', host: 'box', threads: 1, memoryBytes: GB, limitBytes: 4 * GB };

function keys(items: { readonly items: readonly { readonly key: string }[] }): string[] {
  return items.items.map(({ key }) => key);
}

function known<T>(value: T) {
  return { value, error: null };
}

test('alerts begin with what failed, and count each thing that is to be looked at', () => {
  const found = alertItems(
    known(
      alerts({
        failed: [run({ run_id: id(2), state: 'FAILED' })],
        late: [run({ run_id: id(3), state: 'SCHEDULED' })],
        troubles: ['No service is up.'],
        undelivered: [{ number: 7, channel: 'team', title: 'It failed', error: 'no', at: null }],
        deadLetters: [LETTER, { ...LETTER, id: `${id(2)}.1` }]
      })
    )
  );

  expect(keys(found)).toEqual([
    `failed:${id(2)}`,
    `late:${id(3)}`,
    'trouble:0',
    'undelivered:7',
    'letters'
  ]);
  expect(found.count).toBe(6);
  expect(found.items[4].children?.map(({ key }) => key)).toEqual([
    `letter:${id(1)}.1`,
    `letter:${id(2)}.1`
  ]);
});

test('of many failures the last are shown, the others below a row that tells how many', () => {
  const failed = [9, 8, 7, 6, 5, 4, 3].map(number => run({ run_id: id(number), state: 'FAILED' }));

  const found = alertItems(known(alerts({ failed })));

  expect(keys(found)).toEqual([
    ...[9, 8, 7, 6, 5].map(number => `failed:${id(number)}`),
    'more:failed'
  ]);
  expect(found.items[5]).toMatchObject({
    content: { kind: 'more', count: 2 },
    children: [{ key: `failed:${id(4)}` }, { key: `failed:${id(3)}` }]
  });
  expect(found.count).toBe(7);
});

test.each([
  ['nothing is known', { value: null, error: null }, null, ['loading']],
  ['nothing is wrong', known(alerts()), 0, ['noAlerts']]
])('where %s a note says so', (_, reading, count, notes) => {
  const found = alertItems(reading);

  expect(found.count).toBe(count);
  expect(found.items.map(({ content }) => content.kind === 'note' && content.note)).toEqual(notes);
});

test('what cannot be read says why, above what was known before', () => {
  const error = new Error('The store is gone.');

  expect(alertItems({ value: null, error })).toEqual({
    count: null,
    items: [{ key: 'alerts:problem', content: { kind: 'problem', error } }]
  });
  expect(keys(scheduleItems({ value: [scheduled()], error }))).toEqual([
    'schedules:problem',
    'schedule:nightly'
  ]);
});

test('schedules stand in the order in which they are due, those that rest at the end', () => {
  const found = scheduleItems(
    known([
      scheduled({ name: 'resting', isPaused: true }),
      scheduled({ name: 'never', nextAt: null }),
      scheduled({ name: 'later', nextAt: ago(-7200) }),
      scheduled({ name: 'b' }),
      scheduled({ name: 'a' })
    ])
  );

  expect(keys(found)).toEqual(
    ['a', 'b', 'later', 'never', 'resting'].map(name => `schedule:${name}`)
  );
});

test('the workers of a cluster stand below it, and add up', () => {
  const busy = cluster({ workers: [WORKER, { ...WORKER, name: 'w2', memoryBytes: 2 * GB }] });

  const [item, other] = clusterItems(known([busy, cluster({ name: 'tcp://far:1' })])).items;

  expect(item.children?.map(({ content }) => content.kind)).toEqual(['worker', 'worker']);
  expect(other.children).toBeUndefined();
  expect(clusterMemory(busy)).toEqual({ used: 3 * GB, limit: 8 * GB });
});

test('of memory without a limit no share is told', () => {
  const open = cluster({ workers: [WORKER, { ...WORKER, limitBytes: 0 }] });

  expect(clusterMemory(open)).toEqual({ used: 2 * GB, limit: 0 });
});

describe('in the tree', () => {
  const overview: OverviewItems = {
    alerts: alertItems(known(alerts({ deadLetters: [LETTER] }))),
    schedules: scheduleItems(known([scheduled()])),
    clusters: clusterItems(known([cluster({ workers: [WORKER] })]))
  };
  const source = { runs: [run({ run_id: id(30) })], tasksOf: () => [] };

  test('alerts stand above the runs, schedules and clusters below', () => {
    const rows = visibleRows(source, new Set(['recent']), NONE, overview);

    expect(rows.map(({ key, level }) => [key, level])).toEqual([
      ['alerts', 1],
      ['letters', 2],
      ['active', 1],
      [id(30), 2],
      ['recent', 1],
      ['schedules', 1],
      ['schedule:nightly', 2],
      ['clusters', 1],
      ['cluster:local', 2]
    ]);
    expect(
      rows.filter(({ level }) => level === 1).map(({ position, size }) => [position, size])
    ).toEqual([1, 2, 3, 4, 5].map(position => [position, 5]));
  });

  test('what can be opened shows what is below it', () => {
    const open = new Set(['letters', 'cluster:local']);

    const rows = visibleRows(source, new Set(['active', 'recent', 'schedules']), open, overview);

    expect(rows.filter(({ level }) => level === 3)).toMatchObject([
      { key: `letter:${LETTER.id}`, parent: 'letters', position: 1, size: 1, isOpen: null },
      { key: 'worker:0:local', parent: 'cluster:local' }
    ]);
  });

  test('the first step is taught where there is no run yet', () => {
    const rows = visibleRows({ runs: [], tasksOf: () => [] }, NONE, NONE, overview);

    expect(rows.find(({ parent }) => parent === 'recent')).toMatchObject({
      content: { kind: 'note', note: 'noRuns' }
    });
  });
});
