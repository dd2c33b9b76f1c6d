/** Records of the overview, and doubles of what it reads, for the tests. */

import { Signal } from '@lumino/signaling';
import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';

import type { IAlerts, ICluster, IScheduled } from '../src/overview/records';
import type { IRun } from '../src/schemas';
import type { Connection, IRunsChange, IRunsModel } from '../src/tokens';
import { ago } from './records';

export function scheduled(changes: Partial<IScheduled> = {}): IScheduled {
  return {
    name: 'nightly',
    words: ['at 08:00, Europe/Berlin'],
    isPaused: false,
    nextAt: ago(-3600),
    lastRun: null,
    ...changes
  };
}

export function cluster(changes: Partial<ICluster> = {}): ICluster {
  return {
    name: 'local',
    isRunning: true,
    dashboardUrl: '',
    problem: '',
    usedBy: ['settings'],
    workers: [],
    ...changes
  };
}

export function alerts(changes: Partial<IAlerts> = {}): IAlerts {
  return {
    failed: [],
    late: [],
    deadLetters: [],
    undelivered: [],
    troubles: [],
    ...changes
  };
}

/** The runs of a page whose stream a test moves by hand. */
export class ManualRuns {
  readonly changed = new Signal<IRunsModel, IRunsChange>(this.asModel);
  readonly listsChanged = new Signal<IRunsModel, readonly string[]>(this.asModel);
  readonly connectionChanged = new Signal<IRunsModel, void>(this.asModel);
  readonly known = new Map<string, IRun>();
  connection: Connection = 'connected';
  watchers = 0;

  get asModel(): IRunsModel {
    return this as unknown as IRunsModel;
  }

  run(runId: string): IRun | undefined {
    return this.known.get(runId);
  }

  watch(): IDisposable {
    this.watchers += 1;
    return new DisposableDelegate(() => void (this.watchers -= 1));
  }

  /** Tell of a change of a run. */
  take(run: IRun): void {
    this.known.set(run.run_id, run);
    this.changed.emit({ runs: new Set([run.run_id]), tasks: new Set() });
  }

  /** Tell how it stands with the server. */
  connect(connection: Connection): void {
    this.connection = connection;
    this.connectionChanged.emit();
  }
}
