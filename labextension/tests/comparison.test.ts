import { englishTexts } from '../src/drawing/translation';
import { compareRuns, differenceWords } from '../src/pages/flows/comparison';
import type { IComparedRun } from '../src/pages/flows/comparison';
import type { ICell, ITaskView } from '../src/schemas';
import { ago, id, run, task } from './records';

function side(changes: Partial<IComparedRun> = {}): IComparedRun {
  return { run: run({ state: 'COMPLETED' }), tasks: [], cells: [], values: [], ...changes };
}

function took(name: string, seconds: number, changes: Partial<ITaskView> = {}): ITaskView {
  const times = { started_at: ago(100), ended_at: ago(100 - seconds) };
  return task({ name, state: 'COMPLETED', ...times, ...changes });
}

function value(name: string, is: unknown): IComparedRun['values'][number] {
  return { name, type: 'int', value: is, summary: '' };
}

test('parameters and values are paired by name, and what only one run has differs', () => {
  const first = side({
    run: run({ parameters: { region: 'EU', rows: [1, 2] } }),
    values: [value('total', 3)]
  });
  const second = side({
    run: run({ parameters: { rows: [1, 2], share: 0.5 } }),
    values: [value('total', 3), value('mean', 1.5)]
  });

  const { parameters, values } = compareRuns(first, second, englishTexts);

  expect(parameters).toEqual([
    { name: 'region', sides: ['EU', null], isSame: false },
    { name: 'rows', sides: ['[\n  1,\n  2\n]', '[\n  1,\n  2\n]'], isSame: true },
    { name: 'share', sides: [null, '0.5'], isSame: false }
  ]);
  expect(values.map(({ name, isSame }) => [name, isSame])).toEqual([
    ['total', true],
    ['mean', false]
  ]);
});

test('runs of one task are summed up, and differ by what became of them, not by their time', () => {
  const first = side({ tasks: [took('load', 2), took('fit-0', 4), took('fit-1', 6)] });
  const second = side({
    tasks: [took('load', 3.5), took('fit-0', 4), took('fit-1', 5, { state: 'FAILED' })]
  });

  const { tasks } = compareRuns(first, second, englishTexts);

  expect(tasks).toEqual([
    {
      name: 'load',
      sides: ['Completed, 2.0 s', 'Completed, 3.5 s'],
      isSame: true,
      seconds: [2, 3.5]
    },
    {
      name: 'fit',
      sides: ['Completed, 2 runs, 6.0 s', 'Failed, 2 runs, 5.0 s'],
      isSame: false,
      seconds: [6, 5]
    }
  ]);
});

test('a task of an earlier epoch is none of the run, and cells stand for tasks where there are none', () => {
  const cell = (number: number, title: string): ICell => {
    const { attempt, max_attempts, error, ...record } = took('', 1);
    const { state, epoch, message, created_at, started_at, ended_at } = record;
    return {
      ...{ state, epoch, message, created_at, started_at, ended_at, attempt, max_attempts, error },
      ...{ run_id: id(1), index: number, cell_id: '', title, number }
    };
  };
  const first = side({
    run: run({ epoch: 2 }),
    tasks: [took('old', 1), took('new', 1, { epoch: 2 })]
  });
  const second = side({ cells: [cell(0, ''), cell(1, 'Load')] });

  const { tasks } = compareRuns(first, second, englishTexts);

  expect(tasks.map(({ name, sides }) => [name, ...sides])).toEqual([
    ['new', 'Completed, 1.0 s', null],
    ['cell 1 · Load', null, 'Completed, 1.0 s']
  ]);
});

test.each([
  [[1, 2.5], '+1.5 s'],
  [[75, 4], '−1 min 11 s'],
  [[1, 1.01], '±0'],
  [[null, 2], '']
])('the second of %j took longer by %j', (seconds, words) => {
  expect(differenceWords(seconds as [number | null, number | null])).toBe(words);
});
