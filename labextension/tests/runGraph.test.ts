import { RunGraph } from '../src/drawing/runGraph';
import { englishTexts } from '../src/drawing/translation';
import type { ITaskView } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ERROR, ago, id, task } from './records';

let graph: RunGraph;

function draw(tasks: ITaskView[]): void {
  const options = { texts: englishTexts, clock: new ManualClock(), actions: {}, locale: 'en' };
  graph = new RunGraph(options);
  document.body.replaceChildren(graph.node);
  graph.update(tasks, true);
}

const LOAD = task({ task_run_id: id(1), name: 'load', state: 'COMPLETED', ended_at: ago(2) });

function models(count: number, failed: number | null = null): ITaskView[] {
  return Array.from({ length: count }, (_, n) =>
    task({
      task_run_id: id(100 + n),
      name: 'model',
      upstream: [id(1)],
      state: n === failed ? 'FAILED' : 'COMPLETED',
      error: n === failed ? ERROR : null,
      ended_at: ago(1)
    })
  );
}

function labels(selector: string): (string | null)[] {
  return [...document.querySelectorAll(selector)].map(node => node.getAttribute('aria-label'));
}

test('a mapped task is one box with the counts of its states', () => {
  draw([LOAD, ...models(40)]);

  expect(labels('.orc-node-box')).toEqual([
    'load Completed · 10 s',
    'model ×40 40 completed, after load'
  ]);
  expect(document.querySelectorAll('.orc-edge')).toHaveLength(1);
});

test('its box opens into squares, and a square into the line of its run', () => {
  draw([LOAD, ...models(40)]);

  document.querySelectorAll<HTMLElement>('.orc-node-box')[1].click();
  const squares = document.querySelectorAll<HTMLElement>('.orc-square');
  squares[16].click();

  expect(squares).toHaveLength(40);
  expect(squares[16].getAttribute('aria-label')).toBe('model 17, Completed');
  expect(squares[16].getAttribute('aria-pressed')).toBe('true');
  expect(document.querySelector('.orc-task')?.getAttribute('data-task-id')).toBe(id(116));
});

test('arrows lead through the squares', () => {
  draw([LOAD, ...models(100)]);
  document.querySelectorAll<HTMLElement>('.orc-node-box')[1].click();
  const press = (key: string): void => {
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  };
  document.querySelector<HTMLElement>('.orc-square[tabindex="0"]')?.focus();

  press('ArrowRight');
  press('ArrowDown'); // forty in a row where there is no layout
  expect(document.activeElement?.getAttribute('aria-label')).toBe('model 42, Completed');
  press('End');
  expect(document.activeElement?.getAttribute('aria-label')).toBe('model 100, Completed');
  press('ArrowRight');
  expect(document.activeElement?.getAttribute('aria-label')).toBe('model 100, Completed');
  expect(document.querySelectorAll('.orc-square[tabindex="0"]')).toHaveLength(1);
});

test('a square keeps the focus when another number of squares fits into a row', () => {
  const tasks = [LOAD, ...models(100)];
  draw(tasks);
  document.querySelectorAll<HTMLElement>('.orc-node-box')[1].click();
  document.querySelectorAll<HTMLElement>('.orc-square')[41].click();
  document.querySelectorAll<HTMLElement>('.orc-square')[41].focus();

  Object.defineProperty(document.querySelector('.orc-squares'), 'clientWidth', { value: 240 });
  graph.update(tasks, true);

  expect(document.querySelector('.orc-square-grid')?.getAttribute('aria-colcount')).toBe('10');
  expect(document.activeElement?.getAttribute('aria-label')).toBe('model 42, Completed');
  expect(document.querySelectorAll('.orc-square[tabindex="0"]')).toHaveLength(1);
});

test('ten thousand squares are drawn as far as they are in sight', () => {
  draw([LOAD, ...models(10_000)]);

  document.querySelectorAll<HTMLElement>('.orc-node-box')[1].click();

  expect(document.querySelector('.orc-square-grid')?.getAttribute('aria-rowcount')).toBe('250');
  expect(document.querySelectorAll('.orc-square').length).toBeLessThan(2000);
});

test('it opens at the failure', () => {
  draw([LOAD, ...models(40, 7)]);

  const group = document.querySelectorAll('.orc-node')[1];
  expect(group.getAttribute('data-state')).toBe('FAILED');
  expect(group.querySelector('.orc-node-box')?.getAttribute('aria-pressed')).toBe('true');
  expect(
    document.querySelector('.orc-square[aria-pressed="true"]')?.getAttribute('data-index')
  ).toBe('7');
  expect(document.querySelector('.orc-task')?.textContent).toContain('ValueError');
});

test('newer records change what is drawn, and keep the focus', () => {
  draw([LOAD, ...models(3)]);
  const box = document.querySelectorAll<HTMLElement>('.orc-node-box')[1];
  box.focus();

  graph.update([LOAD, ...models(3, 1)], true);

  expect(document.activeElement).toBe(box);
  expect(box.getAttribute('aria-label')).toContain('1 failed, 2 completed');
});

test('nothing that a run says becomes markup', () => {
  draw([task({ name: '<img src=x onerror=alert(1)>', message: '<b>no</b>' })]);

  expect(document.querySelector('.orc-run-graph img, .orc-run-graph b')).toBeNull();
  expect(document.querySelector('.orc-node-name')?.textContent).toBe(
    '<img src=x onerror=alert(1)>'
  );
});
