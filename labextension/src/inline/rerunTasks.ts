/** The cells of an open notebook that ran again after an output was drawn, in runs of their own: a retry is one. */

import type { IRun, ITaskView } from '../schemas';
import type { IRunsModel } from '../tokens';

/** Give the interactive runs of a run's notebook that were created after it, the oldest first. */
export function laterRuns(run: IRun | undefined, runs: Pick<IRunsModel, 'runs'>): IRun[] {
  if (run === undefined || run.kind !== 'interactive' || run.notebook_path === null) {
    return [];
  }
  return runs.runs
    .filter(({ kind, notebook_path: path }) => kind === run.kind && path === run.notebook_path)
    .filter(({ run_id: id }) => id > run.run_id)
    .sort((a, b) => (a.run_id < b.run_id ? -1 : 1));
}

/** What an output shows of cells that ran again. */
export interface IRerunTasks {
  readonly tasks: readonly ITaskView[];
  /** The run in which a shown cell ran last; null where none ran again. */
  readonly run: IRun | null;
}

/**
 * Put the newest run of each cell in the place of the one that is shown.
 *
 * @param later - runs after that of the output, the oldest first
 */
export function rerunTasks(
  shown: readonly ITaskView[],
  later: readonly IRun[],
  runs: Pick<IRunsModel, 'task' | 'tasksOf'>
): IRerunTasks {
  const newest = new Map<string, ITaskView>();
  const cells = shown.map(task => task.cell_id);
  // of a cell that called several tasks nobody can tell which is which
  const isOne = (cell: string): boolean => cells.indexOf(cell) === cells.lastIndexOf(cell);
  let run: IRun | null = null;
  for (const candidate of later) {
    for (const task of runs.tasksOf(candidate.run_id)) {
      if (task.cell_id !== null && cells.includes(task.cell_id) && isOne(task.cell_id)) {
        newest.set(task.cell_id, task);
        run = candidate;
      }
    }
  }
  if (run === null) {
    return { tasks: shown, run };
  }
  const cellOf = new Map(shown.map(task => [task.task_run_id, task.cell_id]));
  const shownIdOf = (id: string): string => {
    const cell = cellOf.get(id) ?? runs.task(id)?.cell_id ?? '';
    return newest.get(cell)?.task_run_id ?? id;
  };
  const tasks = shown.map(task => newest.get(task.cell_id ?? '') ?? task);
  return {
    tasks: tasks.map(task => ({ ...task, upstream: task.upstream.map(shownIdOf) })),
    run
  };
}
