/** The commands for schedules, clusters and alerts: from the palette they ask what is meant, from a row they know. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyJSONObject } from '@lumino/coreutils';

import { notifyFailure } from '../notify';
import { readFields, readNumber, readTextOrNull } from '../schemas';
import type { IRunsModel } from '../tokens';
import { OverviewCommandIDs } from './commandIDs';
import type { ILiveReading } from './liveReading';
import type { IOverview } from './overview';
import type { ICluster, IScheduled } from './records';

/** What the commands need. */
export interface IOverviewCommandOptions {
  readonly app: JupyterFrontEnd;
  readonly overview: IOverview;
  readonly runs: IRunsModel;
  readonly trans: TranslationBundle;
}

/** What a command is about: how it is named in arguments and rows, and what there is to choose from. */
interface ISubject<T> {
  readonly argument: 'deployment' | 'cluster';
  readonly reading: ILiveReading<readonly T[]>;
  readonly list: () => Promise<readonly T[]>;
  readonly none: string;
  readonly label: string;
}

/** Add the commands. */
export function addOverviewCommands(options: IOverviewCommandOptions): void {
  const { app, overview, trans } = options;
  const { commands } = app;
  const chooser = new Chooser(options);
  const deployments: ISubject<IScheduled> = {
    argument: 'deployment',
    reading: overview.schedules,
    list: () => overview.api.listDeployments(),
    none: trans.__('There is no such deployment now.'),
    label: trans.__('Deployment:')
  };
  const clusters: ISubject<ICluster> = {
    argument: 'cluster',
    reading: overview.clusters,
    list: () => overview.api.listClusters(),
    none: trans.__('No cluster has a dashboard now. The local cluster has none.'),
    label: trans.__('Cluster:')
  };
  const attempt = async (what: string, call: () => Promise<unknown>): Promise<void> => {
    try {
      await call();
    } catch (error) {
      notifyFailure(trans, what, error);
    }
  };
  const isAny = (): boolean => true;
  const isPaused = (one: IScheduled): boolean => one.isPaused && one.words.length > 0;
  const isActive = (one: IScheduled): boolean => !one.isPaused && one.words.length > 0;
  const hasDashboard = (one: ICluster): boolean => one.dashboardUrl !== '';
  // the palette shows the label among those of all extensions
  const label = (ofRow: string, ofAny: string) => (args: unknown) =>
    readFields(args)?.fromRow === true ? ofRow : ofAny;

  commands.addCommand(OverviewCommandIDs.runDeployment, {
    label: label(trans.__('Run Now'), trans.__('Run Orchestra Deployment Now…')),
    caption: trans.__('Have a run of a deployment start now, beside its schedules'),
    describedBy: { args: argsOf('deployment', trans.__('The name of the deployment')) },
    isVisible: args => chooser.hasChoice(args, deployments, isAny),
    execute: async args => {
      const title = trans.__('Run a deployment now');
      const name = await chooser.choose(args, deployments, title, isAny);
      if (name !== null) {
        await attempt(trans.__('%1 could not be run.', name), async () => {
          const run = await overview.api.runDeployment(name);
          Notification.success(trans.__('Run %1 of %2 has been added.', run, name), {
            autoClose: 5000
          });
        });
      }
    }
  });
  commands.addCommand(OverviewCommandIDs.pauseDeployment, {
    label: label(trans.__('Pause'), trans.__('Pause Orchestra Deployment…')),
    caption: trans.__('Let the schedules of a deployment rest; it can still be run by hand'),
    describedBy: { args: argsOf('deployment', trans.__('The name of the deployment')) },
    isVisible: args => chooser.hasChoice(args, deployments, isActive),
    execute: async args => {
      const title = trans.__('Pause the schedules of a deployment');
      const name = await chooser.choose(args, deployments, title, isActive);
      if (name !== null) {
        await attempt(trans.__('%1 could not be paused.', name), async () => {
          await overview.api.setPaused(name, true);
          overview.schedules.refresh();
        });
      }
    }
  });
  commands.addCommand(OverviewCommandIDs.resumeDeployment, {
    label: label(trans.__('Resume'), trans.__('Resume Orchestra Deployment…')),
    caption: trans.__('Have the schedules of a deployment looked at again'),
    describedBy: { args: argsOf('deployment', trans.__('The name of the deployment')) },
    isVisible: args => chooser.hasChoice(args, deployments, isPaused),
    execute: async args => {
      const title = trans.__('Resume the schedules of a deployment');
      const name = await chooser.choose(args, deployments, title, isPaused);
      if (name !== null) {
        await attempt(trans.__('%1 could not be resumed.', name), async () => {
          await overview.api.setPaused(name, false);
          overview.schedules.refresh();
        });
      }
    }
  });
  commands.addCommand(OverviewCommandIDs.openDashboard, {
    label: label(trans.__('Open Dask Dashboard'), trans.__('Open Dask Dashboard of Cluster…')),
    caption: trans.__('Open what Dask itself shows of a cluster, in a tab of the browser'),
    describedBy: { args: argsOf('cluster', trans.__('The name of the cluster')) },
    isVisible: args => chooser.hasChoice(args, clusters, hasDashboard),
    execute: async args => {
      const title = trans.__('Open the Dask dashboard of a cluster');
      const name = await chooser.choose(args, clusters, title, hasDashboard);
      if (name !== null) {
        await attempt(trans.__('The dashboard could not be opened.'), async () => {
          const known = overview.clusters.value ?? (await overview.api.listClusters());
          const found = known.find(one => one.name === name);
          if (found === undefined || !hasDashboard(found)) {
            throw new Error(trans.__('%1 has no dashboard now.', name));
          }
          window.open(found.dashboardUrl, '_blank', 'noopener');
        });
      }
    }
  });
  commands.addCommand(OverviewCommandIDs.markSeen, {
    label: args =>
      readFields(args)?.fromRow === true
        ? trans.__('Mark Failures as Seen')
        : trans.__('Mark Failed Orchestra Runs as Seen'),
    caption: trans.__('Count only failures from now on'),
    describedBy: { args: argsOf(null, '') },
    isEnabled: () => overview.failedCount > 0,
    execute: () =>
      attempt(trans.__('It could not be remembered that the failures were seen.'), () =>
        overview.markSeen()
      )
  });
  for (const decision of ['retry', 'discard'] as const) {
    const isRetry = decision === 'retry';
    commands.addCommand(
      isRetry ? OverviewCommandIDs.retryDelivery : OverviewCommandIDs.discardDelivery,
      {
        label: isRetry ? trans.__('Send Again') : trans.__('Discard Notification'),
        caption: isRetry
          ? trans.__('Try again to deliver a notification')
          : trans.__('Decide that a notification is not sent'),
        describedBy: { args: argsOf('delivery', trans.__('The number of the notification')) },
        execute: async args => {
          const number = readNumber(readFields(args)?.delivery) ?? chooser.numberOfRow();
          if (number !== null) {
            await attempt(trans.__('Nothing was decided about the notification.'), async () => {
              await overview.api.decideDelivery(number, decision);
              overview.alerts.refresh();
            });
          }
        }
      }
    );
  }
  commands.addCommand(OverviewCommandIDs.discardLetter, {
    label: trans.__('Discard Dead Letter…'),
    caption: trans.__('Decide that what failed for good is not run again'),
    describedBy: { args: argsOf('letter', trans.__('The id of the dead letter')) },
    execute: async args => {
      const id = readTextOrNull(readFields(args)?.letter) ?? chooser.ofRow('letter');
      if (id !== null && (await isSure(trans))) {
        await attempt(trans.__('The dead letter could not be discarded.'), async () => {
          await overview.api.discardDeadLetter(id);
          overview.alerts.refresh();
        });
      }
    }
  });
}

