/** Earlier runs of a notebook, whose parameters a form can start from. */

import type { ITexts } from '../drawing/translation';
import { readFields, readTextOrNull } from '../schemas';
import type { IRun } from '../schemas';

const DAY = 86_400_000;

/** A run and its parameters. */
export interface IEarlierRun {
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** The notebook's file. */
  readonly notebookPath: string;
  /** As recorded: secrets are hidden, or the names of stored ones. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Read an earlier run; null when it is none, or had no parameters. */
export function readEarlierRun(data: unknown): IEarlierRun | null {
  const fields = readFields(data);
  const parameters = readFields(fields?.parameters);
  const createdAt = readTextOrNull(fields?.created_at);
  if (fields === null || parameters === null || createdAt === null) {
    return null;
  }
  return {
    name: readTextOrNull(fields.name) ?? '',
    createdAt,
    notebookPath: readTextOrNull(fields.notebook_path) ?? '',
    parameters
  };
}

/**
 * Give those runs that a form is to offer, the newest first: of this file, and each set of values once.
 *
 * @param most - at most so many
 */
export function offeredRuns(
  runs: readonly IEarlierRun[],
  path: string,
  most: number
): IEarlierRun[] {
  const seen = new Set<string>();
  const offered = runs.filter(run => {
    const values = sorted(run.parameters);
    const isNew = Object.keys(run.parameters).length > 0 && !seen.has(values);
    seen.add(values);
    return isNew && run.notebookPath === path;
  });
  return offered.slice(0, most);
}

/** Say when something was, near `now` (milliseconds since the epoch) in words: "08:00", "yesterday 08:00", "3 Mar 08:00". */
export function whenText(at: string, now: number, locale?: string): string {
  const moment = new Date(at);
  const time = moment.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
  const days = Math.round((midnight(now) - midnight(moment.getTime())) / DAY);
  if (days <= 1) {
    const word = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(-days, 'day');
    return `${word} ${time}`;
  }
  const date = moment.toLocaleDateString(locale, { day: 'numeric', month: 'short' });
  return `${date} ${time}`;
}

/** Say which run it is that a form can start from. */
export function presetLabel(run: IEarlierRun, now: number, texts: ITexts, locale?: string): string {
  return texts.__('As in run %1 (%2)', run.name, whenText(run.createdAt, now, locale));
}

/** What a form starts from by itself: values, and how they are called among what can be started from. */
export interface IFormBegin {
  readonly label: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Have a form start from a run, and offer those earlier ones that had other values; undefined where it had none. */
export function beginWith(
  run: IRun,
  earlier: readonly IEarlierRun[],
  now: number,
  texts: ITexts,
  locale?: string
): { readonly begin: IFormBegin | undefined; readonly earlier: readonly IEarlierRun[] } {
  const { name, parameters: values } = run;
  const own = { name, createdAt: run.created_at ?? '', notebookPath: '', parameters: values };
  const label = presetLabel(own, now, texts, locale);
  return {
    begin: Object.keys(values).length === 0 ? undefined : { label, values },
    earlier: earlier.filter(({ parameters }) => sorted(parameters) !== sorted(values))
  };
}

function sorted(values: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(values).sort());
}

function midnight(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}
