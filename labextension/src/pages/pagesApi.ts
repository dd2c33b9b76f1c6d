/** What the pages ask of the server beside what all views ask: `api.ts` has the rest. */

import { ApiError } from '../apiError';
import { readEarlierRun } from '../form/earlierRuns';
import type { IEarlierRun } from '../form/earlierRuns';
import { readNotebookParameters } from '../form/fields';
import type { INotebookParameters } from '../form/fields';
import { request, requestTagged } from '../request';
import type { IServerSettings, ITaggedAnswer, Method, Query } from '../request';
import {
  isId,
  readFields,
  readList,
  readNumber,
  readRun,
  readTextOrNull,
  readTime
} from '../schemas';
import type { IRun } from '../schemas';
import { readDeploymentTimes, readFlow, readFlowDetails, readVersion } from './flows/flowSchemas';
import type {
  IDeploymentTimes,
  IDeploymentVersion,
  IFlowDetails,
  IFlowListPage
} from './flows/flowSchemas';
import { readExecutedNotebook } from './run/executedNotebook';
import type { IExecutedNotebook } from './run/executedNotebook';
import { readOutlook } from './run/rerunForecast';
import type { IOutlook } from './run/rerunForecast';
import { readRunAttempt } from './run/runAttempts';
import type { IRunAttempt } from './run/runAttempts';

const LISTED_RUNS = 50;
const MOST_ARTIFACTS = 100;
const LISTED_VERSIONS = 20;
const EARLIER_RUNS = 30;

/** Which runs are listed. */
export interface IRunFilter {
  /** States of the API with commas; empty for all. */
  readonly states: string;
  /** Name of a flow or notebook; empty for all. */
  readonly flow: string;
}

/** Some runs, the newest first; `next` leads to those that follow, null at the end. */
export interface IRunListPage {
  readonly runs: readonly IRun[];
  readonly next: string | null;
}

/** One time that a task was begun. */
export interface ITaskAttempt {
  readonly task_run_id: string;
  readonly epoch: number;
  readonly number: number;
  readonly state: string;
  readonly message: string;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** A value that a run recorded or returned. */
export interface IRunValue {
  readonly name: string;
  readonly type: string;
  readonly value: unknown;
  readonly summary: string;
}

/** An artifact; the form of `data` belongs to the type. */
export interface IArtifact {
  readonly artifact_id: string;
  readonly type: string;
  readonly key: string | null;
  readonly description: string;
  readonly data: unknown;
}

/** From where a run is resumed: a cell of its notebook by id, or a task of its flow by name or that of one run of it. */
export type IRunStep = { readonly cell: string } | { readonly task: string };

/** A run that was put into its pool again. */
export interface IRunAgain {
  /** What it waits for there; empty where it goes on. */
  readonly message: string;
}

/** What a run asks people for. */
export interface IRunQuestion {
  /** Names the question within its run. */
  readonly key: string;
  /** JSON Schema of the answer; null where only to go on is asked for. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly description: string;
  /** ISO 8601; null while it waits. */
  readonly answered_at: string | null;
  readonly answered_by: string | null;
}

/** Asks what the pages show, and does what their buttons say. All methods throw `ApiError`. */
export class PagesApi {
  constructor(settings: IServerSettings) {
    this._settings = settings;
  }

  /** List runs. */
  async listRuns(filter: IRunFilter, before: string | null): Promise<IRunListPage> {
    const query: Query = {
      limit: LISTED_RUNS,
      state: filter.states || null,
      flow: filter.flow || null,
      before
    };
    const fields = readFields(await request(this._settings, 'GET', ['runs'], query));
    return { runs: readList(fields?.runs, readRun), next: readTextOrNull(fields?.next) };
  }

  /** Find the newest run with a name; null when there is none. */
  async findRun(name: string): Promise<IRun | null> {
    try {
      const fields = readFields(await request(this._settings, 'GET', ['runs', name]));
      return readRun(fields?.run);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return null;
      }
      throw error;
    }
  }

  /** Give the median duration, in seconds, of the last successes of a run's flow; null before the first. */
  async readExpectedSeconds(
    run: Pick<IRun, 'flow_name' | 'notebook_path'>
  ): Promise<number | null> {
    const { flow } = await this.readFlow(run.flow_name, run.notebook_path, 1);
    return flow.duration?.p50 ?? null;
  }

  /** Read the attempts of those tasks of a run that were begun more than once. */
  async readAttempts(runId: string): Promise<readonly ITaskAttempt[]> {
    const path = ['runs', checkedId(runId), 'task-attempts'];
    const attempts: ITaskAttempt[] = [];
    let after: string | null = null;
    do {
      const fields = readFields(await request(this._settings, 'GET', path, { after }));
      attempts.push(...readList(fields?.attempts, readTaskAttempt));
      after = readTextOrNull(fields?.next);
    } while (after !== null);
    return attempts;
  }

