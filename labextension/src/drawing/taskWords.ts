/** What is said of a task: every text of its line, decided apart from how it is drawn. */

import type { IErrorInfo, IRecord, ITaskView } from '../schemas';
import { formatDuration, formatElapsed, formatMoment, secondsRun } from './durations';
import { isFailure, isLive, stateLook } from './states';
import type { ITexts } from './translation';

/** After so many seconds a task that has not begun shows how long it has waited. */
const PATIENCE_SECONDS = 3;

/** What runs for a time that can be expected. */
export type ITimed = IRecord & Pick<ITaskView, 'expected_seconds'>;

/** The texts of one task line; an empty text is not shown. */
export interface ITaskWords {
  readonly word: string;
  readonly time: string;
  /** The exception, or why the task ended badly. */
  readonly error: string;
  /** Where in the user's code. */
  readonly where: string;
  readonly attempt: string;
  readonly worker: string;
  /** What it waits for, or what else there is to say. */
  readonly message: string;
}

/**
 * Give the texts of a task's line.
 *
 * @param cluster - what the cluster is doing, or empty
 * @param live - whether more may follow; false for what was saved in the middle of a run
 * @param now - milliseconds since the epoch
 */
export function taskWords(
  task: ITaskView,
  cluster: string,
  live: boolean,
  now: number,
  texts: ITexts
): ITaskWords {
  const waits = live && task.started_at === null;
  const goesOn = live && isLive(task.state);
  return {
    word: stateWord(task.state, live, texts),
    time: isFailure(task.state) ? '' : timeWords(task, live, now, texts),
    error: isFailure(task.state) ? errorWords(task) : '',
    where: isFailure(task.state) ? whereWords(task, texts) : '',
    attempt: goesOn || task.attempt > 1 ? attemptWords(task, texts) : '',
    worker: goesOn && !waits && task.worker ? workerWords(task.worker, texts) : '',
    message: isFailure(task.state) ? '' : (waits && cluster) || task.message
  };
}

/** Give the word of a state; a state that would go on, in something saved, is said to be of that time. */
export function stateWord(state: string, live: boolean, texts: ITexts): string {
  const word = stateLook(state).word(texts);
  return !live && isLive(state) ? texts.__('%1 when saved', word) : word;
}

/** Give how long a task ran, beside what is expected while it runs. */
export function timeWords(task: ITimed, live: boolean, now: number, texts: ITexts): string {
  const seconds = secondsRun(task, now);
  if (!isLive(task.state)) {
    return seconds === null ? '' : formatDuration(seconds);
  }
  if (!live) {
    return '';
  }
  if (seconds === null) {
    const waited = (now - Date.parse(task.created_at ?? '')) / 1000;
    return waited >= PATIENCE_SECONDS ? texts.__('waiting %1', formatElapsed(waited)) : '';
  }
  const elapsed = formatElapsed(seconds);
  return task.expected_seconds !== null && task.expected_seconds >= 1
    ? texts.__('%1 of ~%2', elapsed, formatElapsed(task.expected_seconds))
    : elapsed;
}

/** Give why a task ended badly: its exception, else its message. */
export function errorWords(task: Pick<ITaskView, 'error' | 'message'>): string {
  return task.error === null ? task.message : exceptionWords(task.error);
}

/** Give an exception as Python's last line of a trace says it, on one line. */
export function exceptionWords(error: IErrorInfo): string {
  const message = error.message.trim().replace(/\s*\n\s*/g, ' ');
  return message === '' ? error.type : `${error.type}: ${message}`;
}

/** Give the attempts begun and allowed; empty before the first. */
export function attemptCount(task: ITaskView, texts: ITexts): string {
  if (task.attempt < 1) {
    return '';
  }
  // Attempts lost to a dead process come on top of those that were allowed.
  return task.attempt > task.max_attempts
    ? String(task.attempt)
    : texts.__('%1 of %2', task.attempt, task.max_attempts);
}

/** Give the facts of a task as pairs of a label and a value, for reading in full. */
export function taskFacts(task: ITaskView, texts: ITexts, locale?: string): [string, string][] {
  const seconds = task.ended_at === null ? null : secondsRun(task, 0);
  const facts: [string, string | null][] = [
    [texts.__('Message'), task.message],
    [texts.__('Code'), task.error?.source_line?.trim() ?? null],
    [texts.__('Submitted'), momentOrNull(task.created_at, locale)],
    [texts.__('Started'), momentOrNull(task.started_at, locale)],
    [texts.__('Ended'), momentOrNull(task.ended_at, locale)],
    [texts.__('Duration'), seconds === null ? null : formatDuration(seconds)],
    [texts.__('Attempt'), attemptCount(task, texts)],
    [texts.__('Worker'), task.worker],
    [
      texts.__('Tags'),
      Object.entries(task.tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ')
    ]
  ];
  return facts.filter((fact): fact is [string, string] => Boolean(fact[1]));
}

/** Give where in the user's code a task failed: "cell 4, line 3"; empty where that is not known. */
export function whereWords(task: ITaskView, texts: ITexts): string {
  const cell = task.error?.cell;
  const line = task.error?.line ?? null;
  const place = cell === task.name ? null : (cell ?? null);
  if (line === null) {
    return place ?? '';
  }
  return place === null ? texts.__('line %1', line) : texts.__('%1, line %2', place, line);
}

function attemptWords(task: ITaskView, texts: ITexts): string {
  return task.attempt < 1 || (task.max_attempts < 2 && task.attempt < 2)
    ? ''
    : texts.__('attempt %1', attemptCount(task, texts));
}

function workerWords(worker: string, texts: ITexts): string {
  return /^\d+$/.test(worker) ? texts.__('worker %1', worker) : worker;
}

function momentOrNull(at: string | null, locale?: string): string | null {
  return at === null ? null : formatMoment(at, locale);
}

/** Say that there are no tasks, or none yet. */
export function noTasksWords(live: boolean, texts: ITexts): string {
  return live ? texts.__('No task has begun yet.') : texts.__('There were no tasks.');
}
