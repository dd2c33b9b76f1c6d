/** The dialog that schedules a notebook: it stays open until the deployment is stored. */

import { FormDialog } from '../form/formDialog';
import { ScheduleForm } from './scheduleForm';
import type { IDeletedDeployment, IScheduleFormOptions, IScheduleRequest } from './scheduleForm';

/** What the dialog needs. */
export interface IScheduleDialogOptions extends IScheduleFormOptions {
  /** Called when the deployment was stored. */
  readonly stored: (request: IScheduleRequest) => Promise<void>;
  /** Called when a deployment was deleted. */
  readonly deleted: (deployment: IDeletedDeployment) => void;
}

/** Closes when the deployment is stored or deleted, or was not wanted. */
export class ScheduleDialog extends FormDialog<IScheduleRequest> {
  constructor(options: IScheduleDialogOptions) {
    const { api, notebook, trans } = options;
    const body = new ScheduleForm(options);
    super({
      title: trans.__('Schedule %1', notebook),
      body,
      action: trans.__('Schedule'),
      busyAction: trans.__('Scheduling…'),
      focusNodeSelector: '[role=tab][aria-selected=true]',
      trans,
      send: async request => {
        await api.deploy(request.name, request.version, request.body);
        await options.stored(request);
      }
    });
    this.addClass('orc-schedule-dialog');
    body.actionChanged.connect((_, text) => {
      this.action = text;
    });
    body.deleted.connect((_, deployment) => {
      options.deleted(deployment);
      this.finish();
    });
  }
}
