/** Flows and deployments as the server sends them, and how they are read. */

import { readFields, readList, readNumber, readRun, readTextOrNull } from '../../schemas';
import type { IRecord, IRun } from '../../schemas';

/** A run of a flow, as its history shows it. */
export type IFlowRun = IRecord & Pick<IRun, 'run_id' | 'name' | 'notebook_path'>;

/** A deployment of a flow. */
export interface IFlowDeployment {
  readonly name: string;
  readonly version: number;
  readonly is_paused: boolean;
  /** When it is due next; null for never. */
  readonly next_at: string | null;
}

/** A flow as lists show it. */
export interface IFlow {
  readonly name: string;
  /** How many of its newest runs the rate and the durations are of. */
  readonly counted: number;
  /** From 0 to 1; null where nothing was decided. */
  readonly success_rate: number | null;
  /** Seconds of its successes, at the middle and at nineteen of twenty; null before the first. */
  readonly duration: { readonly p50: number; readonly p95: number } | null;
  /** The newest first. */
  readonly outcomes: readonly IFlowRun[];
  readonly deployments: readonly IFlowDeployment[];
  readonly next_at: string | null;
  /** The paths of the notebooks that ran under this name of late, the one that ran last first. */
  readonly notebooks: readonly string[];
}

/** Some flows, by name; `next` leads to those that follow, null at the end. */
export interface IFlowListPage {
  readonly flows: readonly IFlow[];
  readonly next: string | null;
}

/** What became of a task in a run. */
export interface IMatrixCell {
  /** Of several task runs the worst; CACHED where none of them was computed. */
  readonly state: string;
  readonly count: number;
  readonly failed: number;
  readonly seconds: number | null;
}

/** A task, or a cell of a notebook without tasks, over the runs of a flow. */
export interface IMatrixRow {
  readonly name: string;
  /** As people count in their own file, from 1; null for a task. */
  readonly cell_number: number | null;
  /** In the order of the runs; null where the run has no such task. */
  readonly cells: readonly (IMatrixCell | null)[];
}

/** A flow with its last runs, the newest first. */
export interface IFlowDetails {
  readonly flow: IFlow;
  /** The path of the notebook that this is of; null for all that run under the name. */
  readonly notebook: string | null;
  readonly runs: readonly IFlowRun[];
  readonly tasks: readonly IMatrixRow[];
  /** Whether there are more tasks than these. */
  readonly is_cut: boolean;
}

/** One time at which a deployment is due. */
export interface IFireTime {
  /** In the zone of the schedule. */
  readonly at: string;
  readonly words: string;
  readonly note: string;
}

/** A deployment with what is due next. */
export interface IDeploymentTimes {
  readonly name: string;
  readonly version: number;
  readonly is_paused: boolean;
  readonly schedules: readonly { readonly words: string; readonly problem: string }[];
  readonly fire_times: readonly IFireTime[];
}

/** What two versions of a deployment say differently; undefined where one of them does not say it. */
export interface IFieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** A version of a deployment, and what it changed. */
export interface IDeploymentVersion {
  readonly version: number;
  readonly created_at: string;
  readonly created_by: string;
  readonly note: string;
  readonly changes: readonly IFieldChange[];
}

/** Read a flow; null when it is none. */
export function readFlow(data: unknown): IFlow | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  if (name === null) {
    return null;
  }
  const duration = readFields(fields?.duration);
  const [p50, p95] = [readNumber(duration?.p50), readNumber(duration?.p95)];
  return {
    name,
    counted: readNumber(fields?.counted) ?? 0,
    success_rate: readNumber(fields?.success_rate),
    duration: p50 === null || p95 === null ? null : { p50, p95 },
    outcomes: readList(fields?.outcomes, readRun),
    deployments: readList(fields?.deployments, readDeployment),
    next_at: readTextOrNull(fields?.next_at),
    notebooks: readList(fields?.notebooks, readTextOrNull)
  };
}

/** Read a flow with its runs; null when it is none. */
export function readFlowDetails(data: unknown): IFlowDetails | null {
  const fields = readFields(data);
  const flow = readFlow(fields?.flow);
  return (
    flow && {
      flow,
      notebook: readTextOrNull(fields?.notebook),
      runs: readList(fields?.runs, readRun),
      tasks: readList(fields?.tasks, readMatrixRow),
      is_cut: fields?.is_cut === true
    }
  );
}

/** Read a deployment with what is due next; null when it is none. */
export function readDeploymentTimes(data: unknown): IDeploymentTimes | null {
  const fields = readFields(data);
  const deployment = readDeployment(data);
  return (
    deployment && {
      name: deployment.name,
      version: deployment.version,
      is_paused: deployment.is_paused,
      schedules: readList(fields?.schedules, item => {
        const schedule = readFields(item);
        const words = readTextOrNull(schedule?.words);
        return words === null ? null : { words, problem: readTextOrNull(schedule?.problem) ?? '' };
      }),
      fire_times: readList(fields?.fire_times, readFireTime)
    }
  );
}

/** Read a version; null when it is none. */
export function readVersion(data: unknown): IDeploymentVersion | null {
  const fields = readFields(data);
  const [version, at] = [readNumber(fields?.version), readTextOrNull(fields?.created_at)];
  if (version === null || at === null) {
    return null;
  }
  return {
    version,
    created_at: at,
    created_by: readTextOrNull(fields?.created_by) ?? '',
    note: readTextOrNull(fields?.note) ?? '',
    changes: readList(fields?.changes, item => {
      const change = readFields(item);
      const field = readTextOrNull(change?.field);
      return field === null ? null : { field, before: change?.before, after: change?.after };
    })
  };
}

function readDeployment(data: unknown): IFlowDeployment | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null
    ? null
    : {
        name,
        version: readNumber(fields?.version) ?? 1,
        is_paused: fields?.is_paused === true,
        next_at: readTextOrNull(fields?.next_at)
      };
}

function readMatrixRow(data: unknown): IMatrixRow | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  const cells: unknown[] | null = Array.isArray(fields?.cells) ? fields.cells : null;
  return name === null || cells === null
    ? null
    : { name, cell_number: readNumber(fields?.cell_number), cells: cells.map(readMatrixCell) };
}

function readMatrixCell(data: unknown): IMatrixCell | null {
  const fields = readFields(data);
  const state = readTextOrNull(fields?.state);
  return state === null
    ? null
    : {
        state: state === 'COMPLETED' && fields?.is_cached === true ? 'CACHED' : state,
        count: readNumber(fields?.count) ?? 1,
        failed: readNumber(fields?.failed) ?? 0,
        seconds: readNumber(fields?.seconds)
      };
}

function readFireTime(data: unknown): IFireTime | null {
  const fields = readFields(data);
  const at = readTextOrNull(fields?.at);
  return at === null
    ? null
    : {
        at,
        words: readTextOrNull(fields?.words) ?? '',
        note: readTextOrNull(fields?.note) ?? ''
      };
}
