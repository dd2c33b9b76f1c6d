import { FlowGraph } from '../src/drawing/flowGraph';
import { englishTexts } from '../src/drawing/translation';
import type { IFlowOutput, ITaskView } from '../src/schemas';
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
  return { view: 'flow', run: run(), tasks, edges, live };
}

function draw(flow: IFlowOutput): FlowGraph {
  const graph = new FlowGraph(flow, { texts: englishTexts, clock, actions: {}, locale: 'en' });
  document.body.append(graph.node);
  return graph;
}

function boxes(): HTMLButtonElement[] {
  return [...document.querySelectorAll<HTMLButtonElement>('.orc-node-box')];
}

test('each task is a box with its state in words, time and what it waits for', () => {
  draw(output([LOAD, CLEAN, PLOT]));

  expect(boxes().map(box => box.getAttribute('aria-label'))).toEqual([
    'load, Completed, 00:10',
    'clean, Running, 00:12, after load',
    'plot, Pending, after clean'
  ]);
  expect(document.querySelectorAll('.orc-edge')).toHaveLength(2);
});

test('the head counts the tasks that have ended', () => {
  const graph = draw(output([LOAD, CLEAN, PLOT]));

  const head = graph.node.querySelector('.orc-flow-head');
  expect(head?.textContent).toContain('sales-report');
  expect(head?.textContent).toContain('1 of 3 tasks');
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

test('the table says the same', () => {
  const graph = draw(output([LOAD, CLEAN, PLOT]));
  const table = graph.node.querySelector<HTMLElement>('.orc-table');
  expect(table?.hidden).toBe(true);

  const views = [...graph.node.querySelectorAll<HTMLElement>('.orc-flow-head .orc-button')];
  views.find(view => view.textContent === 'Table')?.click();

  expect(table?.hidden).toBe(false);
  expect(graph.node.querySelector<HTMLElement>('.orc-graph')?.hidden).toBe(true);
  const rows = [...(table?.querySelectorAll('tbody tr') ?? [])];
  expect(rows.map(row => [...row.children].map(cell => cell.textContent))).toEqual([
    ['load', 'Completed', '00:10', '1 of 1', '1', '', ''],
    ['clean', 'Running', '00:12', '1 of 1', '1', 'load', ''],
    ['plot', 'Pending', '', '1 of 1', '1', 'clean', '']
  ]);
});

test('times go on only while something is live', () => {
  const graph = draw(output([LOAD, CLEAN]));
  clock.advance(5);
  expect(boxes()[1].textContent).toContain('00:17');

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

test('the page of the run is offered where there is one to open', () => {
  const opened: string[] = [];
  const actions = { openRun: (runId: string) => opened.push(runId) };
  const graph = new FlowGraph(output([LOAD]), { texts: englishTexts, clock, actions });
  const [open] = graph.node.querySelectorAll<HTMLElement>('.orc-flow-head .orc-button');

  open.click();
  expect([open.textContent, open.hidden, opened]).toEqual(['Open', false, [id(100)]]);

  graph.update({ ...output([LOAD]), run: run({ state: 'NOT_RUN' }) });
  expect(open.hidden).toBe(true);
});