/** Finds what a command is about: from its arguments, from the row under the context menu, or by asking. */
class Chooser {
  constructor(private readonly _options: IOverviewCommandOptions) {}

  /** Tell whether what is meant, or anything that is known where nothing is, is acceptable. */
  hasChoice<T extends { readonly name: string }>(
    args: unknown,
    subject: ISubject<T>,
    accept: (one: T) => boolean
  ): boolean {
    const name = this._given(args, subject.argument);
    const known = subject.reading.value ?? [];
    // from the palette what there is is asked for: it may not be known before the panel was open
    return name === null
      ? readFields(args)?.fromRow !== true
      : known.some(one => one.name === name && accept(one));
  }

  async choose<T extends { readonly name: string }>(
    args: unknown,
    subject: ISubject<T>,
    title: string,
    accept: (one: T) => boolean
  ): Promise<string | null> {
    const given = this._given(args, subject.argument);
    if (given !== null) {
      return given;
    }
    const { trans } = this._options;
    let names: string[];
    try {
      names = (await subject.list()).filter(accept).map(one => one.name);
    } catch (error) {
      notifyFailure(trans, '', error);
      return null;
    }
    if (names.length === 0) {
      Notification.info(subject.none, { autoClose: 4000 });
      return null;
    }
    const choice = await InputDialog.getItem({ title, label: subject.label, items: names });
    return choice.button.accept ? choice.value : null;
  }

  /** Give what a row under the context menu is marked with; null where there is none. */
  ofRow(name: 'deployment' | 'cluster' | 'delivery' | 'letter'): string | null {
    const row = this._options.app.contextMenuHitTest(node => node.dataset[name] !== undefined);
    return row?.dataset[name] ?? null;
  }

  numberOfRow(): number | null {
    const number = Number(this.ofRow('delivery') ?? '');
    return Number.isInteger(number) && number > 0 ? number : null;
  }

  private _given(args: unknown, argument: 'deployment' | 'cluster'): string | null {
    const fields = readFields(args);
    return (
      readTextOrNull(fields?.[argument]) ?? (fields?.fromRow === true ? this.ofRow(argument) : null)
    );
  }
}

async function isSure(trans: TranslationBundle): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Discard this dead letter?'),
    body: trans.__('What failed stays as it is, and is not listed among the alerts any more.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep') }),
      Dialog.warnButton({ label: trans.__('Discard') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

function argsOf(name: string | null, description: string): ReadonlyJSONObject {
  const fromRow = { type: 'boolean', description: "Take what the context menu's row stands for" };
  const type = name === 'delivery' ? 'integer' : 'string';
  const own = name === null ? {} : { [name]: { type, description } };
  return { type: 'object', properties: { ...own, fromRow } };
}
