/** Asks before a run is retried, or resumed from a cell or a task: what is taken from before, and what runs again. */

import { ApiError } from '../../apiError';
import { html } from '../../drawing/elements';
import { groupTasks, isNamed, taskOf } from '../../drawing/taskGroups';
import type { ITexts } from '../../drawing/translation';
import type { IRun, ITaskView } from '../../schemas';
import { copyRow } from '../copyRow';
import { ask, errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunAgain, IRunStep, PagesApi } from '../pagesApi';
import { NOTHING_FORESEEN, NO_WAY, countedNames, forecastNotes } from './rerunForecast';
import type { IOutlook, IRepeatedTask } from './rerunForecast';
import { cellName } from './runRecords';
import type { RunRecords } from './runRecords';

/** The states of a run that can be resumed. */
const RESUMABLE = ['COMPLETED', 'FAILED', 'TIMED_OUT', 'CRASHED', 'CANCELLED', 'UPSTREAM_FAILED'];
/** The states of a task run whose result may have been kept. */
const HAS_RESULT = ['COMPLETED', 'CACHED'];

/** What is known of those runs of which it is being asked: a second click does not ask again. */
const asked = new WeakSet<RunRecords>();

/** Tell whether the notebook of a run may be resumed from one of its cells: it has ended. */
export function canResume(run: IRun | null): boolean {
  return run !== null && run.kind === 'notebook' && RESUMABLE.includes(run.state);
}

/** Give the cell or the task that a run may be resumed from; null where it may not. */
export function stepOf(run: IRun | null, task: ITaskView): IRunStep | null {
  if (run === null || !RESUMABLE.includes(run.state)) {
    return null;
  }
  if (run.kind === 'notebook') {
    return task.cell_id === null ? null : { cell: task.cell_id };
  }
  return run.kind === 'flow' ? { task: task.name } : null;
}

/** What a dialog says. */
interface IResumption {
  readonly taken: string;
  readonly again: string;
}

/** What is foreseen, or why nothing is. */
interface IForesight extends IOutlook {
  /** Why what runs again is not known; empty where it is. */
  readonly unread: string;
}

/** Ask, and have a run resumed from there; true where it is. Where it cannot be, the dialog offers what can be done. */
export async function askToResume(
  context: IPageContext,
  records: RunRecords,
  step: IRunStep
): Promise<boolean> {
  if (asked.has(records)) {
    return false;
  }
  asked.add(records);
  try {
    return await askFrom(context, records, step);
  } finally {
    asked.delete(records);
  }
}

async function askFrom(
  { pagesApi, texts }: IPageContext,
  { run, tasks, cellNames, gone }: RunRecords,
  step: IRunStep
): Promise<boolean> {
  const from = 'cell' in step ? cellNames.get(step.cell) : step.task;
  if (run === null || from === undefined) {
    return false;
  }
  const title = texts.__('Resume run %1 from %2', run.name, from);
  const leave = texts.__('Leave as it is');
  const outlook = await foresee(pagesApi, run, step, texts);
  const notes = notesOf(outlook, texts);
  if (outlook.problem === '') {
    const repeated = outlook.forecast.tasks;
    const found =
      'cell' in step
        ? ofCell(cellNames, step.cell, texts)
        : ofTask(tasks, step.task, repeated, texts);
    const facts = html(
      'dl',
      { class: 'orc-fact-list' },
      html('dt', {}, texts.__('Taken from before')),
      html('dd', {}, found.taken),
      html('dt', {}, texts.__('Run again')),
      html('dd', {}, found.again)
    );
    const said =
      run.kind === 'notebook'
        ? texts.__('It goes on in the same run, with the source and the parameters that it had.')
        : texts.__('It goes on in the same run, with the parameters that it had.');
    const onAct = () => pagesApi.retryRun(run.run_id, step).then(() => true);
    const body = [html('p', {}, said), facts, ...notes];
    return ask({ title, body, act: texts.__('Resume'), leave, onAct, gone }, texts);
  }
  const { instead_cell: cell } = outlook;
  if (cell === null || outlook.command !== '') {
    return tellProblem(title, outlook, from, gone, texts);
  }
  const body = [html('p', {}, fromStartWords(from, texts)), ...notes];
  const onAct = () => pagesApi.retryRun(run.run_id, { cell }).then(() => true);
  return ask({ title, body, act: texts.__('Run all cells again'), leave, onAct, gone }, texts);
}

/** Have a run retried, after asking where something is to be known before; null where it is not. */
export async function askToRetry(
  { pagesApi, texts }: IPageContext,
  run: IRun,
  gone?: AbortSignal
): Promise<IRunAgain | null> {
  const outlook = await foresee(pagesApi, run, null, texts);
  const title = texts.__('Retry run %1', run.name);
  if (outlook.command !== '') {
    await tellProblem(title, outlook, '', gone, texts);
    return null;
  }
  const body = notesOf(outlook, texts);
  if (body.length === 0) {
    return pagesApi.retryRun(run.run_id); // what is wrong, it says
  }
  let again: IRunAgain | null = null;
  const act = texts.__('Retry');
  const leave = texts.__('Leave as it is');
  const onAct = async () => {
    again = await pagesApi.retryRun(run.run_id);
    return true;
  };
  await ask({ title, body, act, leave, onAct, gone }, texts);
  return again;
}

