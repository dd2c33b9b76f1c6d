import { Signal } from '@lumino/signaling';

import { ApiError } from '../src/apiError';
import type { ICellRecord, INotebookCellsAnswer } from '../src/cells/cellRecords';
import type { ICellsApi } from '../src/cells/cellsApi';
import { NotebookCells } from '../src/cells/notebookCells';
import type { ICell, IRun, ITaskView } from '../src/schemas';
import type { IRunsChange, IRunsModel } from '../src/tokens';
import { ago, cellRecord, cellView, id, run, task } from './records';

const PATH = '/data/sales.ipynb';
const OURS = run({ notebook_path: PATH });

/** The runs of a page, and what its stream says. */
class Runs {
  readonly changed = new Signal<this, IRunsChange>(this);
  readonly cellsChanged = new Signal<this, readonly ICell[]>(this);
  readonly connectionChanged = new Signal<this, void>(this);
  readonly connection = 'connected';
  watchers = 0;

  run(runId: string): IRun | undefined {
    return this._runs.get(runId);
  }

  task(taskRunId: string): ITaskView | undefined {
    return this._tasks.get(taskRunId);
  }

  /** Runs that are known only when they are asked for. */
  readonly old = new Map<string, IRun>();

  async load(runId: string): Promise<boolean> {
    const run = this.old.get(runId);
    if (run !== undefined) {
      this._runs.set(runId, run);
    }
    return run !== undefined;
  }

  watch(): { dispose: () => void } {
    this.watchers += 1;
    return { dispose: () => (this.watchers -= 1) };
  }

  tell(told: IRun, ...tasks: readonly ITaskView[]): void {
    this._runs.set(told.run_id, told);
    tasks.forEach(each => this._tasks.set(each.task_run_id, each));
    this.changed.emit({
      runs: new Set([told.run_id]),
      tasks: new Set(tasks.map(each => each.task_run_id))
    });
  }

  private readonly _runs = new Map<string, IRun>();
  private readonly _tasks = new Map<string, ITaskView>();
}

/** A server that answers when it is told to. */
class Server implements ICellsApi {
  asked: string[] = [];

  readCells(path: string): Promise<INotebookCellsAnswer> {
    this.asked.push(path);
    return new Promise((resolve, reject) => this._waiting.push({ resolve, reject }));
  }

  async answer(...cells: ICellRecord[]): Promise<void> {
    this._waiting.shift()?.resolve({ paths: [PATH], cells });
    await settled();
  }

  async refuse(error: Error): Promise<void> {
    this._waiting.shift()?.reject(error);
    await settled();
  }

  async readOptions(): Promise<never> {
    throw new Error('not asked for in these tests');
  }

  async writeOptions(): Promise<never> {
    throw new Error('not asked for in these tests');
  }

  private readonly _waiting: {
    resolve: (answer: INotebookCellsAnswer) => void;
    reject: (error: Error) => void;
  }[] = [];
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}

let runs: Runs;
let server: Server;
let cells: NotebookCells;
const outcome = { failed: jest.fn(), worked: jest.fn() };

beforeEach(() => {
  jest.useFakeTimers();
  runs = new Runs();
  server = new Server();
  jest.clearAllMocks();
  cells = new NotebookCells(server, runs as unknown as IRunsModel, 'sales.ipynb', outcome);
  cells.setFollowing(true);
});

afterEach(() => {
  cells.dispose();
  jest.useRealTimers();
});

test('what the server knows is there', async () => {
  await server.answer(cellRecord());

  expect(server.asked).toEqual(['sales.ipynb']);
  expect(cells.record('c0')).toEqual(cellRecord());
});

test('a task that begins is seen at once, beside what the server said of how long it runs', async () => {
  await server.answer(cellRecord({ expected_seconds: 30, created_at: ago(100) }));

  runs.tell(OURS, task({ cell_id: 'c0', task_run_id: id(2), created_at: ago(1) }));

  expect(cells.record('c0')).toMatchObject({ state: 'RUNNING', expected_seconds: 30 });
});

test('a cell of a run in the background is seen', async () => {
  await server.answer();
  runs.tell(OURS);

  runs.cellsChanged.emit([cellView({ state: 'RUNNING', ended_at: null })]);

  expect(cells.record('c0')).toMatchObject({ state: 'RUNNING', task_run_id: null });
});

