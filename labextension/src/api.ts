/** The server's API over HTTP and a websocket. */

import type { ServerConnection } from '@jupyterlab/services';

import { ApiError } from './apiError';
import { apiUrl, request } from './request';
import { isId, readFields, readList, readLogLine, readNumber, readRun, readTask } from './schemas';
import type { ILogPage, IOrchestraApi, IRunDetails, IRunPage } from './tokens';

const LOG_LINES = 1000;

/** Talks to the server that the page came from. Ids may come from any notebook, so they are checked before use. */
export class OrchestraApi implements IOrchestraApi {
  constructor(settings: ServerConnection.ISettings) {
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
    return { run, tasks: readList(fields?.tasks, readTask) };
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

  async cancelRun(runId: string): Promise<void> {
    await request(this._settings, 'POST', ['runs', checkId(runId), 'cancel']);
  }

  async cancelTask(runId: string, taskRunId: string): Promise<void> {
    const path = ['runs', checkId(runId), 'tasks', checkId(taskRunId), 'cancel'];
    await request(this._settings, 'POST', path);
  }

  openStream(since: number): WebSocket {
    const { wsUrl, token, appendToken } = this._settings;
    const query = { since, token: appendToken && token !== '' ? token : null };
    return new this._settings.WebSocket(apiUrl(wsUrl, ['stream'], query));
  }

  private readonly _settings: ServerConnection.ISettings;
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
