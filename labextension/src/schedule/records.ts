/** What the server tells of deployments, of schedules and of who starts them; all is checked as it is read. */

import { readFields, readList, readNumber, readTextOrNull } from '../schemas';

/** Fields of a record, by name. */
export type FieldsOf = Readonly<Record<string, unknown>>;

/** One time at which a schedule is due. */
export interface IFireTime {
  /** ISO 8601, in the schedule's zone. */
  readonly at: string;
  /** The day and the time as the server writes them. */
  readonly words: string;
  /** What a change of the clock does to it; may be empty. */
  readonly note: string;
}

/** What a schedule says and when it is due next. */
export interface ISchedulePreview {
  readonly words: string;
  readonly timezone: string;
  readonly fireTimes: readonly IFireTime[];
}

/** A deployment as the dialog knows it. */
export interface IDeployment {
  readonly name: string;
  readonly version: number;
  readonly isPaused: boolean;
  /** What it says, in the form of files. */
  readonly spec: FieldsOf;
  /** Each of its schedules in words. */
  readonly words: readonly string[];
  /** Why one of its schedules cannot be worked off; else empty. */
  readonly problem: string;
  /** When it is due next, ISO 8601; null for never. */
  readonly nextAt: string | null;
}

/** A work pool, and how many serve it. */
export interface IPool {
  readonly name: string;
  readonly workers: number;
}

/** Who looks at schedules. */
export interface IServiceHealth {
  /** How the service of this server is: `up`, `starting`, `off`, `no store yet` or `given up`. */
  readonly ownService: string;
  /** How many services are up, that of this server included. */
  readonly up: number;
}

/** Read a preview; null when it is none. */
export function readPreview(data: unknown): ISchedulePreview | null {
  const fields = readFields(data);
  const words = readTextOrNull(fields?.words);
  return fields === null || words === null
    ? null
    : {
        words,
        timezone: readTextOrNull(fields.timezone) ?? '',
        fireTimes: readList(fields.fire_times, readFireTime)
      };
}

/** Read a deployment; null when it is none. */
export function readDeployment(data: unknown): IDeployment | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  const version = readNumber(fields?.version);
  const spec = readFields(fields?.spec);
  if (fields === null || name === null || version === null || spec === null) {
    return null;
  }
  const schedules = readList(fields.schedules, readFields);
  const problems = schedules.map(schedule => readTextOrNull(schedule.problem) ?? '');
  const [next] = readList(fields.fire_times, readFireTime);
  return {
    name,
    version,
    isPaused: fields.is_paused === true,
    spec,
    words: schedules.map(schedule => readTextOrNull(schedule.words) ?? ''),
    problem: problems.find(problem => problem !== '') ?? '',
    nextAt: next?.at ?? null
  };
}

/** Read a pool; null when it is none. */
export function readPool(data: unknown): IPool | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null ? null : { name, workers: readNumber(fields?.workers) ?? 0 };
}

/** Read how services are; null when it is nothing of that kind. */
export function readHealth(data: unknown): IServiceHealth | null {
  const fields = readFields(data);
  const ownService = readTextOrNull(fields?.own_service);
  return fields === null || ownService === null
    ? null
    : {
        ownService,
        up: readList(fields.services, readFields).filter(service => service.is_up === true).length
      };
}

function readFireTime(data: unknown): IFireTime | null {
  const fields = readFields(data);
  const at = readTextOrNull(fields?.at);
  return at === null || Number.isNaN(Date.parse(at))
    ? null
    : {
        at,
        words: readTextOrNull(fields?.words) ?? '',
        note: readTextOrNull(fields?.note) ?? ''
      };
}
