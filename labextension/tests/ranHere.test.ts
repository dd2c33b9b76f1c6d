import { ExecutionMemory } from '../src/cells/executionMemory';
import { RanHere } from '../src/cells/ranHere';
import { NOW, ago, cellRecord, id } from './records';

beforeEach(() => localStorage.clear());

/** Give what a page knows of a notebook, as when it was just opened. */
function opened(
  path = 'a.ipynb',
  server = 'http://x/',
  storage: Storage | null = localStorage
): RanHere {
  return new RanHere(new ExecutionMemory(storage, server), path);
}

test('after a reload it is known which cells were executed, and of other notebooks nothing', () => {
  const known = cellRecord({ task_run_id: null });
  opened().note('c0', known, NOW);

  expect(opened().isOlder(known)).toBe(true);
  expect(opened().isOlder({ ...known, run_id: id(101) })).toBe(false);
  expect(opened().isOlder({ ...known, cell_id: 'c1' })).toBe(false);
  expect(opened('b.ipynb').isOlder(known)).toBe(false);
  expect(opened('a.ipynb', 'http://x/user/ana/').isOlder(known)).toBe(false);
});

test('a notebook that is moved takes it along', () => {
  const known = cellRecord();
  const moved = opened();
  moved.note('c0', known, NOW);

  moved.setPath('b.ipynb', NOW);

  expect(opened('b.ipynb').isOlder(known)).toBe(true);
});

test('two tabs of a notebook lose nothing of one another', () => {
  const [one, other] = [opened(), opened()];

  one.note('c1', cellRecord({ cell_id: 'c1' }), NOW);
  other.note('c2', cellRecord({ cell_id: 'c2' }), NOW);

  for (const cell of ['c1', 'c2']) {
    expect(opened().isOlder(cellRecord({ cell_id: cell }))).toBe(true);
  }
});

test('where there is no room for more what is oldest makes way, once', () => {
  const known = cellRecord();
  Array.from({ length: 20 }, (_, at) => opened(`${at}.ipynb`).note('c0', known, NOW + at));
  const setItem = jest.spyOn(Storage.prototype, 'setItem').mockImplementationOnce(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });

  opened('20.ipynb').note('c0', known, NOW + 20);

  setItem.mockRestore();
  expect(opened('20.ipynb').isOlder(known)).toBe(true);
  expect(opened('9.ipynb').isOlder(known)).toBe(false);
  expect(opened('10.ipynb').isOlder(known)).toBe(true);
});

test('a record that was read only after its cell was executed is remembered, too', () => {
  const late = opened();
  late.note('c0', undefined, NOW);

  expect(late.isOlder(cellRecord({ created_at: ago(60) }))).toBe(true);
  expect(opened().isOlder(cellRecord({ created_at: ago(60) }))).toBe(true);
});

test('of very many notebooks and cells the last are remembered', () => {
  const of = (cell: number) => cellRecord({ cell_id: `c${cell}` });
  const many = opened('0.ipynb');
  Array.from({ length: 1_001 }, (_, cell) => many.note(`c${cell}`, of(cell), NOW));
  Array.from({ length: 50 }, (_, at) => opened(`${at}.ipynb`).note('x', of(0), NOW + at));

  expect(opened('0.ipynb').isOlder(of(0))).toBe(false);
  expect(opened('0.ipynb').isOlder(of(1_000))).toBe(true);
  opened('50.ipynb').note('c0', of(0), NOW + 50);
  expect(opened('0.ipynb').isOlder(of(1_000))).toBe(false);
  expect(localStorage).toHaveLength(50);
});

test.each([
  ['no storage', null],
  ['a storage that is full', { ...fullStorage(), getItem: () => null }],
  ['a storage that somebody else wrote into', { ...fullStorage(), getItem: () => '{"cells": 3' }]
])('with %s it is known as long as the page lives', (_, storage) => {
  const executed = opened('a.ipynb', 'x', storage);

  executed.note('c0', cellRecord(), NOW);

  expect(executed.isOlder(cellRecord())).toBe(true);
});

function fullStorage(): Storage {
  const refuse = (): never => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  return {
    length: 0,
    clear: refuse,
    getItem: refuse,
    key: refuse,
    removeItem: refuse,
    setItem: refuse
  };
}

test('what is recorded of a cell is older once it was executed here, until something newer is', () => {
  const known = cellRecord({ task_run_id: null });
  const executed = opened();
  expect(executed.isOlder(known)).toBe(false);

  executed.note('c0', known, NOW);

  expect(executed.isOlder(known)).toBe(true);
  expect(executed.isOlder({ ...known, stale: 'changed' })).toBe(true);
  expect(executed.isOlder({ ...known, cell_id: 'c1' })).toBe(false);
  expect(executed.isOlder({ ...known, run_id: id(101) })).toBe(false);
});

test('a task that runs as the cell begins is news again when it ends', () => {
  const running = cellRecord({ state: 'RUNNING', ended_at: null });
  const executed = opened();

  executed.note('c0', running, NOW);

  expect(executed.isOlder(running)).toBe(true);
  expect(executed.isOlder({ ...running, state: 'CANCELLED' })).toBe(false);
});

test('of a cell of which nothing was known yet the time tells', () => {
  const executed = opened();

  executed.note('c0', undefined, NOW);

  expect(executed.isOlder(cellRecord({ created_at: ago(60) }))).toBe(true);
  expect(executed.isOlder(cellRecord({ run_id: id(101), created_at: ago(-1) }))).toBe(false);
});
