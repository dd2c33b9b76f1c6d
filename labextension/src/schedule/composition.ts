/** What a deployment is to say: what it said, with what the dialog's fields say in place of that. */

import { readFields, readList, readNumber, readTextOrNull } from '../schemas';
import type { FieldsOf, IDeployment } from './records';
import type { ISchedule } from './recurrence';

/** Field to JSON. */
export type JsonFields = ReadonlyMap<string, string>;

/** What stands in the dialog's fields. */
export interface IScheduleValues {
  readonly schedule: ISchedule;
  readonly timezone: string;
  /** Of the schedule, by the names of the API and of {@link OPTION_FIELDS}. */
  readonly options: JsonFields;
  readonly parameters: JsonFields;
}

/** What becomes of a run that is due while the one before it goes on; `beside` is no limit. */
export type Overlap = 'queue' | 'skip' | 'cancel-running' | 'beside';

/** Options that stand in a schedule, and those that stand in its deployment. */
const OF_SCHEDULE = ['catchup', 'max_late', 'jitter', 'start', 'end'] as const;
const OF_DEPLOYMENT = ['pool', 'retries', 'retry_delay', 'timeout'] as const;
const FORMS = ['every', 'rrule', 'cron', 'timezone'] as const;
const OFFSET = /(Z|[+-]\d\d:\d\d)$/;

/**
 * Give the values of the option fields of a deployment, by name; what it does not say is left out.
 *
 * @param at - which of its schedules, from 0
 */
export function optionsOf(deployment: IDeployment, at: number): FieldsOf {
  const { spec } = deployment;
  const schedule = scheduleOf(spec, at);
  const said = [
    ...OF_SCHEDULE.map(name => [name, schedule[name]] as const),
    ...OF_DEPLOYMENT.map(name => [name, spec[name]] as const)
  ];
  const values: Record<string, unknown> = Object.fromEntries(
    said.filter(([, value]) => value !== undefined)
  );
  for (const name of ['start', 'end']) {
    const time = readTextOrNull(values[name]);
    if (time !== null) {
      values[name] = time.replace(OFFSET, '');
    }
  }
  const concurrency = readNumber(spec.concurrency);
  values.overlap = concurrency === null ? 'beside' : (readTextOrNull(spec.on_conflict) ?? 'queue');
  return concurrency === null ? values : { ...values, concurrency };
}

/** Give one schedule of what a deployment says; an empty one where it has none. */
export function scheduleOf(spec: FieldsOf, at: number): FieldsOf {
  return readList(spec.schedules, readFields)[at] ?? {};
}

/**
 * Give the body that deploys, as JSON.
 *
 * @param base - what is there; null for a new deployment
 * @param notebook - the file, as the server knows it; one that is there keeps the path by which it knows the file
 * @param at - which of its schedules, from 0; one behind the last is added
 */
export function deploymentBody(
  base: IDeployment | null,
  notebook: string,
  at: number,
  values: IScheduleValues
): string {
  const before = base?.spec ?? {};
  const schedules = readList(before.schedules, readFields).map(schedule =>
    JSON.stringify(schedule)
  );
  schedules[at] = scheduleBody(scheduleOf(before, at), values);
  const overlap = JSON.parse(values.options.get('overlap') ?? '"queue"') as Overlap;
  const said = new Map<string, string>([
    ...kept(before, [...OF_DEPLOYMENT, 'concurrency', 'on_conflict', 'parameters', 'schedules']),
    ...chosen(values.options, OF_DEPLOYMENT),
    ['notebook', JSON.stringify(readTextOrNull(before.notebook) ?? notebook)],
    ['parameters', jsonObject(values.parameters)],
    ['schedules', `[${schedules.join(', ')}]`]
  ]);
  if (overlap !== 'beside') {
    said.set('concurrency', values.options.get('concurrency') ?? '1');
    said.set('on_conflict', JSON.stringify(overlap));
  }
  return jsonObject(said);
}

function scheduleBody(before: FieldsOf, values: IScheduleValues): string {
  const { options, schedule, timezone } = values;
  const said = new Map<string, string>([
    ...kept(before, [...FORMS, ...OF_SCHEDULE]),
    [schedule.field, JSON.stringify(schedule.text)],
    ['timezone', JSON.stringify(timezone)],
    ...chosen(options, OF_SCHEDULE)
  ]);
  for (const name of ['start', 'end']) {
    const time = readTextOrNull(before[name]);
    // the same time on the same clocks is the same instant, also in the hour that comes twice
    if (time !== null && before.timezone === timezone && said.get(name) === timeJson(time)) {
      said.set(name, JSON.stringify(time));
    }
  }
  return jsonObject(said);
}

function timeJson(time: string): string {
  return JSON.stringify(time.replace(OFFSET, ''));
}

function kept(before: FieldsOf, without: readonly string[]): [string, string][] {
  return Object.entries(before)
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => [name, JSON.stringify(value)]);
}

function chosen(values: JsonFields, names: readonly string[]): [string, string][] {
  return [...values].filter(([name]) => names.includes(name));
}

function jsonObject(members: JsonFields): string {
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}: ${json}`).join(', ')}}`;
}

/** Give the name that a new deployment of a notebook starts with: one that no other deployment of it has. */
export function freeName(notebook: string, taken: readonly string[]): string {
  const stem = notebook.replace(/\.ipynb$/, '');
  let name = stem;
  for (let number = 2; taken.includes(name); number += 1) {
    name = `${stem}-${number}`;
  }
  return name;
}
