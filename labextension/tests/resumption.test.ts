import { dependents, stepOf } from '../src/pages/run/resumption';
import { id, run, task } from './records';

const TASKS = [
  task({ task_run_id: id(1), name: 'load-0' }),
  task({ task_run_id: id(2), name: 'model-0', upstream: [id(1)] }),
  task({ task_run_id: id(3), name: 'model-1', upstream: [id(1)] }),
  task({ task_run_id: id(4), name: 'report-0', upstream: [id(3)] }),
  task({ task_run_id: id(5), name: 'told-0' })
];

test.each([
  ['load', ['load-0', 'model-0', 'model-1', 'report-0']],
  ['model', ['model-0', 'model-1', 'report-0']],
  ['model-1', ['model-1', 'report-0']],
  ['model-0', ['model-0']],
  ['mod', []]
])('what depends on %s runs again with it', (name, expected) => {
  expect(dependents(TASKS, name).map(one => one.name)).toEqual(expected);
});

test.each([
  ['a cell of a notebook', { kind: 'notebook' }, { cell_id: 'c3' }, { cell: 'c3' }],
  ['a task of a flow', { kind: 'flow' }, { name: 'model-1' }, { task: 'model-1' }],
  ['no task of a notebook', { kind: 'notebook' }, { cell_id: null }, null],
  ['no cell of an open notebook', { kind: 'interactive' }, { cell_id: 'c3' }, null],
  ['no task alone', { kind: 'task' }, {}, null],
  ['nothing that goes on', { kind: 'flow', state: 'RUNNING' }, {}, null]
])('a run is resumed from %s', (_, ofRun, ofTask, expected) => {
  expect(stepOf(run({ state: 'COMPLETED', ...ofRun }), task(ofTask))).toEqual(expected);
});
