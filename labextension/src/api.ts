/** The server's API over HTTP and a websocket. */

import { ApiError } from './apiError';
import { readEarlierRun } from './form/earlierRuns';
import type { IEarlierRun } from './form/earlierRuns';
import { readNotebookParameters } from './form/fields';
import type { INotebookParameters } from './form/fields';
import { apiUrl, request } from './request';
import type { IServerSettings } from './request';
import {
  isId,
  readCell,
  readFields,
  readList,
  readLogLine,
  readNumber,
  readRun,
  readTask
} from './schemas';
import type { IRun } from './schemas';
import type { ILogPage, IOrchestraApi, IRunDetails, IRunPage } from './tokens';

const LOG_LINES = 1000;
const EARLIER_RUNS = 30;

/** Talks to the server that the page came from. Ids may come from any notebook, so they are checked before use. */
export class OrchestraApi implements IOrchestraApi {
  constructor(settings: IServerSettings) {
    this._settings = settings;
  }

  async listRuns(limit: number): Promise<IRunPage> {
    const fields = readFields(await request(this._settings, 'GET', ['runs'], { limit }));
    return {
      runs: readList(fields?.runs, readRun),
      sequence: readNumber(fields?.sequence) ?? 0
    };
  }

  async readRun(runId: string): Promise<IRunDetails> {
    const fields = readFields(await request(this._settings, 'GET', ['runs', checkId(runId)]));
    const run = readRun(fields?.run);
    if (run === null) {
      throw new ApiError('The answer holds no run.', 200, 'unexpected_answer');
    }
    return {
      run,
      tasks: readList(fields?.tasks, readTask),
      cells: readList(fields?.cells, readCell),
      sequence: readNumber(fields?.sequence) ?? -1
    };
  }

  async readLogs(runId: string, taskRunId: string | null, after: number): Promise<ILogPage> {
    const query = { task: taskRunId && checkId(taskRunId), after, limit: LOG_LINES };
    const path = ['runs', checkId(runId), 'logs'];
    const fields = readFields(await request(this._settings, 'GET', path, query));
    return {
      lines: readList(fields?.lines, readLogLine),
      next: readNumber(fields?.next) ?? after
    };
  }

  async readParameters(path: string): Promise<INotebookParameters> {
    const answer = await request(this._settings, 'GET', ['notebooks', 'parameters'], { path });
    const parameters = readNotebookParameters(answer);
    if (parameters === null) {
      throw new ApiError('The answer holds no parameters.', 200, 'unexpected_answer');
    }
    return parameters;
  }

  async listEarlierRuns(flowName: string): Promise<readonly IEarlierRun[]> {
    const query = {
      flow: flowName,
      kind: 'notebook',
      limit: EARLIER_RUNS,
      fields: 'name,created_at,notebook_path,parameters'
    };
    const fields = readFields(await request(this._settings, 'GET', ['runs'], query));
    return readList(fields?.runs, readEarlierRun);
  }

  async runNotebook(
    path: string,
    parameters: ReadonlyMap<string, string>,
    options: ReadonlyMap<string, string>
  ): Promise<IRun> {
    const members = new Map([['path', JSON.stringify(path)], ...options]);
    const body = jsonObject(members.set('parameters', jsonObject(parameters)));
    const run = readRun(await request(this._settings, 'POST', ['notebooks', 'runs'], {}, body));
    if (run === null) {
      throw new ApiError('The answer holds no run.', 200, 'unexpected_answer');
    }
    return run;
  }

  async cancelRun(runId: string): Promise<void> {
    await request(this._settings, 'POST', ['runs', checkId(runId), 'cancel']);
  }

  async cancelTask(runId: string, taskRunId: string): Promise<void> {
    const path = ['runs', checkId(runId), 'tasks', checkId(taskRunId), 'cancel'];
    await request(this._settings, 'POST', path);
  }

  openStream(since: number): WebSocket {
    const { wsUrl, language, token, appendToken } = this._settings;
    const query = { since, language, token: appendToken && token !== '' ? token : null };
    return new this._settings.WebSocket(apiUrl(wsUrl, ['stream'], query));
  }

  private readonly _settings: IServerSettings;
}

/** Write a mapping of names to JSON as JSON. */
function jsonObject(members: ReadonlyMap<string, string>): string {
  const written = [...members].map(([name, json]) => `${JSON.stringify(name)}: ${json}`);
  return `{${written.join(', ')}}`;
}

function checkId(id: string): string {
  if (!isId(id)) {
    throw new ApiError(
      `${JSON.stringify(id.slice(0, 40))} is no id of a run or a task.`,
      422,
      'no_id'
    );
  }
  return id;
}
