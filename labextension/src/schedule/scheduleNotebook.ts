/** The command that schedules a notebook: it saves the notebook, shows what it is scheduled for, and changes that. */

import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { clock } from '../drawing/clock';
import { errorText } from '../errorText';
import { Unread } from '../form/unread';
import { scheduleIcon } from '../icon';
import { notifyFailure } from '../notify';
import { NOTEBOOK_ARGS, isSaved, notebookOf } from '../runNotebook';
import type { INotebookPlaces } from '../runNotebook';
import { readFields } from '../schemas';
import type { IOrchestraApi } from '../tokens';
import type { IScheduleApi } from './scheduleApi';
import { ScheduleDialog } from './scheduleDialog';
import type { IDeletedDeployment, IScheduleRequest } from './scheduleForm';
import { readersZone, soonText } from './times';

/** The id of the command. */
export const SCHEDULE_NOTEBOOK = 'orchestra:schedule-notebook';

/** What the command needs. */
export interface IScheduleNotebookOptions extends INotebookPlaces {
  readonly api: IOrchestraApi;
  readonly schedules: IScheduleApi;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

/** Add the command. */
export function addScheduleNotebook(options: IScheduleNotebookOptions): void {
  const { app, trans } = options;
  const { commands, shell } = app;
  commands.addCommand(SCHEDULE_NOTEBOOK, {
    label: trans.__('Schedule…'),
    caption: trans.__('Have this notebook run by itself, at times that you choose'),
    icon: scheduleIcon,
    describedBy: { args: NOTEBOOK_ARGS },
    isEnabled: args => notebookOf(options, args) !== null,
    isVisible: args => readFields(args)?.fromBrowser !== true || notebookOf(options, args) !== null,
    execute: async args => {
      const path = notebookOf(options, args);
      if (path !== null) {
        await scheduleNotebook(options, path);
      }
    }
  });
  shell.currentChanged?.connect(() => commands.notifyCommandChanged(SCHEDULE_NOTEBOOK));
}

async function scheduleNotebook(
  options: IScheduleNotebookOptions,
  fullPath: string
): Promise<void> {
  const { api, app, documents, locale, schedules, trans } = options;
  const path = app.serviceManager.contents.localPath(fullPath);
  const notebook = PathExt.basename(path);
  const question = {
    title: trans.__('Schedule %1 without your changes?', notebook),
    body: trans.__('The notebook could not be saved. Its runs would have the file as it is.'),
    accept: trans.__('Schedule the saved file'),
    cancel: trans.__('Cancel')
  };
  if (!(await isSaved(documents, fullPath, question))) {
    return;
  }
  try {
    const unread = new Unread(trans);
    const flow = notebook.replace(/\.ipynb$/, '');
    const [parameters, deployments, earlier, pools, secrets, health, channels, rules] =
      await Promise.all([
        api.readParameters(path),
        schedules.listDeployments(path),
        unread.orElse(trans.__('Earlier runs'), api.listEarlierRuns(flow), []),
        unread.orElse(trans.__('Work pools'), schedules.listPools(), null),
        unread.orElse(trans.__('Stored secrets'), schedules.listSecrets(), []),
        schedules.readHealth().catch(() => null), // said where it would stand
        unread.orElse(trans.__('Channels of notifications'), schedules.listChannels(), []),
        unread.orElse(trans.__('Rules of notifications'), schedules.listRules(), [])
      ]);
    const dialog = new ScheduleDialog({
      api: schedules,
      notebook,
      parameters,
      earlier,
      unread: unread.notice(),
      deployments,
      pools,
      secrets,
      health,
      channels,
      rules,
      reader: readersZone(),
      trans,
      locale,
      stored: request => afterStored(options, request),
      deleted: deployment => tellDeleted(options, deployment)
    });
    await dialog.launch();
  } catch (error) {
    notifyFailure(trans, trans.__('%1 cannot be scheduled.', notebook), error);
  }
}

/** Do what comes after a deployment was stored: it is stored whatever becomes of that. */
async function afterStored(
  options: IScheduleNotebookOptions,
  request: IScheduleRequest
): Promise<void> {
  const { schedules, trans } = options;
  try {
    await schedules.notify(request.name, request.notify);
  } catch (error) {
    const what = trans.__('Who is told of the deployment %1 could not be set.', request.name);
    notifyFailure(trans, what, error);
  }
  await tellStored(options, request.name, request.version === 0);
}

/** Say when the first run comes. */
async function tellStored(
  options: IScheduleNotebookOptions,
  name: string,
  isNew: boolean
): Promise<void> {
  const { locale, schedules, trans } = options;
  const said = isNew
    ? trans.__('The deployment %1 is made.', name)
    : trans.__('The deployment %1 is changed.', name);
  const then = await schedules.showDeployment(name).then(
    deployment =>
      deployment.isPaused
        ? trans.__('It is paused.')
        : deployment.nextAt === null
          ? trans.__('It is not due any more.')
          : trans.__(
              'Its next run: %1.',
              soonText(deployment.nextAt, clock.now(), readersZone(), locale, true)
            ),
    error => trans.__('When it runs next cannot be told: %1', errorText(error, trans))
  );
  Notification.success(`${said} ${then}`, { autoClose: 10_000 });
}

function tellDeleted(options: IScheduleNotebookOptions, deployment: IDeletedDeployment): void {
  const { name, cancelled } = deployment;
  const { trans } = options;
  const said = trans.__('The deployment %1 is deleted; its runs stay.', name);
  const waiting = trans._n(
    '%1 run that waited is cancelled.',
    '%1 runs that waited are cancelled.',
    cancelled
  );
  Notification.info(cancelled === 0 ? said : `${said} ${waiting}`, { autoClose: 10_000 });
}
