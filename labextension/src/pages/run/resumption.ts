/** Asks before a run is retried, or resumed from a cell or a task: what is taken from before, and what runs again. */

import { html } from '../../drawing/elements';
import { groupTasks, isNamed } from '../../drawing/taskGroups';
import type { ITexts } from '../../drawing/translation';
import type { IRun, ITaskView } from '../../schemas';
import { copyRow } from '../copyRow';
import { ask, errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunAgain, IRunStep, PagesApi } from '../pagesApi';
import { NOTHING_FORESEEN, forecastNotes } from './rerunForecast';
import type { IOutlook } from './rerunForecast';
import { cellName } from './runRecords';
import type { RunRecords } from './runRecords';

/** The states of a run that can be resumed. */
const RESUMABLE = ['COMPLETED', 'FAILED', 'TIMED_OUT', 'CRASHED', 'CANCELLED', 'UPSTREAM_FAILED'];
/** So many tasks are named. */
const MOST_NAMED = 8;

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
  readonly from: string;
  readonly taken: string;
  readonly again: string;
}

/** Ask, and have a run resumed from there; true where it is. Where it cannot be, the dialog offers what can be done. */
export async function askToResume(
  { pagesApi, texts }: IPageContext,
  records: RunRecords,
  step: IRunStep
): Promise<boolean> {
  const { run } = records;
  const found = 'cell' in step ? ofCell(records, step.cell, texts) : ofTask(records, step, texts);
  if (run === null || found === null) {
    return false;
  }
  const title = texts.__('Resume run %1 from %2', run.name, found.from);
  const leave = texts.__('Leave as it is');
  const outlook = await readOutlook(pagesApi, run, step, texts);
  const notes = forecastNotes(outlook.forecast, texts);
  if (outlook.problem === '') {
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
    return ask({ title, body, act: texts.__('Resume'), leave, onAct }, texts);
  }
  const { instead_cell: cell } = outlook;
  if (cell === null || outlook.command !== '') {
    return tellProblem(title, outlook, found.from, texts);
  }
  const body = [html('p', {}, fromStartWords(found.from, texts)), ...notes];
  const onAct = () => pagesApi.retryRun(run.run_id, { cell }).then(() => true);
  return ask({ title, body, act: texts.__('Run all cells again'), leave, onAct }, texts);
}

/** Have a run retried, after asking where something is to be known before; null where it is not. */
export async function askToRetry(
  { pagesApi, texts }: IPageContext,
  run: IRun
): Promise<IRunAgain | null> {
  const outlook = await pagesApi.readOutlook(run.run_id, null);
  const title = texts.__('Retry run %1', run.name);
  if (outlook.command !== '') {
    await tellProblem(title, outlook, '', texts);
    return null;
  }
  const body = forecastNotes(outlook.forecast, texts);
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
  await ask({ title, body, act, leave, onAct }, texts);
  return again;
}

function readOutlook(
  pagesApi: PagesApi,
  run: IRun,
  step: IRunStep,
  texts: ITexts
): Promise<IOutlook> {
  return pagesApi.readOutlook(run.run_id, step).catch((error: unknown) => ({
    problem: errorText(error, texts),
    command: '',
    instead_cell: null,
    forecast: NOTHING_FORESEEN
  }));
}

/** Say why this server cannot do it, and which command does. */
function tellProblem(
  title: string,
  { problem, command, instead_cell: cell, forecast }: IOutlook,
  from: string,
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
  return ask({ title, body, act: null, leave: texts.__('Close'), onAct }, texts);
}

function fromStartWords(from: string, texts: ITexts): string {
  return texts.__(
    'Nothing was kept of the cells above %1. All cells of the notebook can be run again, in the same run.',
    from
  );
}

function ofCell({ cellNames }: RunRecords, cellId: string, texts: ITexts): IResumption | null {
  const at = [...cellNames.keys()].indexOf(cellId);
  const names = [...cellNames.values()];
  // the cell of the parameters has no number, and is in what is said of those around it
  const counted = (range: readonly string[]): readonly string[] =>
    range.filter(name => name !== cellName(0, texts));
  return at < 0
    ? null
    : {
        from: names[at],
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

function ofTask({ tasks }: RunRecords, step: { task: string }, texts: ITexts): IResumption | null {
  const again = dependents(tasks, step.task);
  return {
    from: step.task,
    taken: texts.__('The results of other tasks that were kept (persist_result, or a cache).'),
    again: texts.__(
      '%1, and what the flow calls after it has taken a value of these itself',
      namesOf(again, texts)
    )
  };
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

function namesOf(tasks: readonly ITaskView[], texts: ITexts): string {
  const { groups } = groupTasks(tasks);
  const names = groups
    .slice(0, MOST_NAMED)
    .map(({ name, tasks: { length } }) => (length > 1 ? `${name} ×${length}` : name));
  const more = groups.length - names.length;
  const listed = names.join(', ');
  return more > 0 ? texts._n('%2 and %1 more', '%2 and %1 more', more, listed) : listed;
}