test('a cell of a run that the page does not know is read when its run is known', async () => {
  await server.answer();
  runs.old.set(OURS.run_id, OURS);

  runs.cellsChanged.emit([cellView({ state: 'RUNNING' })]);
  runs.cellsChanged.emit([cellView({ state: 'RUNNING' })]);
  await settled();
  jest.runAllTimers();
  await server.answer(cellRecord({ state: 'RUNNING' }));

  expect(server.asked).toHaveLength(2);
  expect(cells.record('c0')?.state).toBe('RUNNING');
});

test('another notebook whose cells have the same ids says nothing', async () => {
  await server.answer();

  runs.tell(run({ notebook_path: '/data/copy.ipynb' }), task({ cell_id: 'c0' }));
  runs.cellsChanged.emit([cellView()]);
  jest.runAllTimers();

  expect(cells.record('c0')).toBeUndefined();
  expect(server.asked).toHaveLength(1);
});

test('of a run of a notebook of this name the server is asked once whether it is this one', async () => {
  await server.answer();
  const other = run({ notebook_path: '/link/sales.ipynb' });

  runs.tell(other);
  runs.tell(other);
  jest.runAllTimers();
  await server.answer();
  runs.tell(other);
  jest.runAllTimers();

  expect(server.asked).toHaveLength(2);
});

test('after a run has ended all is read again, once for runs that end together', async () => {
  await server.answer();

  runs.tell(run({ notebook_path: PATH, state: 'COMPLETED' }));
  runs.tell(run({ run_id: id(101), notebook_path: PATH, state: 'FAILED' }));
  jest.runAllTimers();
  await server.answer(cellRecord({ stale: 'changed' }));

  expect(server.asked).toHaveLength(2);
  expect(cells.record('c0')?.stale).toBe('changed');
});

test('an older answer does not undo what the stream has said since', async () => {
  await server.answer(cellRecord({ created_at: ago(100) }));
  void cells.refresh();
  runs.tell(OURS, task({ cell_id: 'c0', task_run_id: id(2), created_at: ago(1) }));

  await server.answer(cellRecord({ created_at: ago(100), expected_seconds: 9, stale: 'changed' }));

  expect(cells.record('c0')).toMatchObject({ state: 'RUNNING', expected_seconds: 9, stale: '' });
});

test('what is asked while an answer is awaited is asked after it', async () => {
  void cells.refresh();
  void cells.refresh();
  await server.answer();
  await server.answer();

  expect(server.asked).toHaveLength(2);
});

test('a notebook that is renamed is asked for by its new path', async () => {
  await server.answer(cellRecord());

  cells.setPath('new.ipynb');
  expect(cells.record('c0')).toBeUndefined();
  await server.answer(cellRecord());

  expect(server.asked).toEqual(['sales.ipynb', 'new.ipynb']);
  expect(cells.record('c0')).toBeDefined();
});

test('an answer for the path before the renaming is not taken', async () => {
  cells.setPath('new.ipynb');
  await server.answer(cellRecord());

  expect(cells.record('c0')).toBeUndefined();
  expect(server.asked).toEqual(['sales.ipynb', 'new.ipynb']);
});

test('a connection that is there again has all read anew', async () => {
  await server.answer();

  runs.connectionChanged.emit();

  expect(server.asked).toHaveLength(2);
});

test.each([404, 409, 403])('an answer with %s is no news', async status => {
  await server.refuse(new ApiError('No.', status, 'no'));

  expect(outcome.failed).not.toHaveBeenCalled();
});

test('an answer that is a fault is told, and one that is none, too', async () => {
  const error = new ApiError('The store is away.', 503, 'store_unavailable');
  await server.refuse(error);
  expect(outcome.failed.mock.calls).toEqual([[error]]);

  runs.connectionChanged.emit();
  await server.answer();

  expect(outcome.worked).toHaveBeenCalledTimes(1);
});

test('the stream is followed only while somebody looks', () => {
  expect(runs.watchers).toBe(1);
  cells.setFollowing(false);
  expect(runs.watchers).toBe(0);
  cells.setFollowing(true);
  cells.dispose();
  expect(runs.watchers).toBe(0);
});
