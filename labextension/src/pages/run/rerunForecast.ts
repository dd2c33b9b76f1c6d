/** What is to be known before a run is run again, as the server foresees it, and how it is said. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import { copyRow } from '../copyRow';

/** So many tasks are named. */
const MOST_NAMED = 8;

/** A task, and how many runs of it run again. */
export interface IRepeatedTask {
  readonly name: string;
  readonly runs: number;
}

/** What running a run again does beside what is asked for. */
export interface IRerunForecast {
  /** Those whose runs completed, and run again since their results are not kept. */
  readonly tasks: readonly IRepeatedTask[];
  /** How many cells that completed run again, since nothing was kept of them. */
  readonly cells: number;
  /** Why nothing was: `no_cache` or `secrets`; null where something may have been. */
  readonly cells_because: string | null;
  /** Which code it executes: `current`, `notebook`, `deployed`, `undeployed` or `flow`. */
  readonly code: string;
  /** The command that runs the code of today; empty where none is known. */
  readonly command: string;
  /** The notebook that was changed; empty where that is not known. */
  readonly notebook_path: string;
}

/** How a flow of no deployment is run anew. */
export interface IWayToNewRun {
  /** The deployment of the same flow, which the server can run; null for none. */
  readonly deployment: string | null;
  /** The command that does it where its code is; empty for none. */
  readonly command: string;
}

/** Whether the server can run a run again. */
export interface IOutlook {
  /** Why it cannot; empty where it can. */
  readonly problem: string;
  /** The command that can, where its code is; empty for none. */
  readonly command: string;
  /** The id of the cell from which it can be resumed in place of the named one; null for none. */
  readonly instead_cell: string | null;
  readonly forecast: IRerunForecast;
  readonly new_run: IWayToNewRun;
}

/** A forecast that tells nothing. */
export const NOTHING_FORESEEN: IRerunForecast = {
  tasks: [],
  cells: 0,
  cells_because: null,
  code: 'current',
  command: '',
  notebook_path: ''
};

/** Nothing is known that would run it anew. */
export const NO_WAY: IWayToNewRun = { deployment: null, command: '' };

/** Read what the server foresees. */
export function readOutlook(data: unknown): IOutlook {
  const fields = readFields(data);
  const forecast = readFields(fields?.forecast);
  const anew = readFields(fields?.new_run);
  return {
    problem: readTextOrNull(fields?.problem) ?? '',
    command: readTextOrNull(fields?.command) ?? '',
    instead_cell: readTextOrNull(fields?.instead_cell),
    new_run: {
      deployment: readTextOrNull(anew?.deployment),
      command: readTextOrNull(anew?.command) ?? ''
    },
    forecast: {
      tasks: readList(forecast?.tasks, readRepeated),
      cells: readNumber(forecast?.cells) ?? 0,
      cells_because: readTextOrNull(forecast?.cells_because),
      code: readTextOrNull(forecast?.code) ?? 'current',
      command: readTextOrNull(forecast?.command) ?? '',
      notebook_path: readTextOrNull(forecast?.notebook_path) ?? ''
    }
  };
}

/** Say what is to be known, a paragraph for each thing, and have the command to be copied; none where there is nothing. */
export function forecastNotes(forecast: IRerunForecast, texts: ITexts): readonly HTMLElement[] {
  const { code, command } = forecast;
  const label = code === 'deployed' ? texts.__('As it is deployed now') : texts.__('As it is now');
  return [
    ...paragraph(codeWords(forecast, texts)),
    ...(command === '' ? [] : [copyRow(label, command, texts)]),
    ...paragraph(taskWords(forecast, texts)),
    ...paragraph(cellWords(forecast, texts))
  ];
}

function paragraph(text: string): readonly HTMLElement[] {
  return text === '' ? [] : [html('p', { class: 'orc-forecast' }, text)];
}

/** Name tasks with how many runs they are of, the last ones only as a number where there are many. */
export function countedNames(tasks: readonly IRepeatedTask[], texts: ITexts): string {
  const listed = tasks
    .slice(0, MOST_NAMED)
    .map(({ name, runs }) => (runs > 1 ? `${name} ×${runs}` : name))
    .join(', ');
  const more = tasks.length - MOST_NAMED;
  return more > 0 ? texts._n('%2 and %1 more', '%2 and %1 more', more, listed) : listed;
}

function codeWords(
  { code, command, notebook_path: notebook }: IRerunForecast,
  texts: ITexts
): string {
  const name = notebook.replace(/.*[\\/]/, '');
  switch (code) {
    case 'notebook':
      return texts.__('%1 has changed since: it runs as it was when the run began.', name);
    case 'deployed':
      return texts.__('%1 was deployed anew since: it runs as it was then.', name);
    case 'undeployed':
      return texts.__(
        '%1 has changed since it was deployed: it runs as it was deployed. Deploy it to have it run.',
        name
      );
    case 'flow':
      return command === ''
        ? texts.__(
            'The flow runs as it was when the run began, whatever was changed since. To run it as it is now, call it again where it stands.'
          )
        : texts.__('The flow runs as it was when the run began, whatever was changed since.');
    default:
      return '';
  }
}

function taskWords({ tasks }: IRerunForecast, texts: ITexts): string {
  if (tasks.length === 0) {
    return '';
  }
  const said = texts._n(
    '%1 task run that completed runs again, since its result is not kept: %2.',
    '%1 task runs that completed run again, since their results are not kept: %2.',
    tasks.reduce((sum, { runs }) => sum + runs, 0),
    countedNames(tasks, texts)
  );
  const remedy = texts.__(
    'persist_result=True, of @task or @flow, or a cache_policy keeps results.'
  );
  return `${said} ${remedy}`;
}

function cellWords({ cells, cells_because: reason }: IRerunForecast, texts: ITexts): string {
  if (cells === 0 || reason === null) {
    return '';
  }
  return reason === 'no_cache'
    ? texts._n(
        '%1 cell that completed runs again: the run was made without --cache, which keeps what cells give.',
        '%1 cells that completed run again: the run was made without --cache, which keeps what cells give.',
        cells
      )
    : texts._n(
        '%1 cell that completed runs again: nothing is kept of a run with secret parameters.',
        '%1 cells that completed run again: nothing is kept of a run with secret parameters.',
        cells
      );
}

function readRepeated(data: unknown): IRepeatedTask | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null ? null : { name, runs: readNumber(fields?.runs) ?? 1 };
}
