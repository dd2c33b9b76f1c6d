import { Overview } from '../src/overview/overview';
import type { IOverviewApi } from '../src/overview/overviewApi';
import { PanelMemory } from '../src/overview/panelMemory';
import { readAlerts, readClusters, readDeploymentPage } from '../src/overview/records';
import { countWords, runningCount, statusWords } from '../src/overview/statusWords';
import { englishTexts } from '../src/drawing/translation';
import { ManualRuns, alerts, scheduled } from './overviewRecords';
import { ago, id, run } from './records';

const FAILED = run({ run_id: id(5), state: 'FAILED', ended_at: ago(5) });

/** Settings that a test keeps. */
function settingsOf(values: Record<string, unknown>) {
  const listeners: [() => void, object][] = [];
  return {
    values,
    load: async () =>
      ({
        get: (name: string) => ({ composite: values[name] }),
        set: async (name: string, value: unknown) => {
          values[name] = value;
          listeners.forEach(([slot, thisArg]) => slot.call(thisArg));
        },
        changed: { connect: (slot: () => void, thisArg: object) => listeners.push([slot, thisArg]) }
      }) as never
  };
}

async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(2000);
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

test('failures count since they were last seen, and seeing them is remembered', async () => {
  const asked: (string | null)[] = [];
  const settings = settingsOf({ closedSections: [], alertsSeenAt: ago(100) });
  const memory = new PanelMemory(settings.load);
  const api = {
    readAlerts: async (since: string | null) => {
      asked.push(since);
      return alerts({ failed: since === ago(100) ? [FAILED] : [] });
    }
  };
  const overview = new Overview(api as unknown as IOverviewApi, memory, new ManualRuns().asModel);
  overview.alerts.watch();
  await settled();
  expect([overview.failedCount, overview.run(id(5))]).toEqual([1, FAILED]);

  await overview.markSeen();
  await settled();

  expect(asked).toEqual([ago(100), FAILED.ended_at]);
  expect(settings.values.alertsSeenAt).toBe(FAILED.ended_at);
  expect([overview.failedCount, overview.run(id(5))]).toEqual([0, undefined]);
});

test.each([
  ['fails', 1, 'FAILED', 2],
  ['goes on', 1, 'RUNNING', 1],
  ['was told as failed and runs again', 5, 'RUNNING', 2]
])('alerts are read again when a run %s', async (_, number, state, reads) => {
  const runs = new ManualRuns();
  const readAlertsOnce = jest.fn(async () => alerts({ failed: [FAILED] }));
  const api = { readAlerts: readAlertsOnce } as unknown as IOverviewApi;
  const overview = new Overview(api, new PanelMemory(async () => null), runs.asModel);
  overview.alerts.watch();
  await settled();

  runs.take(run({ run_id: id(number), state }));
  await settled();

  expect(readAlertsOnce).toHaveBeenCalledTimes(reads);
});

test('only what has a schedule is listed among the schedules', async () => {
  const byHand = scheduled({ name: 'by-hand', words: [] });
  const api = { listDeployments: async () => [byHand, scheduled()] } as unknown as IOverviewApi;
  const overview = new Overview(api, new PanelMemory(async () => null), new ManualRuns().asModel);

  overview.schedules.watch();
  await settled();

  expect(overview.schedules.value?.map(({ name }) => name)).toEqual(['nightly']);
});

test('closed sections are remembered, and opened again', async () => {
  const settings = settingsOf({ closedSections: ['recent', 3], alertsSeenAt: 'nonsense' });
  const memory = new PanelMemory(settings.load);
  await memory.ready;
  expect([[...memory.closedSections], memory.seenAt]).toEqual([['recent'], null]);

  await memory.toggleSection('clusters');
  await memory.toggleSection('recent');

  expect(settings.values.closedSections).toEqual(['clusters']);
  expect([...memory.closedSections]).toEqual(['clusters']);
});

test('without settings it is remembered for the page', async () => {
  const memory = new PanelMemory(async () => null);

  await memory.toggleSection('active');
  await memory.setSeenAt(ago(3));

  expect([[...memory.closedSections], memory.seenAt]).toEqual([['active'], ago(3)]);
});

test('deployments are read from any answer', () => {
  const page = readDeploymentPage({
    deployments: [
      { name: 'a', schedules: ['every hour'], is_paused: true, next_at: 'soon', last_run: {} },
      { schedules: ['x'] },
      7
    ],
    next: 'b'
  });

  expect(page).toEqual({
    items: [{ name: 'a', words: ['every hour'], isPaused: true, nextAt: null, lastRun: null }],
    next: 'b'
  });
});

test.each([
  ['http://127.0.0.1:8787/status', 'http://127.0.0.1:8787/status'],
  ['/proxy/8787/status', '/proxy/8787/status'],
  ['javascript:alert(1)', ''],
  ['//evil.example', ''],
  [7, '']
])('the dashboard at %p is linked as %p', (url, link) => {
  const [found] = readClusters({ clusters: [{ name: 'local', dashboard_url: url }] });

  expect(found.dashboardUrl).toBe(link);
});

test('alerts are read from any answer, and what is wrong with a service says where', () => {
  const answer = {
    failed: [{ run_id: id(1) }, null],
    dead_letters: [{ run_id: id(1), task_run_id: id(2), epoch: 3 }, {}],
    undelivered: [{ number: 1 }, { number: 'x' }],
    troubles: [{ service: 'box', loop: 'schedules', problem: 'full' }, { problem: '' }]
  };

  const found = readAlerts(answer);

  expect(found?.failed).toHaveLength(1);
  expect(found?.deadLetters.map(letter => letter.id)).toEqual([`${id(2)}.3`]);
  expect(found?.undelivered.map(one => one.number)).toEqual([1]);
  expect(found?.troubles).toEqual(['box: schedules: full']);
  expect(readAlerts({ late: [] })).toBeNull();
});

test('the status says what runs and what failed, and nothing when neither is', () => {
  const runs = [run(), run({ state: 'RETRYING' }), run({ state: 'SCHEDULED' }), FAILED];

  expect(runningCount(runs)).toBe(2);
  expect(statusWords(2, 1, englishTexts)).toBe('2 running, 1 failed');
  expect(statusWords(0, 100, englishTexts)).toBe('99+ failed');
  expect(statusWords(0, 0, englishTexts)).toBe('');
  expect(countWords(99)).toBe('99');
});
