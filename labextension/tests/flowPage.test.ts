import { Signal } from '@lumino/signaling';

import { englishTexts } from '../src/drawing/translation';
import { changeWords } from '../src/pages/flows/deploymentsView';
import { FlowPage } from '../src/pages/flows/flowPage';
import { readFlowDetails } from '../src/pages/flows/flowSchemas';
import type { IFlowDetails } from '../src/pages/flows/flowSchemas';
import { dueWords, wholePercent } from '../src/pages/flows/flowWords';
import { chartTop } from '../src/pages/flows/historyChart';
import { cellWords, medianSeconds } from '../src/pages/flows/matrixTable';
import type { IPageContext } from '../src/pages/page';
import { ManualClock } from './clockDouble';
import { NOW, ago, id, run } from './records';

const RUNS = [3, 2, 1].map(number => ({
  run_id: id(number),
  name: `fox-${number}`,
  state: number === 2 ? 'FAILED' : 'COMPLETED',
  message: '',
  created_at: ago(100 * number),
  started_at: ago(100 * number),
  ended_at: ago(100 * number - 10 * number)
}));

const ANSWER = {
  flow: {
    name: 'sales',
    counted: 3,
    success_rate: 2 / 3,
    duration: { p50: 10, p95: 30 },
    outcomes: RUNS,
    deployments: [],
    next_at: null
  },
  runs: RUNS,
  tasks: [
    {
      name: '<b>load</b>',
      cell_number: null,
      cells: [
        { state: 'COMPLETED', is_cached: true, count: 1, failed: 0, seconds: 0 },
        { state: 'FAILED', is_cached: false, count: 40, failed: 2, seconds: 3 },
        null
      ]
    }
  ],
  is_cut: false
};

function open(
  answer: unknown,
  notebook: string | null = null
): { asked: string[]; went: (readonly string[])[]; led: (readonly string[])[] } {
  const asked: string[] = [];
  const went: (readonly string[])[] = [];
  const led: (readonly string[])[] = [];
  const details = async (runId: string) => {
    asked.push(runId);
    return { run: run({ run_id: runId, name: runId.slice(-1) }), tasks: [], cells: [] };
  };
  const context = {
    api: { readRun: details },
    pagesApi: {
      readFlow: async (_: string, path: string | null): Promise<IFlowDetails | null> => {
        expect(path).toBe(notebook);
        return readFlowDetails(answer);
      },
      readValues: async () => []
    },
    runs: { changed: new Signal({}), watch: () => ({ dispose: () => undefined }) },
    texts: englishTexts,
    clock: new ManualClock(),
    locale: 'en',
    href: (path: readonly string[]) => `/orchestra/${path.join('/')}`,
    go: (path: readonly string[]) => went.push(path),
    goInstead: (of: readonly string[], path: readonly string[]) => led.push(of, path)
  };
  const page = new FlowPage(context as unknown as IPageContext, 'sales', notebook);
  document.body.replaceChildren(page.node);
  return { asked, went, led };
}

