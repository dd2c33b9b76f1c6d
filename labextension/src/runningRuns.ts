/** Our runs that go on, for JupyterLab's list of what runs: each can be opened and stopped there. */

import type { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';

import { CommandIDs } from './commands';
import { isLive, stateLook } from './drawing/states';
import { orchestraIcon } from './icon';
import { notifyFailure } from './notify';
import type { IRun } from './schemas';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** What it needs. */
export interface IRunningRunsOptions {
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
}

/** Add them. The list is drawn anew when a run begins, goes on or ends. */
export function addRunningRuns(
  managers: IRunningSessionManagers,
  options: IRunningRunsOptions
): void {
  const { api, runs, commands, trans } = options;
  const changed = new Signal<IRunsModel, void>(runs);
  runs.changed.connect(() => changed.emit());
  const live = (): IRun[] => runs.runs.filter(run => isLive(run.state));
  const stop = async (run: IRun): Promise<void> => {
    try {
      await api.cancelRun(run.run_id);
    } catch (error) {
      notifyFailure(trans, trans.__('Run %1 could not be stopped.', run.name), error);
    }
  };
  managers.add({
    name: trans.__('Orchestra Runs'),
    running: () => live().map(run => runningItem(run, options, () => void stop(run))),
    shutdownAll: () => live().forEach(run => void stop(run)),
    refreshRunning: () => {
      if (runs.connection !== 'connected') {
        runs.reconnect();
      }
    },
    runningChanged: changed,
    shutdownLabel: trans.__('Cancel Run'),
    shutdownAllLabel: trans.__('Cancel All'),
    shutdownAllConfirmationText: trans.__(
      'Cancel all runs that go on or wait? Their tasks are stopped.'
    )
  });

  function runningItem(
    run: IRun,
    { trans: texts }: IRunningRunsOptions,
    shutdown: () => void
  ): IRunningSessions.IRunningItem {
    const word = stateLook(run.state).word(texts);
    return {
      context: run.run_id,
      className: 'orc-running-run',
      icon: () => orchestraIcon,
      label: () => `${run.flow_name} · ${run.name}`,
      labelTitle: () => [`${run.flow_name} · ${run.name}`, word].join('\n'),
      detail: () => word,
      open: () => void commands.execute(CommandIDs.openLogs, { runId: run.run_id }),
      shutdown
    };
  }
}
