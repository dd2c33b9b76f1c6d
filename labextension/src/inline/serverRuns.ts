/** What the view of a run in a cell asks, answered by the server. */

import { ServerLogs } from '../logSource';
import type { ILogSource } from '../logSource';
import type { IRunValue, ITaskAttempt, PagesApi } from '../pages/pagesApi';
import type { IRun } from '../schemas';
import type { IOrchestraApi, IRunsModel } from '../tokens';
import type { IRunSource } from './runSource';

/** Asks the server; works also when the kernel that ran it is gone. */
export class ServerRuns implements IRunSource {
  constructor(
    private readonly _api: IOrchestraApi,
    private readonly _pagesApi: PagesApi,
    private readonly _runs: IRunsModel
  ) {}

  logs(runIds: () => readonly string[]): ILogSource {
    return new ServerLogs(runIds, this._api, this._runs);
  }

  readValues(runId: string): Promise<readonly IRunValue[]> {
    return this._pagesApi.readValues(runId);
  }

  readAttempts(runId: string): Promise<readonly ITaskAttempt[]> {
    return this._pagesApi.readAttempts(runId);
  }

  readExpectedSeconds(run: Pick<IRun, 'flow_name' | 'notebook_path'>): Promise<number | null> {
    return this._pagesApi.readExpectedSeconds(run);
  }
}
