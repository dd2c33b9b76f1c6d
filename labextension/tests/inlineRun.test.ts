import { englishTexts } from '../src/drawing/translation';
import { InlineRun } from '../src/inline/inlineRun';
import { newestFlow, runIdsOf } from '../src/inline/runParts';
import type { IRunActions, IRunSource } from '../src/inline/runSource';
import type { IFlowOutput, IRun, ITaskView } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ERROR, ago, id, run, task } from './records';

let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
  document.body.replaceChildren();
});

const LOAD = task({ task_run_id: id(1), name: 'load', state: 'COMPLETED', ended_at: ago(2) });
const CLEAN = task({ task_run_id: id(2), name: 'clean', upstream: [id(1)] });
const PLOT = task({
  task_run_id: id(3),
  name: 'plot',
  state: 'PENDING',
  started_at: null,
  created_at: ago(0),
  upstream: [id(2)]
});

function output(tasks: ITaskView[], live = true): IFlowOutput {
  const edges = tasks.flatMap(({ task_run_id: to, upstream }) =>
    upstream.map((from): [string, string] => [from, to])
  );
  return { view: 'flow', run: run(), tasks, edges, omitted: new Map(), live };
}

function draw(
  flow: IFlowOutput,
  actions: IRunActions = {},
  source: IRunSource | null = null
): InlineRun {
  const options = { texts: englishTexts, clock, actions, source, locale: 'en' };
  const graph = new InlineRun(flow, options);
  document.body.append(graph.node);
  return graph;
}

function boxes(): HTMLButtonElement[] {
  return [...document.querySelectorAll<HTMLButtonElement>('.orc-node-box')];
}

test('each task is a box with its state in words, time and what it waits for', () => {
  draw(output([LOAD, CLEAN, PLOT]));

  expect(boxes().map(box => box.getAttribute('aria-label'))).toEqual([
    'load Completed · 10 s',
    'clean Running · 12 s, after load',
    'plot Pending, after clean'
  ]);
  expect(document.querySelectorAll('.orc-edge')).toHaveLength(2);
});

test('the head counts the tasks that have ended', () => {
  const graph = draw(output([LOAD, CLEAN, PLOT]));

  const head = graph.node.querySelector('.orc-flow-head');
  expect(head?.textContent).toContain('sales-report');
  expect(head?.textContent).toContain('1 of 3 tasks');
});

test('the time at the head is that of all parts of a notebook that ran one after the other', () => {
  const load = { ...LOAD, started_at: ago(4000), ended_at: ago(3990) };
  const clean = { ...CLEAN, state: 'COMPLETED', started_at: ago(3995), ended_at: ago(3960) };
  const last = run({
    kind: 'interactive',
    state: 'COMPLETED',
    started_at: ago(2),
    ended_at: ago(1)
  });
  const plot = { ...PLOT, state: 'COMPLETED', started_at: ago(2), ended_at: ago(1) };
  const graph = draw({ ...output([load, clean, plot], false), run: last });

  const time = graph.node.querySelector('.orc-flow-head .orc-time');
  expect(time?.textContent).toBe('41 s');
  expect(time?.getAttribute('title')).toContain('without what was idle in between');
  expect(time?.getAttribute('title')).toContain('1.0 s');
});

test('the time of a run that has its tasks inside is its own', () => {
  const ended = run({ state: 'COMPLETED', started_at: ago(60), ended_at: ago(1) });
  const clean = { ...CLEAN, state: 'COMPLETED', ended_at: ago(2) };
  const graph = draw({ ...output([LOAD, clean], false), run: ended });

  const time = graph.node.querySelector('.orc-flow-head .orc-time');
  expect(time?.textContent).toBe('59 s');
  expect(time?.getAttribute('title')).toContain('Started');
});

test('an update changes the states and keeps boxes, focus and choice', () => {
  const graph = draw(output([LOAD, CLEAN, PLOT]));
  const before = boxes();
  before[1].click();
  before[1].focus();

  graph.update(output([LOAD, { ...CLEAN, state: 'COMPLETED', ended_at: ago(1) }, PLOT]));

  expect(boxes()).toEqual(before);
  expect(document.activeElement).toBe(before[1]);
  expect(graph.node.querySelector('[data-state=COMPLETED].orc-node:nth-child(2)')).not.toBeNull();
  expect(graph.node.querySelector<HTMLElement>('.orc-chosen .orc-task')?.dataset.state).toBe(
    'COMPLETED'
  );
});

