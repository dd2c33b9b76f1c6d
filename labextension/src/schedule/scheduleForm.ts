/** What stands in the schedule dialog: which deployment, when, what it means, with which parameters, and what else. */

import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { ApiError } from '../apiError';
import { clock } from '../drawing/clock';
import { button, html, showText } from '../drawing/elements';
import { errorText } from '../errorText';
import type { IFormBody } from '../form/formDialog';
import { errorsBesideParameters } from '../form/parametersForm';
import { deploymentBody, scheduleOf } from './composition';
import { DeploymentBar } from './deploymentBar';
import { otherRules, ownRule } from './notify';
import type { INotifyRequest } from './notify';
import { PreviewView } from './previewView';
import { Previewer } from './previewer';
import type { IDeployment, ISchedulePreview, IServiceHealth } from './records';
import type { IScheduleApi, ScheduleQuery } from './scheduleApi';
import { ScheduleFields } from './scheduleFields';
import type { IScheduleFieldsOptions } from './scheduleFields';
import { serviceNotice } from './serviceNotice';
import { soonText } from './times';

/** What the form needs. */
export interface IScheduleFormOptions extends IScheduleFieldsOptions {
  readonly api: IScheduleApi;
  /** Says what could not be read; null where all was. */
  readonly unread: HTMLElement | null;
  readonly health: IServiceHealth | null;
}

/** A deployment that was deleted, and how many of its runs waited and are cancelled. */
export interface IDeletedDeployment {
  readonly name: string;
  readonly cancelled: number;
}

/** What is sent. */
export interface IScheduleRequest {
  readonly name: string;
  /** The version that was seen, 0 for none. */
  readonly version: number;
  /** JSON. */
  readonly body: string;
  readonly notify: INotifyRequest;
}

const NO_ERRORS: ReadonlyMap<string, string> = new Map();
/** Codes of errors that are about one field, which the server does not point at. */
const FIELD_OF_CODE: Readonly<Record<string, string>> = {
  name_taken: 'name',
  pool_not_found: 'pool'
};

/** Draws the form, keeps its preview up to date, and reads it. */
export class ScheduleForm extends Widget implements IFormBody<IScheduleRequest> {
  constructor(private readonly _options: IScheduleFormOptions) {
    super();
    const { api, deployments, locale, reader, trans } = _options;
    this._bar = new DeploymentBar({
      deployments,
      texts: trans,
      reader,
      locale,
      now: () => clock.now(),
      selected: () => this._fill(),
      setPaused: (deployment, isPaused) => this._setPaused(deployment, isPaused),
      remove: deployment => this._remove(deployment)
    });
    this._preview = new PreviewView(trans, reader, locale);
    this._problem = html('div', { class: 'orc-run-problem', role: 'alert', tabindex: -1 });
    showText(this._problem, '');
    this._others = html('p', { class: 'orc-form-help orc-schedule-rules' });
    this._notice = html('div', { class: 'orc-schedule-notice', role: 'note' });
    this._fields = new ScheduleFields(
      _options,
      this._preview.node,
      this._others,
      () => this._previewer.update(),
      () => this._showNotice()
    );
    this._previewer = new Previewer({
      read: () => this._query(),
      ask: schedule => api.preview(schedule),
      show: preview => this._showPreview(preview),
      fail: error => this._showPreviewError(error)
    });
    this.addClass('orc-run-body');
    this.addClass('orc-schedule-body');
    this.node.append(
      this._problem,
      ...(_options.unread === null ? [] : [_options.unread]),
      this._notice,
      this._bar.node,
      ...this._fields.nodes
    );
    this._fill();
  }

  /** Emitted with what sending would do, in words. */
  readonly actionChanged = new Signal<this, string>(this);

  /** Emitted when the deployment that was shown is gone. */
  readonly deleted = new Signal<this, IDeletedDeployment>(this);

  override dispose(): void {
    this._previewer.dispose();
    super.dispose();
  }

  /** Read the form; null where something is wrong, which is shown: the first that is has the focus. */
  read(): IScheduleRequest | null {
    showText(this._problem, '');
    const { deployment, at } = this._bar;
    const filled = this._fields.read(deployment?.name ?? null);
    if (filled === null) {
      return null;
    }
    const { name, values } = filled;
    return {
      name,
      version: deployment?.version ?? 0,
      body: deploymentBody(deployment, this._options.parameters.path, at, values),
      notify: this._notifyRequest(name, values.options.get('notify'))
    };
  }

  private _notifyRequest(name: string, json: string | undefined): INotifyRequest {
    const { rules } = this._options;
    const channel = json === undefined ? '' : (JSON.parse(json) as string);
    return {
      channel: channel === '' ? null : channel,
      rule: ownRule(rules, name),
      taken: rules.map(rule => rule.name)
    };
  }

