import type { AddressInfo } from 'node:net';

import { WebSocketServer } from 'ws';
import type { WebSocket as ServerSocket } from 'ws';

import { ApiError, NO_SERVER_EXTENSION } from '../src/apiError';
import { RunsModel } from '../src/runsModel';
import type { IRun, ITaskView } from '../src/schemas';
import type { ILogPage, IOrchestraApi, IRunDetails, IRunPage, IRunsModel } from '../src/tokens';
import { id, run, task } from './records';

/** A server with a real websocket; the requests are answered from its fields. */
class Server implements IOrchestraApi {
  static async start(): Promise<Server> {
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise(resolve => sockets.once('listening', resolve));
    return new Server(sockets);
  }

  private constructor(private readonly _sockets: WebSocketServer) {
    _sockets.on('connection', (socket, request) => {
      if (this.isDown) {
        socket.terminate();
        return;
      }
      const since = new URL(request.url ?? '', 'ws://x').searchParams.get('since');
      this.asked.push(Number(since));
      this.clients.add(socket);
      socket.on('close', () => this.clients.delete(socket));
      this.send({ sequence: Number(since), hello: true, version: '0' });
    });
  }

  async listRuns(): Promise<IRunPage> {
    this.lists += 1;
    if (this.error !== null) {
      throw this.error;
    }
    return { runs: this.runs, sequence: this.sequence };
  }

  async readRun(runId: string): Promise<IRunDetails> {
    this.reads.push(runId);
    const found = this.runs.find(run => run.run_id === runId);
    if (found === undefined) {
      throw new ApiError(`No run ${runId}.`, 404, 'run_not_found');
    }
    const tasks = this.tasks.filter(task => task.run_id === runId);
    return { run: found, tasks, cells: [], sequence: this.runSequence };
  }

  async readLogs(): Promise<ILogPage> {
    return { lines: [], next: 0 };
  }

  async readParameters(): Promise<never> {
    throw new Error('not asked for in these tests');
  }

  async listEarlierRuns(): Promise<never> {
    throw new Error('not asked for in these tests');
  }

  async runNotebook(): Promise<never> {
    throw new Error('not asked for in these tests');
  }

  async cancelRun(): Promise<void> {
    throw new Error('not asked for in these tests');
  }

  async cancelTask(): Promise<void> {
    throw new Error('not asked for in these tests');
  }

  openStream(since: number): WebSocket {
    const { port } = this._sockets.address() as AddressInfo;
    return new WebSocket(`ws://127.0.0.1:${port}/stream?since=${since}`);
  }

  /** Tell all clients. */
  send(message: object): void {
    this.clients.forEach(client => client.send(JSON.stringify(message)));
  }

  /** Break all connections. */
  drop(): void {
    this.clients.forEach(client => client.terminate());
  }

  async stop(): Promise<void> {
    this.drop();
    await new Promise(resolve => this._sockets.close(resolve));
  }

  runs: IRun[] = [];
  tasks: ITaskView[] = [];
  sequence = 5;
  /** Up to which change the answers for one run are. */
  runSequence = 5;
  error: Error | null = null;
  /** Whether streams break before they have said anything. */
  isDown = false;
  lists = 0;
  /** The sequence numbers that clients asked for. */
  readonly asked: number[] = [];
  /** The runs that were read. */
  readonly reads: string[] = [];
  readonly clients = new Set<ServerSocket>();
}

const TIMES = { firstRetry: 5, longestRetry: 20, linger: 5, hidden: 5 };

let server: Server;
let model: RunsModel;

beforeEach(async () => {
  server = await Server.start();
  model = new RunsModel(server, TIMES);
});

afterEach(async () => {
  model.dispose();
  setHidden(false);
  await server.stop();
});

/** Wait until a condition of the model holds. */
function until(condition: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const check = (): void => {
      if (condition()) {
        model.changed.disconnect(check);
        model.connectionChanged.disconnect(check);
        resolve();
      }
    };
    model.changed.connect(check);
    model.connectionChanged.connect(check);
    check();
  });
}

function setHidden(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}

async function connect(): Promise<void> {
  model.watch();
  await until(() => model.connection === 'connected');
}

test('nothing is asked of the server before somebody watches', () => {
  expect(model.connection).toBe('idle');
  expect(server.lists).toBe(0);
});

test('the list is read once, and the stream goes on from its sequence number', async () => {
  server.runs = [run({ run_id: id(1) }), run({ run_id: id(3) }), run({ run_id: id(2) })];

  await connect();

  expect(model.runs.map(run => run.run_id)).toEqual([id(3), id(2), id(1)]);
  expect(server.asked).toEqual([5]);
  expect(server.lists).toBe(1);
});

test('a change in the stream replaces the record and says which', async () => {
  await connect();
  const changes: string[][] = [];
  model.changed.connect((_, change) => changes.push([...change.runs, ...change.tasks]));

  server.send({ sequence: 6, runs: [run()], tasks: [task()], cells: [], logs: [] });
  await until(() => model.task(id(1)) !== undefined);
  server.send({ sequence: 7, tasks: [task({ state: 'COMPLETED' })] });
  await until(() => model.task(id(1))?.state === 'COMPLETED');

  expect(model.run(id(100))?.state).toBe('RUNNING');
  expect(model.tasksOf(id(100)).map(task => task.state)).toEqual(['COMPLETED']);
  expect(changes).toEqual([
    [id(100), id(1)],
    [id(100), id(1)]
  ]);
});