test('a new task keeps the focus on the old one', () => {
  const graph = draw(output([LOAD, CLEAN]));
  boxes()[1].focus();

  graph.update(output([LOAD, CLEAN, PLOT]));

  expect(boxes()).toHaveLength(3);
  expect(document.activeElement).toBe(boxes()[1]);
});

test('the first failure is opened, unless the reader has chosen', () => {
  const failed = { ...CLEAN, state: 'FAILED', error: ERROR };
  const graph = draw(output([LOAD, failed]));
  const line = (): string | undefined =>
    graph.node.querySelector<HTMLElement>('.orc-chosen .orc-task')?.dataset.orchestraTask;
  expect(line()).toBe('clean');

  boxes()[1].click();
  expect(line()).toBeUndefined();
  graph.update(output([LOAD, failed]));
  expect(line()).toBeUndefined();

  boxes()[0].click();
  graph.update(output([LOAD, failed]));
  expect(line()).toBe('load');
});

test('arrows lead along the graph, and Tab comes to one box only', () => {
  draw(output([LOAD, CLEAN, PLOT]));
  const press = (key: string): boolean =>
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })) ??
    false;
  boxes()[0].focus();

  press('ArrowRight');
  expect(document.activeElement).toBe(boxes()[1]);
  press('ArrowRight');
  press('ArrowRight');
  expect(document.activeElement).toBe(boxes()[2]);
  press('ArrowLeft');
  press('ArrowDown');
  expect(document.activeElement).toBe(boxes()[1]);
  expect(boxes().map(box => box.tabIndex)).toEqual([-1, 0, -1]);
});

test('times go on only while something is live', () => {
  const graph = draw(output([LOAD, CLEAN]));
  clock.advance(5);
  expect(boxes()[1].textContent).toContain('17 s');

  const done = { ...CLEAN, state: 'COMPLETED', ended_at: ago(0) };
  const ended = run({ state: 'COMPLETED', ended_at: ago(0) });
  graph.update({ ...output([LOAD, done], false), run: ended });

  expect(clock.followers.size).toBe(0);
});

test('a flow without tasks teaches the first step', () => {
  const graph = draw({ ...output([]), run: null });

  expect(graph.node.querySelector('.orc-empty')?.textContent).toBe(
    'No tasks yet. Put %%task NAME on the first line of a cell and run it.'
  );
  graph.update({ ...output([]), run: run({ kind: 'flow' }) });
  expect(graph.node.querySelector<HTMLElement>('.orc-empty')?.hidden).toBe(true);
});

test('names are text, never markup', () => {
  const evil = '<img src=x onerror=alert(1)>';

  const graph = draw({
    ...output([{ ...CLEAN, name: evil, upstream: [] }]),
    run: run({ flow_name: evil, message: evil })
  });

  expect(graph.node.querySelector('img')).toBeNull();
  expect(graph.node.querySelector('.orc-node-name')?.textContent).toBe(evil);
});

test('a flow that was not run counts its tasks and says that none ran', () => {
  const plan = [LOAD, CLEAN].map(task => ({ ...task, state: 'NOT_RUN', started_at: null }));
  const graph = draw({
    ...output(plan, false),
    run: run({ run_id: '', name: '', state: 'NOT_RUN', started_at: null })
  });

  const head = graph.node.querySelector('.orc-flow-head');
  expect(head?.textContent).toContain('2 tasks');
  expect(head?.textContent).not.toContain('run calm-fox');
  expect(boxes()[1].getAttribute('aria-label')).toBe('clean, Not run, after load');
  expect(boxes()[1].querySelector<HTMLElement>('.orc-node-words')?.hidden).toBe(true);
});

