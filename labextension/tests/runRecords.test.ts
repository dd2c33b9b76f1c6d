import { Signal } from '@lumino/signaling';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import type { PagesApi } from '../src/pages/pagesApi';
import { RunRecords, cellAsTask } from '../src/pages/run/runRecords';
import { readCell } from '../src/schemas';
import type { ICell, IRun, ITaskView } from '../src/schemas';
import type { IOrchestraApi, IRunsModel } from '../src/tokens';
import { ManualClock } from './clockDouble';
import { ERROR, ago, id, run, task } from './records';

/** Holds the records that a test puts into it, as the model of a page does. */
class KnownRuns {
  readonly changed = new Signal<KnownRuns, unknown>(this);
  readonly connectionChanged = new Signal<KnownRuns, void>(this);
  connection = 'connected';
  known: IRun | undefined;
  tasks: ITaskView[] = [];
  cells: ICell[] = [];
  run = (): IRun | undefined => this.known;
  tasksOf = (): ITaskView[] => this.tasks;
  cellsOf = (): ICell[] => this.cells;
  load = async (): Promise<boolean> => this.known !== undefined;

  change(known: IRun | undefined, tasks = this.tasks): void {
    this.known = known;
    this.tasks = tasks;
    this.changed.emit({ runs: new Set([id(100)]), tasks: new Set() });
  }
}

let runs: KnownRuns;
let asked: number;
let attemptsFail: boolean;
let clock: ManualClock;
let readRun: () => Promise<never>;

beforeEach(() => {
  runs = new KnownRuns();
  asked = 0;
  attemptsFail = false;
  clock = new ManualClock();
  readRun = async () => {
    throw new ApiError('No run like this.', 404, 'run_not_found');
  };
});

function open(): RunRecords {
  const pagesApi = {
    readExpectedSeconds: async () => 30,
    readAttempts: async () => {
      asked += 1;
      if (attemptsFail) {
        throw new ApiError('503 Service Unavailable', 503, 'error');
      }
      return runs.tasks.map(({ task_run_id }) => ({
        ...{ task_run_id, epoch: 1, number: 1, state: 'RETRYING', message: '' },
        started_at: ago(9),
        ended_at: ago(8)
      }));
    }
  };
  return new RunRecords({
    runId: id(100),
    runs: runs as unknown as IRunsModel,
    api: { readRun: () => readRun() } as unknown as IOrchestraApi,
    pagesApi: pagesApi as unknown as PagesApi,
    texts: englishTexts,
    clock
  });
}

/** Let all answers arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

test('a run that is not there is said so', async () => {
  const records = open();

  await settle();

  expect([records.run, records.problem]).toEqual([null, 'No run like this.']);
});

test('what the model forgets stays on the page', async () => {
  runs.change(run({ state: 'COMPLETED' }), [task({ state: 'COMPLETED' })]);
  const records = open();
  await settle();

  runs.change(undefined, []);

  expect(records.run?.state).toBe('COMPLETED');
  expect(records.tasks).toHaveLength(1);
  expect(records.expectedSeconds).toBe(30);
});

test('tasks from before a retry are not those of the run', async () => {
  runs.change(run({ epoch: 2 }), [
    task({ task_run_id: id(1), epoch: 1, state: 'FAILED' }),
    task({ task_run_id: id(2), epoch: 2 })
  ]);
  const records = open();

  await settle();

  expect(records.tasks.map(one => one.task_run_id)).toEqual([id(2)]);
  expect(records.failure).toBeNull();
});

test('attempts are asked for where there were several, and again when one more begins', async () => {
  runs.change(run(), [task()]);
  const records = open();
  await settle();
  expect(asked).toBe(0);

  runs.change(run(), [task({ attempt: 2 })]);
  await settle();
  runs.change(run(), [task({ attempt: 2 })]);
  await settle();
  expect(asked).toBe(1);
  expect(records.attempts.get(id(1))).toHaveLength(1);

  runs.change(run(), [task({ attempt: 3 })]);
  await settle();
  expect(asked).toBe(2);
});

test('attempts that cannot be read are asked for again, but not at once', async () => {
  attemptsFail = true;
  runs.change(run(), [task({ attempt: 2 })]);
  const records = open();
  await settle();
  runs.change(run(), [task({ attempt: 3 })]);
  await settle();
  expect(asked).toBe(1);

  attemptsFail = false;
  for (let second = 0; second < 4; second++) {
    clock.advance(1);
  }
  await settle();

  expect(asked).toBe(2);
  expect(records.attempts.get(id(1))).toHaveLength(1);
  expect(clock.followers.size).toBe(0);
});

test('who leaves the page asks no more', async () => {
  attemptsFail = true;
  runs.change(run(), [task({ attempt: 2 })]);
  const records = open();
  await settle();
  expect(clock.followers.size).toBe(1);

  records.dispose();

  expect(clock.followers.size).toBe(0);
});

test('a cell that failed is what failed of a notebook, with its place in the file', async () => {
  const cell = readCell({
    ...{ run_id: id(100), index: 4, cell_id: 'c4', number: 4, title: 'train', state: 'FAILED' },
    error: { ...ERROR, cell: 'cell 4' },
    started_at: ago(5),
    ended_at: ago(1)
  });
  runs.cells = cell === null ? [] : [cell];
  runs.change(run({ state: 'FAILED' }));
  const records = open();

  await settle();

  expect(records.failure).toMatchObject({ name: 'cell 4 · train', cell_id: 'c4' });
});

test('the cell with the parameters that were given counts as none of the file', () => {
  const cell = readCell({ run_id: id(1), index: 0, number: 0, state: 'COMPLETED' });

  expect(cell && cellAsTask(cell, englishTexts).name).toBe('parameters');
});

test('a cell that started a task failed where that failed, and counts once', async () => {
  const cell = (index: number, state: string, started: number | null): ICell => {
    const read = readCell({
      ...{ run_id: id(100), index, cell_id: `c${index}`, number: index, state },
      started_at: started === null ? null : ago(started),
      ended_at: started === null ? null : ago(started - 1)
    });
    if (read === null) {
      throw new Error('no cell');
    }
    return read;
  };
  runs.cells = [cell(1, 'COMPLETED', 9), cell(2, 'FAILED', 5), cell(3, 'PENDING', null)];
  const plot = { ...task({ state: 'FAILED' }), run_id: id(100), cell_id: 'c1' };
  runs.change(run({ state: 'RUNNING' }), [plot]);
  const records = open();
  await settle();
  expect(records.cells.map(({ state }) => state)).toEqual(['FAILED', 'FAILED', 'PENDING']);

  runs.change(run({ state: 'FAILED' }), [plot]);

  expect(records.cells.map(({ state }) => state)).toEqual(['FAILED', 'FAILED', 'NOT_RUN']);
  expect(records.failures.map(({ name }) => name)).toEqual(['cell 2', plot.name]);
  expect(records.failure).toBe(plot);
});