  /** List each time that a run was begun, the oldest first. */
  async listRunAttempts(runId: string): Promise<readonly IRunAttempt[]> {
    const fields = readFields(await this._ofRun(runId, 'attempts'));
    return readList(fields?.attempts, readRunAttempt);
  }

  /**
   * Read the executed notebook of a run.
   *
   * @param attempt - null for the newest
   * @param known - the version that is known; null for none
   */
  async readExecutedNotebook(
    runId: string,
    attempt: number | null,
    known: string | null
  ): Promise<IExecutedNotebook> {
    const path = ['runs', checkedId(runId), 'notebook'];
    const answer = await request(this._settings, 'GET', path, { attempt, known });
    const notebook = readExecutedNotebook(answer);
    if (notebook === null) {
      throw new ApiError('The answer holds no notebook.', 200, 'unexpected_answer');
    }
    return notebook;
  }

  /** Read what a run recorded and returned. */
  async readValues(runId: string): Promise<readonly IRunValue[]> {
    const fields = readFields(await this._ofRun(runId, 'values'));
    return readList(fields?.values, readRunValue);
  }

  /** List the flows that have run or are deployed, by name. */
  async listFlows(after: string | null): Promise<IFlowListPage> {
    const fields = readFields(await request(this._settings, 'GET', ['flows'], { after }));
    return { flows: readList(fields?.flows, readFlow), next: readTextOrNull(fields?.next) };
  }

  /**
   * Read a flow with its last runs.
   *
   * @param notebook - the path of the notebook that it is of; null for all that run under the name
   * @param runs - at most so many; undefined for the server's own number
   */
  async readFlow(name: string, notebook: string | null, runs?: number): Promise<IFlowDetails> {
    const query = { notebook, runs: runs ?? null };
    const flow = readFlowDetails(await request(this._settings, 'GET', ['flows', name], query));
    if (flow === null) {
      throw new ApiError('The answer holds no flow.', 200, 'unexpected_answer');
    }
    return flow;
  }

  /** Read when a deployment is due next; null where the answer holds none. */
  async readDeployment(name: string): Promise<IDeploymentTimes | null> {
    return readDeploymentTimes(await request(this._settings, 'GET', ['deployments', name]));
  }

  /** Read the newest versions of a deployment, the newest first. */
  async listVersions(name: string): Promise<readonly IDeploymentVersion[]> {
    const path = ['deployments', name, 'versions'];
    const query = { limit: LISTED_VERSIONS };
    const fields = readFields(await request(this._settings, 'GET', path, query));
    return readList(fields?.versions, readVersion);
  }

  /** Read what parameters a run of a deployment can be given: the deployment's own values are the defaults. */
  async readDeployedParameters(name: string): Promise<INotebookParameters> {
    const path = ['deployments', name, 'parameters'];
    const parameters = readNotebookParameters(await request(this._settings, 'GET', path));
    if (parameters === null) {
      throw new ApiError('The answer holds no parameters.', 200, 'unexpected_answer');
    }
    return parameters;
  }

  /** List the last runs of a deployment that had parameters. */
  async listEarlierRunsOf(deployment: string): Promise<readonly IEarlierRun[]> {
    const query = {
      deployment,
      limit: EARLIER_RUNS,
      fields: 'name,created_at,notebook_path,parameters'
    };
    const fields = readFields(await request(this._settings, 'GET', ['runs'], query));
    return readList(fields?.runs, readEarlierRun);
  }

  /** List the newest artifacts of a run. */
  async listArtifacts(runId: string): Promise<readonly IArtifact[]> {
    const query = { run: checkedId(runId), limit: MOST_ARTIFACTS };
    const fields = readFields(await request(this._settings, 'GET', ['artifacts'], query));
    return readList(fields?.artifacts, readArtifact);
  }

  /**
   * Have a run that ended badly run again, without what it did already.
   *
   * @param step - where it is resumed from, also where it ended well; null for where it failed
   */
  async retryRun(runId: string, step: IRunStep | null = null): Promise<IRunAgain> {
    const path = ['runs', checkedId(runId), 'retry'];
    const from =
      step === null ? {} : 'cell' in step ? { from_cell: step.cell } : { from_task: step.task };
    const body = JSON.stringify(from);
    const fields = readFields(await request(this._settings, 'POST', path, {}, body));
    return { message: readTextOrNull(fields?.message) ?? '' };
  }

  /** Read whether a run can be resumed from a cell or a task, or retried (null), and what is to be known before. */
  async readOutlook(runId: string, step: IRunStep | null): Promise<IOutlook> {
    const path = ['runs', checkedId(runId), 'resumption'];
    return readOutlook(await request(this._settings, 'GET', path, { ...step }));
  }

  /** Read what a run asks people for, in order, answered or not. */
  async listQuestions(runId: string): Promise<readonly IRunQuestion[]> {
    const fields = readFields(await this._ofRun(runId, 'inputs'));
    return readList(fields?.inputs, readQuestion);
  }

