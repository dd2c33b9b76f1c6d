/** What a flow's output says of its runs, and the newest that is known of it. */

import { isFailure, isLive, laterRecord } from '../drawing/states';
import { NOT_RUN, countStates } from '../drawing/taskGroups';
import { errorWords, whereWords } from '../drawing/taskWords';
import { isTold } from '../drawing/toldFailures';
import type { ITexts } from '../drawing/translation';
import { NO_OMITTED } from '../schemas';
import type { IFlowOutput, ITaskView } from '../schemas';
import type { IRunsModel } from '../tokens';
import { laterRuns, rerunTasks } from './rerunTasks';

/** Give the ids of all runs that an output shows tasks of; the last is that of its head. */
export function runIdsOf({ run, tasks }: IFlowOutput): string[] {
  const ids = new Set(tasks.map(task => task.run_id));
  if (run !== null) {
    ids.delete(run.run_id);
    ids.add(run.run_id);
  }
  return [...ids].filter(id => id !== '');
}

/** Give the run that stands in the head; null where the tasks are of several and none is named. */
export function headRunId(output: IFlowOutput): string | null {
  const ids = runIdsOf(output);
  return output.run === null && ids.length > 1 ? null : (ids.at(-1) ?? null);
}

/** Tell whether it is the graph of a flow that was not run. */
export function isPlan({ run }: IFlowOutput): boolean {
  return run?.state === NOT_RUN;
}

/** Give how many tasks are in each state, those that are counted only among them. */
export function countsOf({ tasks, omitted }: IFlowOutput): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const group of omitted.values()) {
    group.forEach((count, state) => counts.set(state, (counts.get(state) ?? 0) + count));
  }
  return countStates(tasks, counts);
}

/** Give how many tasks are counted only. */
export function omittedCount({ omitted }: IFlowOutput): number {
  return [...omitted.values()].flatMap(group => [...group.values()]).reduce((a, b) => a + b, 0);
}

/**
 * Give what is said of the run below its head. A failure is told once, as that of the task where it happened: the
 * message of the run has it behind those of all that it went through.
 */
export function messageWords({ run, tasks }: IFlowOutput, texts: ITexts): string {
  if (run === null || !isFailure(run.state)) {
    return run?.message ?? '';
  }
  const cause = tasks.find(
    ({ state, error }) =>
      isFailure(state) &&
      state !== 'UPSTREAM_FAILED' &&
      error !== null &&
      isTold(run.message, error)
  );
  if (cause === undefined) {
    return run.message;
  }
  const where = whereWords(cause, texts);
  const what = `${cause.name}: ${errorWords(cause)}`;
  return where === '' ? what : `${what} (${where})`;
}

/** Tell whether something of it ended badly. */
export function hasFailed(output: IFlowOutput): boolean {
  const isBad = (state: string): boolean => isFailure(state) || state === 'CANCELLED';
  const { run } = output;
  return (run !== null && isBad(run.state)) || [...countsOf(output).keys()].some(isBad);
}

/**
 * Give an output as it stands now.
 *
 * The cells of an open notebook are those that the kernel named: only the newest run of each. Where one of
 * them failed, those that ran again since, also in a later kernel, are shown as they are now. Of any other run all tasks
 * that the server knows are shown, also those of a later retry.
 *
 * @param isConfirmed - whether an output that says to be live is to be believed
 */
export function newestFlow(
  output: IFlowOutput,
  runs: Pick<IRunsModel, 'run' | 'runs' | 'task' | 'tasksOf'>,
  isConfirmed: boolean
): IFlowOutput {
  const known = runs.run(headRunId(output) ?? '');
  const drawn = known && output.run ? laterRecord(output.run, known) : (known ?? output.run);
  const own = output.tasks.map(task => {
    const newer = runs.task(task.task_run_id);
    // the kernel knows which run of a task another one comes after now
    return newer === undefined ? task : { ...laterRecord(task, newer), ...drawnAs(task) };
  });
  const stored =
    known === undefined || known.kind === 'interactive'
      ? []
      : runs.tasksOf(known.run_id).filter(task => task.epoch === known.epoch);
  // of a run that was not read as a whole the stream tells only what changed
  const isWhole = stored.length > 0 && stored.length >= own.length + omittedCount(output);
  const isLater = known !== undefined && known.epoch > (output.run?.epoch ?? 1);
  const all = isWhole || isLater ? stored : [];
  const later = hasFailed(output) ? laterRuns(known, runs) : [];
  const again = rerunTasks(all.length > 0 ? all : own, later, runs);
  const omitted = all.length > 0 ? NO_OMITTED : output.omitted;
  const { tasks } = again;
  const run = again.run ?? drawn;
  const goesOn = [...tasks, ...(run ? [run] : [])].some(record => isLive(record.state));
  const isServed = run !== null && run === runs.run(run.run_id) && isLive(run.state);
  return {
    ...output,
    run,
    tasks,
    omitted,
    live: goesOn && (isServed || (output.live && isConfirmed))
  };
}

function drawnAs({ upstream, group }: ITaskView): Pick<ITaskView, 'upstream' | 'group'> {
  return { upstream, group };
}
