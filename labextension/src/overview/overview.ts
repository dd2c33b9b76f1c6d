/** What the side bar, its badge and the status bar show beside runs: schedules, clusters and alerts, each kept live. */

import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';

import { isFailure } from '../drawing/states';
import type { IRun } from '../schemas';
import type { IRunsChange, IRunsModel } from '../tokens';
import { LiveReading } from './liveReading';
import type { ILiveReading } from './liveReading';
import type { IOverviewApi } from './overviewApi';
import type { IPanelMemory } from './panelMemory';
import type { IAlerts, ICluster, IScheduled } from './records';

// Times in milliseconds.
const PACE = 1000;
/** Memory that workers use is told by nobody. */
const CLUSTERS_PERIOD = 10_000;
/** A run becomes late as time goes by. */
const ALERTS_PERIOD = 60_000;
const SCHEDULES_PERIOD = 300_000;

/** The overview. */
export interface IOverview {
  readonly schedules: ILiveReading<readonly IScheduled[]>;
  readonly clusters: ILiveReading<readonly ICluster[]>;
  readonly alerts: ILiveReading<IAlerts>;
  readonly memory: IPanelMemory;
  readonly api: IOverviewApi;
  /** How many runs have failed since somebody last looked; at most `MOST_FAILED`. */
  readonly failedCount: number;
  /** Give a run that an alert or a schedule tells of. */
  run(runId: string): IRun | undefined;
  /** Remember that the failures that are shown were seen. */
  markSeen(): Promise<void>;
}

/** The token of the overview. */
export const IOverview = new Token<IOverview>(
  'orchestra-nb:IOverview',
  'Schedules, clusters and alerts, live while somebody watches.'
);

/** Reads what is watched. */
export class Overview implements IOverview, IDisposable {
  constructor(
    readonly api: IOverviewApi,
    readonly memory: IPanelMemory,
    runs: IRunsModel
  ) {
    const isOfDeployment = ({ runs: ids }: IRunsChange): boolean =>
      [...ids].some(id => (runs.run(id)?.deployment ?? null) !== null);
    this.schedules = new LiveReading({
      runs,
      read: async () => (await api.listDeployments()).filter(one => one.words.length > 0),
      lists: ['deployments'],
      isTouchedBy: isOfDeployment,
      pace: PACE,
      period: SCHEDULES_PERIOD
    });
    this.clusters = new LiveReading({
      runs,
      read: () => api.listClusters(),
      lists: ['pools'],
      // a first task starts the local cluster
      isTouchedBy: () => true,
      pace: 2 * PACE,
      period: CLUSTERS_PERIOD
    });
    this.alerts = new LiveReading({
      runs,
      read: async () => {
        await memory.ready;
        return api.readAlerts(memory.seenAt);
      },
      lists: ['alerts', 'deployments'],
      isTouchedBy: ({ runs: ids }) => this._hasNewAlert(ids, runs),
      pace: PACE,
      period: ALERTS_PERIOD
    });
  }

  readonly schedules: LiveReading<readonly IScheduled[]>;
  readonly clusters: LiveReading<readonly ICluster[]>;
  readonly alerts: LiveReading<IAlerts>;

  get isDisposed(): boolean {
    return this.alerts.isDisposed;
  }

  get failedCount(): number {
    return this.alerts.value?.failed.length ?? 0;
  }

  run(runId: string): IRun | undefined {
    const { value } = this.alerts;
    return [...(value?.failed ?? []), ...(value?.late ?? [])].find(run => run.run_id === runId);
  }

  async markSeen(): Promise<void> {
    // as the server wrote it: what fails after that is new, however soon
    const at = this.alerts.value?.failed[0]?.ended_at ?? null;
    if (at !== null) {
      const kept = this.memory.setSeenAt(at);
      this.alerts.refresh();
      await kept;
    }
  }

  dispose(): void {
    [this.schedules, this.clusters, this.alerts].forEach(reading => reading.dispose());
  }

  /** A run that failed, one that is told as failed and runs again, or one that was late and begins. */
  private _hasNewAlert(ids: ReadonlySet<string>, runs: IRunsModel): boolean {
    return [...ids].some(id => {
      const run = runs.run(id);
      return (run !== undefined && isFailure(run.state)) || this.run(id) !== undefined;
    });
  }
}