/** Answers at once, and notes what was asked. */
class Source implements IRunSource {
  logs(runIds: () => readonly string[]): ReturnType<IRunSource['logs']> {
    this.asked.push(`logs ${runIds().length}`);
    const line = {
      sequence: 1,
      at: null,
      message: '<b>read</b>',
      level: 20,
      logger: 'orchestra',
      task_run_id: id(1)
    };
    let lines = [line];
    return {
      read: async () => {
        const answer = { lines, isMore: false };
        lines = [];
        return answer;
      },
      tasks: () => [LOAD],
      follow: () => () => undefined
    };
  }

  async readValues(runId: string): ReturnType<IRunSource['readValues']> {
    this.asked.push(`values ${runId}`);
    return [{ name: 'rows', type: 'int', value: 1200, summary: '' }];
  }

  async readAttempts(runId: string): ReturnType<IRunSource['readAttempts']> {
    this.asked.push(`attempts ${runId}`);
    return [];
  }

  async readExpectedSeconds({ flow_name: flow }: Pick<IRun, 'flow_name'>): Promise<number | null> {
    this.asked.push(`expected ${flow}`);
    return 90;
  }

  readonly asked: string[] = [];
}

const tick = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

function button(label: string): HTMLButtonElement {
  const all = [...document.querySelectorAll<HTMLButtonElement>('button')];
  const found = all.find(one => one.textContent === label);
  if (found === undefined) {
    throw new Error(`There is no button ${label}.`);
  }
  return found;
}

test('what a tab shows is asked when it is opened', async () => {
  const source = new Source();
  draw(output([LOAD, CLEAN]), {}, source);
  await tick();
  expect(source.asked).toEqual(['expected sales-report']);
  expect(document.querySelector('.orc-flow-head .orc-time')?.textContent).toBe(
    '12 s of ~1 min 30 s'
  );

  button('Logs').click();
  button('Results').click();
  await tick();

  expect(source.asked.slice(1)).toEqual(['logs 1', `values ${id(100)}`]);
  expect(document.querySelector('.orc-log-text')?.textContent).toBe('<b>read</b>');
  expect(document.querySelector('.orc-log-task')?.textContent).toBe('load');
  expect(document.querySelector('[data-value=rows]')?.textContent).toContain('1200');
});

test('where nobody can be asked there are no tabs that would ask', () => {
  draw(output([LOAD, CLEAN]));

  const shown = [...document.querySelectorAll<HTMLElement>('.orc-tab')].filter(tab => !tab.hidden);
  expect(shown.map(tab => tab.textContent)).toEqual(['Graph', 'Timeline', 'Tasks']);
});

test('nothing but the head is shown in the first second', () => {
  const young = { ...CLEAN, created_at: ago(0), started_at: ago(0), upstream: [] };
  draw({ ...output([young]), run: run({ created_at: ago(0), started_at: ago(0) }) });
  const tabs = document.querySelector<HTMLElement>('.orc-tabbed');
  expect(tabs?.hidden).toBe(true);

  clock.advance(1);

  expect(tabs?.hidden).toBe(false);
});

test('of a run that ended well there is the graph, and the tabs when asked for', () => {
  const ended = run({ state: 'COMPLETED', ended_at: ago(0) });
  draw({ ...output([LOAD], false), run: ended });
  const tabs = document.querySelector<HTMLElement>('.orc-tabbed');
  expect([tabs?.dataset.folded, boxes().length]).toEqual(['true', 1]);

  button('Details').click();

  expect(tabs?.dataset.folded).toBe('false');
  expect(button('Details').getAttribute('aria-expanded')).toBe('true');
});

test('the page of the run is offered where there is one to open', () => {
  const openRun = jest.fn();
  const view = draw(output([LOAD]), { openRun });

  button('Open').click();
  expect(openRun.mock.calls).toEqual([[id(100)]]);

  view.update({ ...output([LOAD]), run: run({ state: 'NOT_RUN' }) });
  expect(button('Open').hidden).toBe(true);
});

test('a run that goes on can be cancelled', () => {
  const cancelRun = jest.fn();
  const view = draw(output([LOAD, CLEAN]), { cancelRun });

  button('Cancel').click();
  expect(cancelRun.mock.calls).toEqual([[id(100)]]);

  view.update({ ...output([LOAD], false), run: run({ state: 'COMPLETED' }) });
  expect(button('Cancel').hidden).toBe(true);
});