/** Let all answers arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

function tab(key: string): HTMLElement {
  return document.querySelector(`[data-tab=${key}]`) as HTMLElement;
}

beforeEach(() => window.history.replaceState(null, '', '/orchestra/flows/sales'));

test('the last runs are bars, the newest last, each told in words, and lead to the run', async () => {
  const { went } = open(ANSWER);
  await settle();

  const bars = [...document.querySelectorAll<HTMLElement>('.orc-history-run')];
  expect(bars.map(bar => bar.dataset.run)).toEqual([id(1), id(2), id(3)]);
  expect(bars[1].getAttribute('aria-label')).toContain('fox-2: Failed, 20 s, ');
  expect(document.querySelector('.orc-flow-facts')?.textContent).toContain('67 % of 3');
  bars[2].focus();
  bars[2].dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
  expect(document.activeElement).toBe(bars[1]);
  bars[1].click();
  expect(went).toEqual([['runs', id(2)]]);
});

const [NORTH, SOUTH] = ['/srv/north/sales.ipynb', '/srv/south/sales.ipynb'];

function choice(): (string | null)[] {
  const links = document.querySelectorAll('nav.orc-choice:not([hidden]) a');
  return [...links].map(link =>
    link.getAttribute('aria-current') === 'true' ? `[${link.textContent}]` : link.textContent
  );
}

test('notebooks of one name are told apart, and each leads to what is of it alone', async () => {
  const runs = RUNS.map((one, at) => ({ ...one, notebook_path: at === 0 ? SOUTH : NORTH }));
  const flow = { ...ANSWER.flow, notebooks: [SOUTH, NORTH] };
  const { went } = open({ ...ANSWER, flow, runs });
  await settle();

  expect(choice()).toEqual(['[All]', 'south/sales.ipynb', 'north/sales.ipynb']);
  const names = [...document.querySelectorAll('.orc-history-table tbody th')];
  expect(names.map(name => name.textContent)).toEqual([
    'fox-3 south/sales.ipynb',
    'fox-2 north/sales.ipynb',
    'fox-1 north/sales.ipynb'
  ]);
  document.querySelectorAll<HTMLElement>('nav.orc-choice a')[2].click();
  expect(went).toEqual([['flows', 'sales', NORTH]]);
});

test('the page of one notebook says which it is, and leads to all of its name', async () => {
  const flow = { ...ANSWER.flow, notebooks: [SOUTH, NORTH] };
  open({ ...ANSWER, flow, notebook: NORTH }, NORTH);
  await settle();
  expect(choice()).toEqual(['All', 'south/sales.ipynb', '[north/sales.ipynb]']);

  expect(document.querySelector('h1')?.textContent).toBe('north/sales.ipynb flow');

  open({ ...ANSWER, flow: { ...flow, notebooks: [] }, runs: [], notebook: NORTH }, NORTH);
  await settle();
  expect(choice()).toEqual(['[sales.ipynb]']);
  expect(document.querySelector('h1')?.textContent).toBe('sales.ipynb flow');
  expect(document.body.textContent).toContain('This notebook has not run as a flow yet.');
});

test.each([
  [
    'below the root folder',
    'north/sales.ipynb',
    [
      ['flows', 'sales', 'north/sales.ipynb'],
      ['flows', 'sales', NORTH]
    ]
  ],
  ['of the runs', NORTH, []],
  ['of the runs on Windows', 'C:\\north\\sales.ipynb', []],
  ['that is none', null, []]
])('the page of the path %s of a notebook has one address', async (_, path, expected) => {
  const flow = { ...ANSWER.flow, notebooks: [NORTH] };
  const { led } = open({ ...ANSWER, flow, notebook: path === null ? null : NORTH }, path);
  await settle();

  expect(led).toEqual(expected);
});

test('a flow of one notebook has no choice', async () => {
  const runs = RUNS.map(one => ({ ...one, notebook_path: NORTH }));
  open({ ...ANSWER, flow: { ...ANSWER.flow, notebooks: [NORTH] }, runs });
  await settle();

  expect(choice()).toEqual([]);
  expect(document.querySelector('.orc-history-table tbody th')?.textContent?.trim()).toBe('fox-3');
});

test('the matrix has a square for each run in the order of the bars, and hostile names stay text', async () => {
  open(ANSWER);
  await settle();
  tab('tasks').click();

  const row = document.querySelector('.orc-matrix tbody tr') as HTMLElement;
  expect([...row.children].map(cell => cell.textContent)).toEqual([
    '<b>load</b>',
    '',
    'not in this run',
    'Failed, 2 of 40 failed, 3.0 s',
    'Cached, 0.0 s'
  ]);
});

test('two runs are chosen and compared, the older first, and a third lets the first go', async () => {
  const { asked } = open(ANSWER);
  await settle();
  const boxes = [...document.querySelectorAll<HTMLInputElement>('input[type=checkbox]')];
  const compare = document.querySelector<HTMLButtonElement>('.orc-tasks-bar > .orc-push');

  expect(compare?.disabled).toBe(true);
  boxes.slice(0, 3).forEach(box => box.click());
  expect(boxes.slice(0, 3).map(box => box.checked)).toEqual([false, true, true]);
  compare?.click();
  await settle();

  expect(asked).toEqual([id(1), id(2)]);
  expect(window.location.search).toBe(`?compare=${id(1)},${id(2)}`);
  expect(document.querySelector('.orc-comparison [data-name=State]')?.textContent).toContain(
    'Running'
  );
});

test('an address with two runs opens their comparison', async () => {
  window.history.replaceState(null, '', `/orchestra/flows/sales?compare=${id(1)},${id(3)}`);
  const { asked } = open(ANSWER);
  await settle();

  expect(asked).toEqual([id(1), id(3)]);
  expect(tab('comparison').getAttribute('aria-selected')).toBe('true');
});

test.each([
  [{ state: 'COMPLETED', count: 1, failed: 0, seconds: 75 }, 'Completed, 1 min 15 s'],
  [{ state: 'FAILED', count: 40, failed: 2, seconds: null }, 'Failed, 2 of 40 failed'],
  [{ state: 'RUNNING', count: 3, failed: 0, seconds: null }, 'Running, 3 runs']
])('a square says %j as %j', (cell, words) => {
  expect(cellWords(cell, englishTexts)).toBe(words);
});

test('only what was computed and ended well makes up the median', () => {
  const cell = (state: string, seconds: number | null) => ({ state, count: 1, failed: 0, seconds });
  const cells = [cell('COMPLETED', 5), null, cell('FAILED', 1), cell('CACHED', 0)];

  expect(medianSeconds([...cells, cell('COMPLETED', 7), cell('COMPLETED', 6)])).toBe(6);
  expect(medianSeconds([null, cell('RUNNING', null)])).toBe(null);
});

test('rates are all or nothing only where they are', () => {
  expect([0, 0.001, 0.5, 0.999, 1].map(wholePercent)).toEqual([0, 1, 50, 99, 100]);
});

test('a chart of runs that took no time has a height still', () => {
  expect([chartTop([]), chartTop([null, 0]), chartTop([2, null, 5])]).toEqual([0.1, 0.1, 5]);
});

test.each([
  [-5, 'now'],
  [30, 'in 30 sec.'],
  [600, 'in 10 min.'],
  [7200, 'in 2 hr.'],
  [259200, 'in 3 days']
])('what is due in %d seconds is due %j', (seconds, words) => {
  expect(dueWords(ago(-seconds), NOW, englishTexts, 'en')).toBe(words);
});

test('a change of a version says both values', () => {
  expect(changeWords({ field: 'tags', before: null, after: ['a'] })).toBe('tags: – → ["a"]');
});
