import { RanHere } from '../src/cells/ranHere';
import { NOW, ago, cellRecord, id } from './records';

test('what is recorded of a cell is older once it was executed here, until something newer is', () => {
  const known = cellRecord({ task_run_id: null });
  const executed = new RanHere();
  expect(executed.isOlder(known)).toBe(false);

  executed.note('c0', known, NOW);

  expect(executed.isOlder(known)).toBe(true);
  expect(executed.isOlder({ ...known, stale: 'changed' })).toBe(true);
  expect(executed.isOlder({ ...known, cell_id: 'c1' })).toBe(false);
  expect(executed.isOlder({ ...known, run_id: id(101) })).toBe(false);
});

test('a task that runs as the cell begins is news again when it ends', () => {
  const running = cellRecord({ state: 'RUNNING', ended_at: null });
  const executed = new RanHere();

  executed.note('c0', running, NOW);

  expect(executed.isOlder(running)).toBe(true);
  expect(executed.isOlder({ ...running, state: 'CANCELLED' })).toBe(false);
});

test('of a cell of which nothing was known yet the time tells', () => {
  const executed = new RanHere();

  executed.note('c0', undefined, NOW);

  expect(executed.isOlder(cellRecord({ created_at: ago(60) }))).toBe(true);
  expect(executed.isOlder(cellRecord({ created_at: ago(-1) }))).toBe(false);
});