test('a failed run of a deployment is retried as a whole, and of a notebook the cells', () => {
  const [retryRun, rerunCells] = [jest.fn(), jest.fn()];
  const failed = { ...CLEAN, state: 'FAILED', cell_id: 'c2' };
  const skipped = { ...PLOT, state: 'UPSTREAM_FAILED', cell_id: 'c3' };
  const ended = output([LOAD, failed, skipped], false);
  const bad = run({ state: 'FAILED', ended_at: ago(0) });
  const view = draw({ ...ended, run: { ...bad, deployment: 'nightly' } }, { retryRun, rerunCells });

  button('Retry failed').click();
  view.update({ ...ended, run: { ...bad, kind: 'interactive' } });
  button('Retry failed').click();

  expect(retryRun.mock.calls).toEqual([[id(100)]]);
  expect(rerunCells.mock.calls.map(([cells]) => cells)).toEqual([['c2', 'c3']]);
  view.update({ ...ended, run: bad }); // of the shell: where its code is, nobody here knows
  expect(button('Retry failed').hidden).toBe(true);
});

test('the cell that called a flow which failed is run again, where a notebook can', () => {
  const rerunOwnCell = jest.fn();
  const ended = output([CLEAN], false);
  const called = run({ kind: 'flow', state: 'FAILED', ended_at: ago(0) });
  const view = draw({ ...ended, run: called }, { rerunOwnCell });

  expect(button('Retry failed').hidden).toBe(true);
  button('Run cell again').click();

  expect(view.node.contains(rerunOwnCell.mock.calls[0][0])).toBe(true);
  for (const other of [
    { ...called, state: 'COMPLETED' },
    { ...called, kind: 'interactive' },
    { ...called, deployment: 'nightly' }
  ]) {
    view.update({ ...ended, run: other });
    expect(button('Run cell again').hidden).toBe(true);
  }
  view.update({ ...ended, run: { ...called, state: 'RUNNING' }, live: true });
  expect(button('Run cell again').hidden).toBe(true);
});

test('where there is no notebook no cell is offered to be run again', () => {
  draw({ ...output([CLEAN], false), run: run({ kind: 'flow', state: 'FAILED' }) }, {});

  expect(button('Run cell again').hidden).toBe(true);
});

test('a saved run is shown as the server knows it, with the tasks of its retry', () => {
  const saved = {
    ...output([{ ...CLEAN, state: 'FAILED' }], false),
    run: run({ state: 'FAILED' })
  };
  const again = { ...CLEAN, epoch: 2, state: 'RUNNING' };
  const known = { ...run({ epoch: 2 }), tasks: null };
  const runs = {
    ...{ runs: [known], run: () => known, task: () => again },
    tasksOf: () => [CLEAN, again]
  };

  const newest = newestFlow(saved, runs, true);

  expect([newest.run, newest.tasks, newest.live]).toEqual([known, [again], true]);
  const ended = { ...runs, run: () => ({ ...known, state: 'COMPLETED' }), tasksOf: () => [] };
  const done = { ...ended, task: () => ({ ...again, state: 'COMPLETED' }) };
  expect(newestFlow({ ...saved, live: true }, done, true).live).toBe(false);
});

