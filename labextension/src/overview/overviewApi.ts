/** The calls of the server that the side bar's sections need beside those for runs. */

import { ApiError } from '../apiError';
import { request } from '../request';
import type { IServerSettings } from '../request';
import { isId, readFields, readRun, readText } from '../schemas';
import { readAlerts, readClusters, readDeploymentPage } from './records';
import type { IAlerts, ICluster, IScheduled } from './records';

const PAGE = 500;

/** What can be asked. All methods throw `ApiError` where the server answers with an error. */
export interface IOverviewApi {
  /** Tell whether there is a store of runs yet; asking makes none. */
  hasStore(): Promise<boolean>;
  /** Read all deployments, by name. */
  listDeployments(): Promise<readonly IScheduled[]>;
  listClusters(): Promise<readonly ICluster[]>;
  /** Read alerts; failures since a time (ISO 8601), of a day for null. */
  readAlerts(since: string | null): Promise<IAlerts>;
  /** Have a run of a deployment wait to be started; gives the run's name. */
  runDeployment(name: string): Promise<string>;
  setPaused(name: string, isPaused: boolean): Promise<void>;
  /** Send a notification again, or decide that it is not sent. */
  decideDelivery(number: number, decision: 'retry' | 'discard'): Promise<void>;
  discardDeadLetter(id: string): Promise<void>;
  /** Have a run of a deployment wait in its pool again; gives what it waits for, empty where it goes on. */
  retryRun(runId: string): Promise<string>;
}

/** Talks to the server that the page came from. */
export class OverviewApi implements IOverviewApi {
  constructor(private readonly _settings: IServerSettings) {}

  async hasStore(): Promise<boolean> {
    return readFields(await request(this._settings, 'GET', ['presence']))?.has_store === true;
  }

  async listDeployments(): Promise<readonly IScheduled[]> {
    const found: IScheduled[] = [];
    let after: string | null = null;
    do {
      const query = { limit: PAGE, after };
      const page = readDeploymentPage(await request(this._settings, 'GET', ['deployments'], query));
      found.push(...page.items);
      after = page.next;
    } while (after !== null);
    return found;
  }

  async listClusters(): Promise<readonly ICluster[]> {
    return readClusters(await request(this._settings, 'GET', ['clusters']));
  }

  async readAlerts(since: string | null): Promise<IAlerts> {
    const alerts = readAlerts(await request(this._settings, 'GET', ['alerts'], { since }));
    if (alerts === null) {
      throw new ApiError('The answer holds no alerts.', 200, 'unexpected_answer');
    }
    return alerts;
  }

  async runDeployment(name: string): Promise<string> {
    const path = ['deployments', name, 'runs'];
    return readRun(await request(this._settings, 'POST', path, {}, '{}'))?.name ?? '';
  }

  async setPaused(name: string, isPaused: boolean): Promise<void> {
    const path = ['deployments', name, isPaused ? 'pause' : 'resume'];
    await request(this._settings, 'POST', path);
  }

  async decideDelivery(number: number, decision: 'retry' | 'discard'): Promise<void> {
    await request(this._settings, 'POST', [
      'notifications',
      'deliveries',
      String(number),
      decision
    ]);
  }

  async discardDeadLetter(id: string): Promise<void> {
    await request(this._settings, 'POST', ['dead-letters', id, 'discard'], {}, '{}');
  }

  async retryRun(runId: string): Promise<string> {
    if (!isId(runId)) {
      throw new ApiError(`${JSON.stringify(runId.slice(0, 40))} is no id of a run.`, 422, 'no_id');
    }
    const path = ['runs', runId, 'retry'];
    return readText(readFields(await request(this._settings, 'POST', path, {}, '{}'))?.message);
  }
}