test.each([
  ['only once when it was read with all that the list has', 5, 1],
  ['again when something may have come between', 4, 2]
])('a run that is read before the list is read %s', async (_, runSequence, reads) => {
  server.runs = [run()];
  server.runSequence = runSequence;
  await model.load(id(100));
  server.runSequence = 5;

  await connect();
  await model.load(id(100));

  expect(server.reads).toHaveLength(reads);
});

test('after a break the stream is asked for what was missed, without reading the list again', async () => {
  await connect();
  server.send({ sequence: 9, runs: [run()] });
  await until(() => model.run(id(100)) !== undefined);

  server.drop();
  await until(() => model.connection === 'reconnecting');
  await until(() => model.connection === 'connected');

  expect(server.asked).toEqual([5, 9]);
  expect(server.lists).toBe(1);
});

test('after a longer break the server is asked what is wrong, until it is back', async () => {
  await connect();
  server.error = new ApiError('The store is locked.', 503, 'store_unavailable');
  server.isDown = true;

  server.drop();
  await until(() => model.trouble === 'The store is locked.');
  expect(model.connection).toBe('reconnecting');

  server.error = null;
  server.isDown = false;
  await until(() => model.connection === 'connected');
  expect(model.trouble).toBe('');
});

test('when the server has forgotten what was missed, everything is read anew', async () => {
  server.runs = [run()];
  await connect();
  await model.load(id(100));
  server.runs = [run({ state: 'COMPLETED' }), run({ run_id: id(101) })];
  server.sequence = 90;

  server.send({ sequence: 90, reset: true, runs: [], tasks: [] });
  await until(() => model.run(id(101)) !== undefined);
  await until(() => model.connection === 'connected');

  expect(model.run(id(100))?.state).toBe('COMPLETED');
  expect(server.asked).toEqual([5, 90]);
  expect(server.reads).toEqual([id(100), id(100)]);
});

test('new log lines are told to those who listen', async () => {
  await connect();

  const logged = new Promise(resolve => model.logged.connect((_, ids) => resolve(ids)));
  server.send({ sequence: 6, logs: [id(100)] });

  expect(await logged).toEqual([id(100)]);
});

test('what is no message is passed over', async () => {
  await connect();

  server.clients.forEach(client => client.send('{'));
  server.send({ text: 'hello' });
  server.send({ sequence: 8, runs: [run(), { name: 'no id' }, null] });
  await until(() => model.runs.length > 0);

  expect(model.runs).toEqual([run()]);
  expect(model.connection).toBe('connected');
});

test('without our server extension nothing is tried again, until the reader asks', async () => {
  const said = jest.spyOn(console, 'info').mockImplementation(() => undefined);
  server.error = new ApiError('No extension.', 404, NO_SERVER_EXTENSION);

  model.watch();
  await until(() => model.connection === 'missing');
  expect(said).toHaveBeenCalledTimes(1);
  expect(server.asked).toEqual([]);

  server.error = null;
  model.reconnect();
  await until(() => model.connection === 'connected');
  expect(server.lists).toBe(2);
});

test('a reader who may not see runs is told so, and nothing is tried again', async () => {
  server.error = new ApiError('Forbidden', 403, 'forbidden');

  model.watch();
  await until(() => model.connection === 'refused');

  expect(server.lists).toBe(1);
});

test('some time after the last watcher the connection ends, and comes back with the next', async () => {
  const watch = model.watch();
  await until(() => model.connection === 'connected');

  watch.dispose();
  await until(() => model.connection === 'idle');
  await connect();

  expect(server.asked).toEqual([5, 5]);
});

test('a page that is hidden for long is not kept live until it is seen again', async () => {
  await connect();

  setHidden(true);
  await until(() => model.connection === 'idle');
  setHidden(false);
  await until(() => model.connection === 'connected');

  expect(server.lists).toBe(1);
});

test('a run is read once for all who ask, and asked for again when it was not there', async () => {
  server.runs = [run()];
  server.tasks = [task()];

  expect(await Promise.all([model.load(id(100)), model.load(id(100))])).toEqual([true, true]);
  expect(await model.load(id(7))).toBe(false);
  expect(await model.load(id(7))).toBe(false);

  expect(server.reads).toEqual([id(100), id(7), id(7)]);
  expect(model.tasksOf(id(100))).toEqual([task()]);
});

test('an answer that is older than the stream does not undo what is known', async () => {
  await connect();
  server.send({ sequence: 6, runs: [run({ state: 'COMPLETED' })], tasks: [task({ attempt: 2 })] });
  await until(() => model.task(id(1)) !== undefined);
  server.runs = [run()];
  server.tasks = [task({ attempt: 1 })];

  await model.load(id(100));

  expect(model.run(id(100))?.state).toBe('COMPLETED');
  expect(model.task(id(1))?.attempt).toBe(2);
});

test('the runs of a busy server do not pile up', async () => {
  await connect();
  const ended = Array.from({ length: 400 }, (_, index) =>
    run({ run_id: id(1000 + index), state: 'COMPLETED' })
  );

  server.send({ sequence: 6, runs: [run({ run_id: id(1) }), ...ended] });
  await until(() => model.runs.length > 0);

  expect(model.runs).toHaveLength(51);
  expect(model.run(id(1))?.state).toBe('RUNNING');
  expect(model.runs[0].run_id).toBe(id(1399));
});

test('a disposed model lets go of the server', async () => {
  await connect();
  const closed = new Promise(resolve => [...server.clients][0].once('close', resolve));

  model.dispose();

  await closed;
  expect(model.isDisposed).toBe(true);
  const listener = (_: IRunsModel): never => {
    throw new Error('a disposed model says nothing');
  };
  model.changed.connect(listener);
  server.send({ sequence: 7, runs: [run()] });
});