  /** Show an error of the server at the fields that it names, else above all. */
  showError(error: unknown): void {
    const more = new Map<string, string>();
    const field = error instanceof ApiError ? FIELD_OF_CODE[error.code] : undefined;
    if (field !== undefined && error instanceof Error) {
      more.set(field, error.message);
    }
    if (!this._fields.showServerErrors(placesOf(error), more)) {
      this._showProblem(error);
    }
  }

  private _showProblem(error: unknown): void {
    const { trans } = this._options;
    showText(this._problem, errorText(error, trans));
    const { deployment } = this._bar;
    if (error instanceof ApiError && error.status === 409 && deployment !== null) {
      const title = trans.__('Show what it says now, in place of what stands here');
      const again = button(trans.__('Read it again'), title, () => void this._reread(deployment));
      this._problem.append(' ', again);
    }
    this._problem.scrollIntoView({ block: 'nearest' });
  }

  private async _reread(deployment: IDeployment): Promise<void> {
    await this._orShow(async () => {
      this._bar.replace(await this._options.api.showDeployment(deployment.name));
      showText(this._problem, '');
      this._fill();
    });
  }

  private async _setPaused(deployment: IDeployment, isPaused: boolean): Promise<void> {
    const { api } = this._options;
    await this._orShow(async () => {
      await api.setPaused(deployment.name, isPaused);
      const now = await api.showDeployment(deployment.name);
      // what others have changed meanwhile is not what stands here
      this._bar.replace({ ...now, version: deployment.version, spec: deployment.spec });
      this._showAction();
    });
  }

  private async _remove(deployment: IDeployment): Promise<void> {
    await this._orShow(async () => {
      const cancelled = await this._options.api.deleteDeployment(deployment.name);
      this.deleted.emit({ name: deployment.name, cancelled });
    });
  }

  private async _orShow(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!this.isDisposed) {
        this._showProblem(error);
      }
    }
  }

  /** Put the deployment that was chosen, or the first values, into all fields. */
  private _fill(): void {
    const { deployment, at } = this._bar;
    const rule = deployment === null ? null : ownRule(this._options.rules, deployment.name);
    this._fields.fill(deployment, at, rule);
    this._showOtherRules(deployment);
    this._showNotice();
    void this._previewer.refresh();
  }

  private _query(): ScheduleQuery | null {
    const { deployment, at } = this._bar;
    return this._fields.query(deployment === null ? {} : scheduleOf(deployment.spec, at));
  }

  private _showPreview(preview: ISchedulePreview | null): void {
    this._shown = preview;
    if (preview === null) {
      this._preview.clear();
    } else {
      if (this._hasPreviewError) {
        this._fields.showErrors(NO_ERRORS, false);
      }
      this._preview.show(preview);
    }
    this._hasPreviewError = false;
    this._showAction();
  }

  private _showPreviewError(error: unknown): void {
    this._shown = null;
    this._hasPreviewError = true;
    const places = errorsBesideParameters(placesOf(error));
    const isShown = this._fields.showErrors(places, false) && places.size > 0;
    this._preview.clear(isShown ? '' : errorText(error, this._options.trans));
    this._showAction();
  }

  private _showAction(): void {
    this.actionChanged.emit(this._actionText());
  }

  private _actionText(): string {
    const { locale, reader, trans } = this._options;
    const [first] = this._shown?.fireTimes ?? [];
    const { deployment } = this._bar;
    if (deployment?.isPaused) {
      return trans.__('Save, and leave it paused');
    }
    if (first === undefined) {
      return deployment === null ? trans.__('Schedule') : trans.__('Save');
    }
    const zone = this._shown?.timezone ?? reader;
    const when = soonText(first.at, clock.now(), zone, locale, zone !== reader);
    return deployment === null
      ? trans.__('Schedule from %1', when)
      : trans.__('Save, next %1', when);
  }

  private _showOtherRules(deployment: IDeployment | null): void {
    const { rules, trans } = this._options;
    const others = otherRules(rules, deployment?.name ?? null).join(', ');
    showText(this._others, others === '' ? '' : trans.__('Rules that tell of it, too: %1', others));
  }

  private _showNotice(): void {
    const { health, pools, trans } = this._options;
    const notice = serviceNotice(health, pools, this._fields.pool, trans);
    this._notice.dataset.missing = String(notice.isMissing);
    this._notice.replaceChildren(html('span', {}, notice.text));
    if (notice.command !== '') {
      this._notice.append(html('code', {}, notice.command));
    }
  }

  private readonly _bar: DeploymentBar;
  private readonly _fields: ScheduleFields;
  private readonly _preview: PreviewView;
  private readonly _problem: HTMLElement;
  private readonly _others: HTMLElement;
  private readonly _notice: HTMLElement;
  private readonly _previewer: Previewer;
  private _shown: ISchedulePreview | null = null;
  private _hasPreviewError = false;
}

function placesOf(error: unknown): ReadonlyMap<string, string> {
  return error instanceof ApiError ? error.errors : NO_ERRORS;
}
