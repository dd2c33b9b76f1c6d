import { isId, readLogLine, readRunOutput, readStreamMessage } from '../src/schemas';
import { ERROR, id, run, task } from './records';

test('a stored task is read whole', () => {
  const stored = {
    version: 1,
    view: 'task',
    task: task({ error: ERROR }),
    cluster: '',
    live: true
  };

  expect(readRunOutput(JSON.parse(JSON.stringify(stored)))).toEqual({
    view: 'task',
    task: task({ error: ERROR }),
    cluster: '',
    live: true
  });
});

test('a completed task whose result was kept is shown as cached', () => {
  const view = (state: string): unknown =>
    readRunOutput({
      version: 1,
      view: 'task',
      task: { ...task({ state }), is_cached: true },
      cluster: '',
      live: false
    });

  expect(view('COMPLETED')).toMatchObject({ task: { state: 'CACHED' } });
  expect(view('RUNNING')).toMatchObject({ task: { state: 'RUNNING' } });
});

test('a stored flow is read whole', () => {
  const stored = {
    version: 1,
    view: 'flow',
    run: run(),
    tasks: [task()],
    edges: [[id(1), id(2)]],
    omitted: { [id(1)]: { COMPLETED: 7 } },
    live: false
  };

  expect(readRunOutput(JSON.parse(JSON.stringify(stored)))).toEqual({
    view: 'flow',
    run: run(),
    tasks: [task()],
    edges: [[id(1), id(2)]],
    omitted: new Map([[id(1), new Map([['COMPLETED', 7]])]]),
    live: false
  });
});

test('fields that a record leaves out have their defaults', () => {
  const output = readRunOutput({ version: 1, view: 'task', task: { task_run_id: id(1) } });

  expect(output).toMatchObject({
    live: false,
    task: { epoch: 1, attempt: 0, max_attempts: 1, state: '', error: null, upstream: [], tags: {} }
  });
});

test.each([
  ['nothing', null],
  ['a text', 'task'],
  ['a list', []],
  ['another version', { version: 2, view: 'task', task: task() }],
  ['another view', { version: 1, view: 'timeline', task: task() }],
  ['a task without an id', { version: 1, view: 'task', task: { name: 'clean' } }],
  ['a task that is none', { version: 1, view: 'task', task: [1] }]
])('%s is refused', (_, data) => {
  expect(readRunOutput(data)).toBeNull();
});

test('what is wrong inside a record is left out', () => {
  const broken = {
    version: 1,
    view: 'flow',
    run: 7,
    tasks: [null, { task_run_id: id(1), created_at: 'yesterday', attempt: 'many', upstream: [1] }],
    edges: [['a'], [1, 2], 'x', ['a', 'b']],
    omitted: { a: { COMPLETED: 'many', FAILED: 2 }, b: 7, c: { FAILED: -1 } },
    live: 'yes'
  };

  expect(readRunOutput(broken)).toMatchObject({
    run: null,
    tasks: [{ task_run_id: id(1), created_at: null, attempt: 0, upstream: [] }],
    edges: [['a', 'b']],
    omitted: new Map([['a', new Map([['FAILED', 2]])]]),
    live: false
  });
});

test('a message of the stream without records is one', () => {
  expect(readStreamMessage({ sequence: 7, hello: true, version: '1' })).toEqual({
    sequence: 7,
    hello: true,
    reset: false,
    runs: [],
    tasks: [],
    cells: [],
    logs: [],
    inputs: [],
    lists: []
  });
  expect(readStreamMessage({ runs: [] })).toBeNull();
});

test('a log line needs its place', () => {
  expect(readLogLine({ message: 'x' })).toBeNull();
  expect(readLogLine({ sequence: 3, message: 'x', level: 30 })).toMatchObject({ level: 30 });
});

test.each([
  [id(7), true],
  ['', false],
  ['..', false],
  [`${id(7)}/..`, false],
  [id(7).toUpperCase().replace(/0/g, 'A'), false]
])('%p is an id: %p', (text, expected) => {
  expect(isId(text)).toBe(expected);
});
