import {
  countStates,
  firstFailure,
  groupSize,
  groupState,
  groupTasks,
  memberName
} from '../src/drawing/taskGroups';
import { ago, id, task } from './records';

test('a mapped task is one group, and its edges are those of the group', () => {
  const load = task({ task_run_id: id(1), name: 'load' });
  const models = [2, 3, 4].map(n => task({ task_run_id: id(n), name: 'model', upstream: [id(1)] }));
  const report = task({ task_run_id: id(5), name: 'report', upstream: [id(2), id(3), id(4)] });

  const { groups, edges } = groupTasks([load, ...models, report]);

  expect(groups.map(({ name, tasks }) => [name, tasks.length])).toEqual([
    ['load', 1],
    ['model', 3],
    ['report', 1]
  ]);
  expect(edges).toEqual([
    [id(1), id(2)],
    [id(2), id(5)]
  ]);
});

test('the numbers that runs of one task have do not part them', () => {
  const load = task({ task_run_id: id(1), name: 'load-0' });
  const models = [2, 3].map(n =>
    task({ task_run_id: id(n), name: `model-${n - 2}`, upstream: [id(1)] })
  );

  const { groups } = groupTasks([load, ...models]);

  expect(groups.map(({ name }) => name)).toEqual(['load-0', 'model']);
  expect(models.map(memberName)).toEqual(['model-0', 'model-1']);
  expect(memberName(task({ name: 'model' }), 1)).toBe('model 2');
});

test('calls of one task that follow each other stay apart', () => {
  const chain = [1, 2, 3].map(n =>
    task({ task_run_id: id(n), name: 'step', upstream: n === 1 ? [] : [id(n - 1)] })
  );

  const { groups, edges } = groupTasks(chain);

  expect(groups.map(({ tasks }) => tasks.length)).toEqual([1, 1, 1]);
  expect(edges).toEqual([
    [id(1), id(2)],
    [id(2), id(3)]
  ]);
});

test('the state of many is the one that matters most, and an unknown one is counted too', () => {
  const counts = countStates(
    ['COMPLETED', 'FAILED', 'COMPLETED', 'RUNNING', 'STRANGE'].map(state => task({ state }))
  );

  expect(groupState(counts)).toBe('FAILED');
  expect([...counts]).toEqual([
    ['FAILED', 1],
    ['RUNNING', 1],
    ['COMPLETED', 2],
    ['STRANGE', 1]
  ]);
  expect(groupState(countStates([]))).toBe('');
});

test('the first failure is the one that ended first, not what it took with it', () => {
  const later = task({ task_run_id: id(1), state: 'FAILED', ended_at: ago(1) });
  const first = task({ task_run_id: id(2), state: 'CRASHED', ended_at: ago(5) });
  const taken = task({ task_run_id: id(3), state: 'UPSTREAM_FAILED', ended_at: ago(9) });

  expect(firstFailure([later, first, taken])).toBe(first);
  expect(firstFailure([taken])).toBeUndefined();
});

test('ten thousand mapped runs with one that waits for all are grouped', () => {
  const items = Array.from({ length: 10_000 }, (_, n) =>
    task({ task_run_id: id(n), name: 'item' })
  );
  const all = task({
    task_run_id: id(20_000),
    name: 'all',
    upstream: items.map(item => item.task_run_id)
  });

  const { groups, edges } = groupTasks([...items, all]);

  expect(groups.map(({ tasks }) => tasks.length)).toEqual([10_000, 1]);
  expect(edges).toEqual([[id(0), id(20_000)]]);
});

test('what was left out of a group is counted with it', () => {
  const tasks = [
    task({ task_run_id: id(1), name: 'inc-0', state: 'COMPLETED', group: id(1) }),
    task({ task_run_id: id(9), name: 'inc-8', state: 'FAILED', group: id(1) }),
    task({ task_run_id: id(10), name: 'inc-9', state: 'COMPLETED', group: id(10) })
  ];

  const { groups } = groupTasks(tasks, new Map([[id(1), new Map([['COMPLETED', 7]])]]));

  expect(groups.map(group => [group.id, group.name, groupSize(group)])).toEqual([
    [id(1), 'inc', 9],
    [id(10), 'inc-9', 1]
  ]);
  expect([...countStates(groups[0].tasks, groups[0].omitted)]).toEqual([
    ['FAILED', 1],
    ['COMPLETED', 8]
  ]);
});