test('cells that failed are shown as they ran again since, in a run of their own', () => {
  const ofCells = { kind: 'interactive', notebook_path: '/srv/report.ipynb' };
  const first = run({ ...ofCells, state: 'FAILED', ended_at: ago(9) });
  const saved = {
    ...output(
      [
        { ...LOAD, cell_id: 'c1' },
        { ...CLEAN, state: 'FAILED', cell_id: 'c2' },
        { ...PLOT, state: 'UPSTREAM_FAILED', cell_id: 'c3' }
      ],
      false
    ),
    run: first
  };
  const retry = run({ ...ofCells, run_id: id(102), name: 'brisk-otter' });
  const others = [
    run({ ...ofCells, run_id: id(103), notebook_path: '/srv/other.ipynb' }),
    run({ ...ofCells, run_id: id(99), state: 'FAILED' })
  ];
  const clean = { ...CLEAN, task_run_id: id(12), run_id: id(102), cell_id: 'c2' };
  const all = [...others, retry, first];
  const runs = {
    runs: all,
    run: (runId: string) => all.find(({ run_id }) => run_id === runId),
    task: () => undefined,
    tasksOf: (runId: string) => (runId === id(100) ? saved.tasks : runId === id(102) ? [clean] : [])
  };

  const newest = newestFlow(saved, runs, false);

  expect([newest.run, newest.live]).toEqual([retry, true]);
  expect(newest.tasks.map(({ task_run_id }) => task_run_id)).toEqual([id(1), id(12), id(3)]);
  expect(newest.tasks[2].upstream).toEqual([id(12)]);
  const well = { ...saved, run: { ...first, state: 'COMPLETED' }, tasks: [saved.tasks[0]] };
  expect(newestFlow(well, { ...runs, run: () => undefined }, false).run).toBe(well.run);
});

test('tasks that were left out of a notebook are counted in the head and in their box', () => {
  const failed = { ...CLEAN, state: 'FAILED', upstream: [], group: id(1) };
  const view = draw({
    ...output([{ ...LOAD, name: 'clean-0', group: id(1) }, failed], false),
    run: run({ state: 'FAILED', ended_at: ago(0) }),
    omitted: new Map([
      [
        id(1),
        new Map([
          ['COMPLETED', 7],
          ['FAILED', 1]
        ])
      ],
      ['', new Map([['COMPLETED', 90]])]
    ])
  });

  expect(view.node.querySelector('.orc-flow-head')?.textContent).toContain(
    '100 of 100 tasks, 2 failed'
  );
  expect(boxes().map(box => box.getAttribute('aria-label'))).toEqual([
    'clean ×10 2 failed, 8 completed'
  ]);
  expect(view.node.querySelector('.orc-flow-left')?.textContent).toBe(
    '2 of 100 tasks are written out here, those that failed before others. All are counted.'
  );
});

test('of a run that the server was not asked about all tasks are shown that the kernel named', () => {
  const saved = {
    ...output([LOAD, CLEAN]),
    omitted: new Map([[id(1), new Map([['PENDING', 5]])]])
  };
  const known = run();
  const streamed = { ...CLEAN, state: 'COMPLETED', ended_at: ago(0), upstream: [] };
  const runs = {
    ...{ runs: [known], run: () => known },
    task: (taskRunId: string) => (taskRunId === id(2) ? streamed : undefined),
    tasksOf: () => [streamed]
  };

  const part = newestFlow(saved, runs, true);
  const all = newestFlow(
    { ...saved, omitted: new Map() },
    { ...runs, tasksOf: () => [LOAD, streamed] },
    true
  );

  expect(part.tasks).toEqual([LOAD, { ...streamed, upstream: [id(1)] }]);
  expect(part.omitted).toBe(saved.omitted);
  expect(all.tasks).toEqual([LOAD, streamed]);
});

test('the runs of an output are those of its tasks, that of the head last', () => {
  const flow = output([{ ...LOAD, run_id: id(99) }, CLEAN]);

  expect(runIdsOf(flow)).toEqual([id(99), id(100)]);
});

test.each([
  [
    'of a task',
    `Task plot: clean failed: ValueError: ${ERROR.message}`,
    `clean: ValueError: ${ERROR.message} (cell 4, line 3)`
  ],
  ['of the flow itself', 'KeyError: 7', 'KeyError: 7'],
  [
    'of the flow itself that has the words of one it caught',
    `RuntimeError: nothing to sell: ${ERROR.message}`,
    `RuntimeError: nothing to sell: ${ERROR.message}`
  ]
])('a failure %s is said once below the head', (_, message, shown) => {
  const bad = task({ task_run_id: id(2), name: 'clean', state: 'FAILED', error: ERROR });
  const left = task({ task_run_id: id(3), name: 'plot', state: 'UPSTREAM_FAILED', message });
  const flow = output([left, bad], false);

  const { node } = draw({ ...flow, run: run({ state: 'FAILED', message }) });

  expect(node.querySelector('.orc-flow-message')?.textContent).toBe(shown);
});