  /**
   * Let a paused or suspended run go on.
   *
   * @param key - which question is answered; null where it asks for nothing
   * @param answer - JSON
   */
  async resumeRun(runId: string, key: string | null, answer: string): Promise<IRunAgain> {
    const path = ['runs', checkedId(runId), 'resume'];
    const body = `{"input": ${answer}, "key": ${JSON.stringify(key)}}`;
    const fields = readFields(await request(this._settings, 'POST', path, {}, body));
    return { message: readTextOrNull(fields?.message) ?? '' };
  }

  /** Set the state of a run by hand; `said` is `state` and `note` to JSON. */
  async setRunState(runId: string, said: ReadonlyMap<string, string>): Promise<void> {
    const members = [...said].map(([name, json]) => `${JSON.stringify(name)}: ${json}`);
    const path = ['runs', checkedId(runId), 'state'];
    await request(this._settings, 'POST', path, {}, `{${members.join(', ')}}`);
  }

  /** Keep the answer, JSON, to a question of a run that nobody here can start. */
  async answerQuestion(runId: string, key: string, answer: string): Promise<void> {
    const body = `{"value": ${answer}, "key": ${JSON.stringify(key)}}`;
    await request(this._settings, 'POST', ['runs', checkedId(runId), 'inputs'], {}, body);
  }

  /** Have a run of a deployment wait to be started; parameters are names to JSON. */
  async runDeployment(name: string, parameters: ReadonlyMap<string, string>): Promise<IRun> {
    const members = [...parameters].map(([key, json]) => `${JSON.stringify(key)}: ${json}`);
    const body = `{"parameters": {${members.join(', ')}}}`;
    const path = ['deployments', name, 'runs'];
    const run = readRun(await request(this._settings, 'POST', path, {}, body));
    if (run === null) {
      throw new ApiError('The answer holds no run.', 200, 'unexpected_answer');
    }
    return run;
  }

  /**
   * Do any call of the API, for a page that reads the answer itself.
   *
   * @param sent - JSON
   */
  call(
    method: Method,
    path: readonly string[],
    query: Query = {},
    sent: string | null = null
  ): Promise<unknown> {
    return request(this._settings, method, path, query, sent);
  }

  /** Read something that is to be changed. */
  readTagged(path: readonly string[]): Promise<ITaggedAnswer> {
    return requestTagged(this._settings, 'GET', path, {}, null);
  }

  /**
   * Change something, if it is as it was.
   *
   * @param sent - JSON
   * @param match - the ETag that reading it answered; null to ask for nothing
   * @throws ApiError - with the status 412 where it has changed
   */
  async change(
    method: Method,
    path: readonly string[],
    query: Query,
    sent: string | null,
    match: string | null
  ): Promise<unknown> {
    return (await requestTagged(this._settings, method, path, query, sent, match)).body;
  }

  private _ofRun(runId: string, part: string): Promise<unknown> {
    return request(this._settings, 'GET', ['runs', checkedId(runId), part]);
  }

  private readonly _settings: IServerSettings;
}

function checkedId(id: string): string {
  if (!isId(id)) {
    throw new ApiError(`${JSON.stringify(id.slice(0, 40))} is no id of a run.`, 422, 'no_id');
  }
  return id;
}

/** Read an attempt of a task; null when it is none. */
export function readTaskAttempt(data: unknown): ITaskAttempt | null {
  const fields = readFields(data);
  const [id, state, started] = [fields?.task_run_id, fields?.state, fields?.started_at].map(
    readTextOrNull
  );
  if (id === null || state === null || started === null) {
    return null;
  }
  return {
    task_run_id: id,
    epoch: readNumber(fields?.epoch) ?? 1,
    number: readNumber(fields?.number) ?? 1,
    state,
    message: readTextOrNull(fields?.message) ?? '',
    started_at: started,
    ended_at: readTextOrNull(fields?.ended_at)
  };
}

function readQuestion(data: unknown): IRunQuestion | null {
  const fields = readFields(data);
  const key = readTextOrNull(fields?.key);
  return key === null
    ? null
    : {
        key,
        schema: readFields(fields?.schema),
        description: readTextOrNull(fields?.description) ?? '',
        answered_at: readTime(fields?.answered_at),
        answered_by: readTextOrNull(fields?.answered_by)
      };
}

/** Read a recorded value; null when it is none. */
export function readRunValue(data: unknown): IRunValue | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return name === null
    ? null
    : {
        name,
        type: readTextOrNull(fields?.type) ?? '',
        value: fields?.value,
        summary: readTextOrNull(fields?.summary) ?? ''
      };
}

function readArtifact(data: unknown): IArtifact | null {
  const fields = readFields(data);
  const id = readTextOrNull(fields?.artifact_id);
  return id === null
    ? null
    : {
        artifact_id: id,
        type: readTextOrNull(fields?.type) ?? '',
        key: readTextOrNull(fields?.key),
        description: readTextOrNull(fields?.description) ?? '',
        data: fields?.data
      };
}
