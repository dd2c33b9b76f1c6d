import { groupTasks, memberName } from '../src/drawing/taskGroups';
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

test('a mapped task whose runs have names of their own is meant by its own', () => {
  const years = [2024, 2025].map((year, at) =>
    task({ task_run_id: id(10 + at), name: `report ${year}`, task_name: 'load_year' })
  );
  const total = task({ task_run_id: id(12), name: 'total-0', upstream: [id(11)] });

  const { groups } = groupTasks([...years, total]);

  expect(groups.map(({ name, tasks }) => [name, tasks.length])).toEqual([
    ['load_year', 2],
    ['total-0', 1]
  ]);
  expect(dependents([...years, total], 'load_year')).toEqual([...years, total]);
  expect(dependents([...years, total], 'report 2024')).toEqual([years[0]]);
  expect(years.map(memberName)).toEqual(['report 2024', 'report 2025']);
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