/** Read what is foreseen. A server that cannot tell may be able to do it all the same; one that refuses is not. */
async function foresee(
  pagesApi: PagesApi,
  run: IRun,
  step: IRunStep | null,
  texts: ITexts
): Promise<IForesight> {
  try {
    return { ...(await pagesApi.readOutlook(run.run_id, step)), unread: '' };
  } catch (error) {
    const said = errorText(error, texts);
    const isRefused = error instanceof ApiError && error.status >= 400 && error.status < 500;
    const nothing = {
      command: '',
      instead_cell: null,
      forecast: NOTHING_FORESEEN,
      new_run: NO_WAY
    };
    return { ...nothing, problem: isRefused ? said : '', unread: isRefused ? '' : said };
  }
}

/** Say what is to be known before. */
function notesOf({ forecast, unread }: IForesight, texts: ITexts): readonly HTMLElement[] {
  const words = texts.__('What else runs again could not be foreseen: %1', unread);
  const notes = forecastNotes(forecast, texts);
  return unread === '' ? notes : [html('p', { class: 'orc-forecast' }, words), ...notes];
}

/** Say why this server cannot do it, and which command does. */
function tellProblem(
  title: string,
  { problem, command, instead_cell: cell, forecast }: IOutlook,
  from: string,
  gone: AbortSignal | undefined,
  texts: ITexts
): Promise<boolean> {
  const notes = forecastNotes(forecast, texts);
  const said =
    command === ''
      ? html('p', { class: 'orc-problem' }, problem)
      : html(
          'p',
          {},
          cell === null
            ? texts.__('It is of no deployment, so no service can run it again.')
            : fromStartWords(from, texts)
        );
  const label = texts.__('This does, on the machine where its code is');
  const row = command === '' ? [] : [copyRow(label, command, texts)];
  const onAct = () => Promise.resolve(false);
  const body = [said, ...row, ...notes];
  return ask({ title, body, act: null, leave: texts.__('Close'), onAct, gone }, texts);
}

function fromStartWords(from: string, texts: ITexts): string {
  return texts.__(
    'Nothing was kept of the cells above %1. All cells of the notebook can be run again, in the same run.',
    from
  );
}

function ofCell(
  cellNames: ReadonlyMap<string, string>,
  cellId: string,
  texts: ITexts
): IResumption {
  const at = [...cellNames.keys()].indexOf(cellId);
  const names = [...cellNames.values()];
  // the cell of the parameters has no number, and is in what is said of those around it
  const counted = (range: readonly string[]): readonly string[] =>
    range.filter(name => name !== cellName(0, texts));
  return {
    taken: takenWords(counted(names.slice(0, at)), texts),
    again: rangeWords([names[at], ...counted(names.slice(at + 1))], texts)
  };
}

/** Say which cells are replayed, and which of them run nevertheless. */
function takenWords(names: readonly string[], texts: ITexts): string {
  return names.length === 0
    ? texts.__('Nothing: it is the first cell.')
    : texts.__(
        '%1, as far as they were kept. One that cannot be kept, or whose inputs have changed, runs again, and so does a task cell without a --cache of its own.',
        rangeWords(names, texts)
      );
}

function rangeWords(names: readonly string[], texts: ITexts): string {
  return names.length === 1 ? names[0] : texts.__('%1 to %2', names[0], names[names.length - 1]);
}

/** @param repeated - tasks that run again although they do not depend on this one: their results are not kept */
function ofTask(
  tasks: readonly ITaskView[],
  name: string,
  repeated: readonly IRepeatedTask[],
  texts: ITexts
): IResumption {
  const again = dependents(tasks, name);
  const { groups } = groupTasks(again);
  const named = groups.map(group => ({ name: group.name, runs: group.tasks.length }));
  return {
    taken: isAnyKept(tasks, again, repeated)
      ? texts.__('The results of other tasks that were kept (persist_result, or a cache).')
      : texts.__('Nothing'),
    again: texts.__(
      '%1, and what the flow calls after it has taken a value of these itself',
      countedNames([...named, ...repeated], texts)
    )
  };
}

/** Tell whether a task that does not run again has a result that may have been kept. */
function isAnyKept(
  tasks: readonly ITaskView[],
  again: readonly ITaskView[],
  repeated: readonly IRepeatedTask[]
): boolean {
  const kept = new Map<string, number>();
  const fresh = new Set(again);
  for (const task of tasks) {
    if (!fresh.has(task) && HAS_RESULT.includes(task.state)) {
      kept.set(taskOf(task), (kept.get(taskOf(task)) ?? 0) + 1);
    }
  }
  repeated.forEach(({ name, runs }) => kept.set(name, (kept.get(name) ?? 0) - runs));
  return [...kept.values()].some(count => count > 0);
}

/** Give the tasks that this name means, and those that depend on them as far as the graph shows. O(tasks + edges). */
export function dependents(tasks: readonly ITaskView[], name: string): readonly ITaskView[] {
  const found = new Set<string>();
  return tasks.filter(task => {
    const isFound = isNamed(task, name) || task.upstream.some(id => found.has(id));
    if (isFound) {
      found.add(task.task_run_id);
    }
    return isFound;
  });
}
