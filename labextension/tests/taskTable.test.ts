import { TaskTable } from '../src/drawing/taskTable';
import { englishTexts } from '../src/drawing/translation';
import type { ITaskView } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ERROR, ago, id, task } from './records';

function draw(tasks: ITaskView[]): TaskTable {
  const options = { texts: englishTexts, clock: new ManualClock(), actions: {}, locale: 'en' };
  const table = new TaskTable(options);
  document.body.replaceChildren(table.node);
  table.update(tasks, true);
  return table;
}

function column(index: number): (string | null)[] {
  const rows = [...document.querySelectorAll<HTMLElement>('.orc-tasks-body > .orc-tasks-row')];
  rows.sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top));
  return rows.map(row => row.children[index].textContent);
}

function sortBy(title: string): void {
  const heads = [...document.querySelectorAll<HTMLElement>('[role=columnheader] > button')];
  heads.find(head => head.textContent === title)?.click();
}

const TASKS = [
  task({
    task_run_id: id(1),
    name: 'load',
    state: 'COMPLETED',
    started_at: ago(30),
    ended_at: ago(2)
  }),
  task({
    task_run_id: id(2),
    name: 'Clean',
    state: 'FAILED',
    started_at: ago(9),
    ended_at: ago(8),
    error: ERROR
  }),
  task({ task_run_id: id(3), name: 'plot', state: 'PENDING', started_at: null, attempt: 0 })
];

test('a row tells all of a task', () => {
  draw(TASKS);

  const [first, second] = document.querySelectorAll('.orc-tasks-body > .orc-tasks-row');
  expect(first.getAttribute('aria-rowindex')).toBe('2');
  expect(second.textContent).toContain("ValueError: could not convert 'n/a' to float");
  expect(column(1)).toEqual(['load', 'Clean', 'plot']);
});

test('a column sorts both ways, and what lacks it comes last in both', () => {
  draw(TASKS);

  sortBy('Time');
  expect(column(1)).toEqual(['Clean', 'load', 'plot']);
  sortBy('Time');
  expect(column(1)).toEqual(['load', 'Clean', 'plot']);
  expect(document.querySelector('[role=columnheader][aria-sort=descending]')?.textContent).toBe(
    'Time'
  );
  sortBy('Task');
  expect(column(1)).toEqual(['Clean', 'load', 'plot']);
});

test('tasks are found by their name and by what they say', () => {
  draw(TASKS);
  const find = document.querySelector<HTMLInputElement>('input[type=search]') as HTMLInputElement;

  find.value = 'CLEA';
  find.dispatchEvent(new Event('input'));

  expect(column(1)).toEqual(['Clean']);
  expect(document.querySelector('[role=status]')?.textContent).toBe('1 of 3 tasks');
});

test('a name opens the line of its task, and closes it again', () => {
  draw(TASKS);
  const name = (): HTMLElement =>
    document.querySelectorAll<HTMLElement>('[role=rowheader] > button')[1];

  name().click();
  expect(document.querySelector('.orc-task')?.getAttribute('data-task-id')).toBe(id(2));
  name().click();
  expect(document.querySelector('.orc-task')).toBeNull();
});

test('ten thousand tasks are counted, and few of them are in the page', () => {
  const table = draw(
    Array.from({ length: 10_000 }, (_, n) => task({ task_run_id: id(n), name: `item ${n}` }))
  );

  expect(table.node.querySelector('[role=table]')?.getAttribute('aria-rowcount')).toBe('10001');
  expect(table.node.querySelectorAll('[role=rowheader]').length).toBeLessThan(60);
});
