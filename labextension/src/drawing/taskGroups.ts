/** The tasks of a run as few enough nodes: what was mapped over many items is one. */

import { NO_OMITTED } from '../schemas';
import type { ITaskView, OmittedTasks } from '../schemas';
import { isFailure } from './states';

/** Task runs of one name and one place in the graph; a task that was called once is a group of one. */
export interface ITaskGroup {
  /** The id of its first task run. */
  readonly id: string;
  readonly name: string;
  /** In the order of their creation. */
  readonly tasks: readonly ITaskView[];
  /** State to how many more are in it, of which nothing else is known. */
  readonly omitted: ReadonlyMap<string, number>;
}

/** The groups of a run, in the order of their first task runs. */
export interface IGrouping {
  readonly groups: readonly ITaskGroup[];
  /** Pairs of group ids: from, to. */
  readonly edges: readonly (readonly [string, string])[];
}

/** A group while its tasks are gathered. */
interface IGathered {
  id: string;
  name: string;
  tasks: ITaskView[];
  omitted: ReadonlyMap<string, number>;
}

const NONE: ReadonlyMap<string, number> = new Map();

/** What the state of a group is: that of these which one of its task runs is in, the first in this order. */
const PRECEDENCE = [
  ...['FAILED', 'TIMED_OUT', 'CRASHED', 'CANCELLING', 'RUNNING', 'RETRYING', 'PAUSED', 'PENDING'],
  ...['SCHEDULED', 'UPSTREAM_FAILED', 'CANCELLED', 'SKIPPED', 'MISSED', 'COMPLETED', 'CACHED']
];

/** The state of the tasks of a flow whose graph was drawn without running it. */
export const NOT_RUN = 'NOT_RUN';

/** Runs of one task of a flow are numbered: "model-17". */
const NUMBER = /-\d+$/;

/** Give the name of the task that a task run is of. */
export function taskOf(task: ITaskView): string {
  return task.task_name ?? task.name.replace(NUMBER, '');
}

/** Tell whether a task run is meant by this name: its own, or that of its task. */
export function isNamed(task: ITaskView, name: string): boolean {
  return task.name === name || taskOf(task) === name;
}

/** Give the name of one of many runs of a task: its own where that tells it from the others. */
export function memberName(task: ITaskView, index: number): string {
  const tells = NUMBER.test(task.name) || (task.task_name ?? task.name) !== task.name;
  return tells ? task.name : `${task.name} ${index + 1}`;
}

/**
 * Group task runs by name, without their numbers, and by how many others they come after. O(tasks + edges).
 *
 * What is a cell of its own, or of a plan, where a mapped task is one already, stays apart.
 */
export function groupTasks(
  tasks: readonly ITaskView[],
  omitted: OmittedTasks = NO_OMITTED
): IGrouping {
  const depths = new Map<string, number>();
  const groups = new Map<string, IGathered>();
  const groupOf = new Map<string, string>();
  for (const task of tasks) {
    const place = task.upstream.reduce((most, id) => Math.max(most, depthOf(id) + 1), 0);
    depths.set(task.task_run_id, place);
    const name = taskOf(task);
    const isApart = task.cell_id !== null || task.state === NOT_RUN;
    const key = task.group ?? (isApart ? task.task_run_id : `${place} ${name}`);
    const group = groups.get(key) ?? {
      id: task.task_run_id,
      name: task.name,
      tasks: [],
      omitted: omitted.get(task.task_run_id) ?? NONE
    };
    if (group.tasks.push(task) + group.omitted.size > 1) {
      group.name = name;
    }
    groups.set(key, group);
    groupOf.set(task.task_run_id, group.id);
  }
  const edges = new Map<string, readonly [string, string]>();
  for (const task of tasks) {
    const to = groupOf.get(task.task_run_id) ?? '';
    for (const id of task.upstream) {
      const from = groupOf.get(id);
      if (from !== undefined) {
        edges.set(`${from} ${to}`, [from, to]);
      }
    }
  }
  return { groups: [...groups.values()], edges: [...edges.values()] };

  function depthOf(id: string): number {
    return depths.get(id) ?? -1;
  }
}

/** Give how many task runs a group has. */
export function groupSize({ tasks, omitted }: ITaskGroup): number {
  return [...omitted.values()].reduce((sum, count) => sum + count, tasks.length);
}

/**
 * State to how many task runs are in it, in the order of {@link PRECEDENCE}.
 *
 * @param omitted - those that are counted already
 */
export function countStates(
  tasks: readonly ITaskView[],
  omitted: ReadonlyMap<string, number> = NONE
): ReadonlyMap<string, number> {
  const counts = new Map(omitted);
  for (const task of tasks) {
    counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
  }
  const known = PRECEDENCE.filter(state => counts.has(state));
  const others = [...counts.keys()].filter(state => !PRECEDENCE.includes(state));
  return new Map([...known, ...others].map(state => [state, counts.get(state) ?? 0]));
}

/** Give the state that stands for all of some task runs. */
export function groupState(counts: ReadonlyMap<string, number>): string {
  return counts.keys().next().value ?? '';
}

/** Give the task run that failed first of its own; undefined when none did. */
export function firstFailure(tasks: readonly ITaskView[]): ITaskView | undefined {
  const failed = tasks.filter(task => isFailure(task.state) && task.state !== 'UPSTREAM_FAILED');
  const ended = (task: ITaskView): number => Date.parse(task.ended_at ?? '') || Infinity;
  return failed.reduce<ITaskView | undefined>(
    (first, task) => (first === undefined || ended(task) < ended(first) ? task : first),
    undefined
  );
}
