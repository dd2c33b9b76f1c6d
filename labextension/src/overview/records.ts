/** What the side bar shows beside runs, as the server sends it: deployments with schedules, clusters, alerts. */

import {
  readFields,
  readList,
  readNumber,
  readRun,
  readText,
  readTextOrNull,
  readTime
} from '../schemas';
import type { IRun } from '../schemas';

/** A deployment, which runs by itself where it has a schedule. */
export interface IScheduled {
  readonly name: string;
  /** When it is due, each of its schedules in words; empty where it has none. */
  readonly words: readonly string[];
  readonly isPaused: boolean;
  /** ISO 8601; null for never. */
  readonly nextAt: string | null;
  /** The newest run that does not wait to be started. */
  readonly lastRun: IRun | null;
}

/** One worker of a cluster; a limit of 0 means none that is known. */
export interface IClusterWorker {
  readonly name: string;
  readonly host: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly limitBytes: number;
}

/** A Dask cluster. */
export interface ICluster {
  /** "local", or the address of its scheduler. */
  readonly name: string;
  readonly isRunning: boolean;
  /** An http(s) URL, or a path on this server; empty where it has none. */
  readonly dashboardUrl: string;
  /** Why nothing can be said of it; empty where all is well. */
  readonly problem: string;
  /** "settings", and "pool NAME". */
  readonly usedBy: readonly string[];
  readonly workers: readonly IClusterWorker[];
}

/** A task or a run that failed for good, and that nobody has decided about. */
export interface IDeadLetter {
  readonly id: string;
  readonly runId: string;
  readonly name: string;
  readonly flowName: string;
  readonly endedAs: string;
  readonly message: string;
  readonly at: string | null;
}

/** A notification that could not be delivered. */
export interface IUndelivered {
  readonly number: number;
  readonly channel: string;
  readonly title: string;
  readonly error: string;
  readonly at: string | null;
}

/** What somebody should look at. */
export interface IAlerts {
  /** The last that ended first. */
  readonly failed: readonly IRun[];
  readonly late: readonly IRun[];
  readonly deadLetters: readonly IDeadLetter[];
  readonly undelivered: readonly IUndelivered[];
  /** What is wrong with services, in people's words. */
  readonly troubles: readonly string[];
}

/** A page of a list by name; `next` leads to the following one. */
export interface IPage<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** Read a page of deployments. */
export function readDeploymentPage(data: unknown): IPage<IScheduled> {
  const fields = readFields(data);
  return {
    items: readList(fields?.deployments, readScheduled),
    next: readTextOrNull(fields?.next)
  };
}

/** Read the list of clusters. */
export function readClusters(data: unknown): readonly ICluster[] {
  return readList(readFields(data)?.clusters, readCluster);
}

/** Read alerts; null where the answer holds none. */
export function readAlerts(data: unknown): IAlerts | null {
  const fields = readFields(data);
  if (fields === null || !Array.isArray(fields.failed)) {
    return null;
  }
  return {
    failed: readList(fields.failed, readRun),
    late: readList(fields.late, readRun),
    deadLetters: readList(fields.dead_letters, readLetter),
    undelivered: readList(fields.undelivered, readUndelivered),
    troubles: readList(fields.troubles, readTrouble)
  };
}

function readScheduled(data: unknown): IScheduled | null {
  const fields = readFields(data);
  const name = readText(fields?.name);
  if (fields === null || name === '') {
    return null;
  }
  return {
    name,
    words: readList(fields.schedules, readTextOrNull),
    isPaused: fields.is_paused === true,
    nextAt: readTime(fields.next_at),
    lastRun: readRun(fields.last_run)
  };
}

function readCluster(data: unknown): ICluster | null {
  const fields = readFields(data);
  const name = readText(fields?.name);
  if (fields === null || name === '') {
    return null;
  }
  return {
    name,
    isRunning: fields.is_running === true,
    dashboardUrl: readDashboardUrl(fields.dashboard_url),
    problem: readText(fields.problem),
    usedBy: readList(fields.used_by, readTextOrNull),
    workers: readList(fields.workers, readWorker)
  };
}

/** Read a link that may be followed: never one that runs code. */
function readDashboardUrl(data: unknown): string {
  const url = readText(data);
  return /^(https?:\/\/|\/(?!\/))/.test(url) ? url : '';
}

function readWorker(data: unknown): IClusterWorker | null {
  const fields = readFields(data);
  if (fields === null) {
    return null;
  }
  return {
    name: readText(fields.name),
    host: readText(fields.host),
    threads: readNumber(fields.threads) ?? 1,
    memoryBytes: readNumber(fields.memory_bytes) ?? 0,
    limitBytes: readNumber(fields.memory_limit_bytes) ?? 0
  };
}

function readLetter(data: unknown): IDeadLetter | null {
  const fields = readFields(data);
  const runId = readText(fields?.run_id);
  if (fields === null || runId === '') {
    return null;
  }
  const of = readTextOrNull(fields.task_run_id) ?? runId;
  return {
    id: `${of}.${readNumber(fields.epoch) ?? 1}`,
    runId,
    name: readText(fields.name),
    flowName: readText(fields.flow_name),
    endedAs: readText(fields.ended_as),
    message: readText(fields.message),
    at: readTime(fields.created_at)
  };
}

function readUndelivered(data: unknown): IUndelivered | null {
  const fields = readFields(data);
  const number = readNumber(fields?.number);
  if (fields === null || number === null) {
    return null;
  }
  return {
    number,
    channel: readText(fields.channel),
    title: readText(fields.title),
    error: readText(fields.error),
    at: readTime(fields.created_at)
  };
}

function readTrouble(data: unknown): string | null {
  const fields = readFields(data);
  const problem = readText(fields?.problem);
  const place = [readText(fields?.service), readText(fields?.loop)].filter(word => word !== '');
  return problem === '' ? null : [...place, problem].join(': ');
}
