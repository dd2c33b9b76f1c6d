/** The server's API for deployments and their schedules. */

import { ApiError } from '../apiError';
import { request } from '../request';
import type { IServerSettings } from '../request';
import { readFields, readList, readNumber, readTextOrNull } from '../schemas';
import { readNotificationRule, ruleChanges } from './notify';
import type { INotificationRule, INotifyRequest } from './notify';
import { readDeployment, readHealth, readPool, readPreview } from './records';
import type { IDeployment, IPool, ISchedulePreview, IServiceHealth } from './records';

/** A schedule as the preview is asked for it: names of parameters to their texts. */
export type ScheduleQuery = Readonly<Record<string, string>>;

/** What the dialog asks of the server. All methods throw `ApiError` where the server answers with an error. */
export interface IScheduleApi {
  /** Read the deployments of a notebook; the path is that of the file browser. */
  listDeployments(path: string): Promise<readonly IDeployment[]>;
  /** Read one deployment. */
  showDeployment(name: string): Promise<IDeployment>;
  /** Say a schedule in words, and when it is due next. */
  preview(schedule: ScheduleQuery): Promise<ISchedulePreview>;
  /** Read the work pools. */
  listPools(): Promise<readonly IPool[]>;
  /** Read the names of the stored secrets. */
  listSecrets(): Promise<readonly string[]>;
  /** Read who looks at schedules. */
  readHealth(): Promise<IServiceHealth>;
  /** Read the names of the channels of notifications. */
  listChannels(): Promise<readonly string[]>;
  /** Read the rules of notifications. */
  listRules(): Promise<readonly INotificationRule[]>;
  /** Have a channel told of a deployment's changes of health, or nobody. */
  notify(deployment: string, wanted: INotifyRequest): Promise<void>;
  /**
   * Make a deployment, or a new version of one.
   *
   * @param version - the one that was seen, 0 for none: where there is another, nothing is done
   * @param body - JSON
   */
  deploy(name: string, version: number, body: string): Promise<void>;
  /** Let the schedules of a deployment rest, or go on. */
  setPaused(name: string, isPaused: boolean): Promise<void>;
  /** Delete a deployment; gives how many runs that waited are cancelled. */
  deleteDeployment(name: string): Promise<number>;
}

/** So many times are shown. */
const TIMES = 5;

/** Talks to the server that the page came from. */
export class ScheduleApi implements IScheduleApi {
  constructor(settings: IServerSettings) {
    this._settings = settings;
  }

  async listDeployments(path: string): Promise<readonly IDeployment[]> {
    const query = { notebook: path, fields: 'name' };
    const names = await this._list(['deployments'], readName, query);
    return Promise.all(names.map(name => this.showDeployment(name)));
  }

  async showDeployment(name: string): Promise<IDeployment> {
    return known(readDeployment(await request(this._settings, 'GET', ['deployments', name])));
  }

  async preview(schedule: ScheduleQuery): Promise<ISchedulePreview> {
    const path = ['schedules', 'preview'];
    return known(
      readPreview(await request(this._settings, 'GET', path, { ...schedule, count: TIMES }))
    );
  }

  async listPools(): Promise<readonly IPool[]> {
    return this._list(['pools'], readPool);
  }

  async listSecrets(): Promise<readonly string[]> {
    return [...new Set(await this._list(['secrets'], readName))]; // one's own comes before that of all
  }

  async readHealth(): Promise<IServiceHealth> {
    return known(readHealth(await request(this._settings, 'GET', ['health'])));
  }

  async listChannels(): Promise<readonly string[]> {
    return this._list(['notifications', 'channels'], readName);
  }

  async listRules(): Promise<readonly INotificationRule[]> {
    return this._list(['notifications', 'rules'], readNotificationRule);
  }

  async notify(deployment: string, wanted: INotifyRequest): Promise<void> {
    const { added, removed } = ruleChanges(deployment, wanted);
    const path = ['notifications', 'rules'];
    if (removed !== null) {
      await request(this._settings, 'DELETE', [...path, removed]);
    }
    if (added !== null) {
      const { name, channels, deployments } = added;
      const body = JSON.stringify({ name, channels, deployments });
      await request(this._settings, 'PUT', path, {}, body);
    }
  }

  async deploy(name: string, version: number, body: string): Promise<void> {
    await request(this._settings, 'PUT', ['deployments', name], { version }, body);
  }

  async setPaused(name: string, isPaused: boolean): Promise<void> {
    const path = ['deployments', name, isPaused ? 'pause' : 'resume'];
    await request(this._settings, 'POST', path);
  }

  async deleteDeployment(name: string): Promise<number> {
    const answer = await request(this._settings, 'DELETE', ['deployments', name]);
    return readNumber(readFields(answer)?.cancelled) ?? 0;
  }

  /** Read all pages of a list. */
  private async _list<T>(
    path: readonly string[],
    read: (item: unknown) => T | null,
    query: Readonly<Record<string, string>> = {}
  ): Promise<T[]> {
    const found: T[] = [];
    let after: string | null = null;
    do {
      const page = readFields(await request(this._settings, 'GET', path, { ...query, after }));
      found.push(...readList(page?.[path[path.length - 1]], read));
      after = readTextOrNull(page?.next);
    } while (after !== null);
    return found;
  }

  private readonly _settings: IServerSettings;
}

function readName(data: unknown): string | null {
  return readTextOrNull(readFields(data)?.name);
}

function known<T>(record: T | null): T {
  if (record === null) {
    throw new ApiError('The answer is not what was asked for.', 200, 'unexpected_answer');
  }
  return record;
}
