import { rowAt, visibleRows } from '../src/components/rows';
import type { Row } from '../src/components/rows';
import type { IRun, ITaskView } from '../src/schemas';
import { ERROR, ago, id, run, task } from './records';

const ACTIVE = run({ run_id: id(30) });
const FAILED = run({ run_id: id(20), state: 'FAILED', message: 'Task clean failed.\nMore.' });
const DONE = run({ run_id: id(10), state: 'COMPLETED' });

function source(runs: IRun[], tasks: ITaskView[] = []) {
  return { runs, tasksOf: (runId: string) => tasks.filter(({ run_id }) => run_id === runId) };
}

function keys(rows: readonly Row[]): string[] {
  return rows.map(row => row.key);
}

const NONE: ReadonlySet<string> = new Set();

test('active runs stand before those that have ended', () => {
  const rows = visibleRows(source([DONE, FAILED, ACTIVE]), NONE, NONE);

  expect(keys(rows)).toEqual(['active', id(30), 'recent', id(10), id(20)]);
  expect(rows.map(row => [row.level, row.position, row.size])).toEqual([
    [1, 1, 2],
    [2, 1, 1],
    [1, 2, 2],
    [2, 1, 2],
    [2, 2, 2]
  ]);
});

test('runs that have ended stand in the order of the time that they show', () => {
  const long = run({ run_id: id(1), state: 'COMPLETED', ended_at: ago(10) });
  const short = run({ run_id: id(2), state: 'COMPLETED', ended_at: ago(60) });
  const never = run({ run_id: id(3), state: 'MISSED', created_at: ago(30), ended_at: null });

  const rows = visibleRows(source([never, short, long]), NONE, NONE);

  expect(keys(rows)).toEqual(['active', 'recent', id(1), id(3), id(2)]);
});

test('a closed section hides its runs and still counts them', () => {
  const rows = visibleRows(source([FAILED, DONE]), new Set(['recent']), NONE);

  expect(keys(rows)).toEqual(['active', 'recent']);
  expect(rows[1]).toMatchObject({ kind: 'section', count: 2, isOpen: false });
});

test('an open run shows its tasks', () => {
  const tasks = [task({ run_id: id(30) }), task({ run_id: id(20), task_run_id: id(2) })];

  const rows = visibleRows(source([ACTIVE, FAILED], tasks), NONE, new Set([id(30)]));

  expect(keys(rows)).toEqual(['active', id(30), id(1), 'recent', id(20)]);
  expect(rows[2]).toMatchObject({ kind: 'task', level: 3, parent: id(30), isOpen: null });
});

test('a run that failed says why in one line', () => {
  const rows = visibleRows(source([FAILED]), NONE, NONE);

  expect(rows[2]).toMatchObject({ error: 'Task clean failed.' });
});

test('a run whose task has failed says so before it has ended itself', () => {
  const failed = task({ run_id: id(30), state: 'FAILED', error: ERROR });

  const rows = visibleRows(source([ACTIVE], [failed]), NONE, NONE);

  expect(rows[1]).toMatchObject({ error: "clean: ValueError: could not convert 'n/a' to float" });
});

test.each([
  ['ArrowDown', 'active', id(30)],
  ['ArrowUp', 'active', null],
  ['ArrowRight', 'active', id(30)],
  ['ArrowRight', id(30), id(1)],
  ['ArrowRight', id(20), null],
  ['ArrowLeft', id(1), id(30)],
  ['ArrowLeft', id(20), 'recent'],
  ['ArrowLeft', id(30), null],
  ['Home', id(20), 'active'],
  ['End', 'active', id(20)],
  ['x', 'active', null]
])('%s leads from %s to %s', (key, from, to) => {
  const rows = visibleRows(
    source([ACTIVE, FAILED], [task({ run_id: id(30) })]),
    NONE,
    new Set([id(30)])
  );

  expect(rowAt(rows, from, key)?.key ?? null).toBe(to);
});
