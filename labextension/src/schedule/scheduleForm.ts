/** What stands in the schedule dialog: which deployment, when, what it means, with which parameters, and what else. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { ApiError } from '../apiError';
import { clock } from '../drawing/clock';
import { button, html, showText } from '../drawing/elements';
import { errorText } from '../errorText';
import type { IEarlierRun } from '../form/earlierRuns';
import { plainField } from '../form/fields';
import type { INotebookParameters } from '../form/fields';
import { Form } from '../form/form';
import type { IFormBody } from '../form/formDialog';
import { ParametersForm, errorsBesideParameters } from '../form/parametersForm';
import { readFields, readList, readTextOrNull } from '../schemas';
import { deploymentBody, freeName, optionsOf, scheduleOf } from './composition';
import { DeploymentBar } from './deploymentBar';
import { otherRules, ownRule } from './notify';
import type { INotificationRule, INotifyRequest } from './notify';
import { conflictFields, moreFields, withStoredSecrets } from './optionFields';
import { PreviewView } from './previewView';
import { Previewer } from './previewer';
import type { FieldsOf, IDeployment, IPool, ISchedulePreview, IServiceHealth } from './records';
import type { IScheduleApi, ScheduleQuery } from './scheduleApi';
import { serviceNotice } from './serviceNotice';
import { knownZones, soonText } from './times';
import { WhenForm } from './whenForm';

/** What the form needs. */
export interface IScheduleFormOptions {
  readonly api: IScheduleApi;
  /** The notebook's file name. */
  readonly notebook: string;
  readonly parameters: INotebookParameters;
  readonly earlier: readonly IEarlierRun[];
  /** Those that the notebook has. */
  readonly deployments: readonly IDeployment[];
  /** Says what could not be read; null where all was. */
  readonly unread: HTMLElement | null;
  /** Null where they are not known. */
  readonly pools: readonly IPool[] | null;
  readonly secrets: readonly string[];
  readonly health: IServiceHealth | null;
  /** The channels of notifications, and their rules. */
  readonly channels: readonly string[];
  readonly rules: readonly INotificationRule[];
  /** The reader's time zone. */
  readonly reader: string;
  readonly trans: TranslationBundle;
  readonly locale?: string;
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
const OF_FIRST = /^schedules\/\d+\//;
/** Codes of errors that are about one field, which the server does not point at. */
const FIELD_OF_CODE: Readonly<Record<string, string>> = {
  name_taken: 'name',
  pool_not_found: 'pool'
};

/** Draws the form, keeps its preview up to date, and reads it. */
export class ScheduleForm extends Widget implements IFormBody<IScheduleRequest> {
  constructor(private readonly _options: IScheduleFormOptions) {
    super();
    const { api, deployments, locale, reader, secrets, trans } = _options;
    const { parameters } = _options;
    const named = [...secrets, ...deployments.flatMap(secretsOf)];
    const fields = withStoredSecrets(parameters.fields, [...new Set(named)].sort(), trans);
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
    this._name = new Form([this._nameField()], trans, null);
    this._when = new WhenForm(trans, () => this._previewer.update(), locale);
    this._zone = new Form([this._zoneField()], trans, null);
    this._addZones();
    this._preview = new PreviewView(trans, reader, locale);
    this._parameters = new ParametersForm({ ..._options, parameters: { ...parameters, fields } });
    this._conflicts = new Form(
      conflictFields(this._channels(), trans),
      trans,
      trans.__('If something is in the way')
    );
    this._more = new Form(moreFields(this._poolNames(), trans), trans, trans.__('More options'));
    this._problem = html('div', { class: 'orc-run-problem', role: 'alert', tabindex: -1 });
    showText(this._problem, '');
    this._others = html('p', { class: 'orc-form-help orc-schedule-rules' });
    this._notice = html('div', { class: 'orc-schedule-notice', role: 'note' });
    this._conflicts.node.classList.add('orc-when-row');
    this._more.node.classList.add('orc-when-row');
    this._folded = html(
      'details',
      { class: 'orc-run-options' },
      html('summary', {}, trans.__('More options')),
      this._more.node
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
      this._name.node,
      section(trans.__('When'), this._when.node, this._zone.node, this._preview.node),
      section(trans.__('Parameters'), this._parameters.node),
      section(trans.__('If something is in the way'), this._conflicts.node, this._others),
      this._folded
    );
    for (const form of [this._zone, this._more]) {
      form.node.addEventListener('input', () => this._previewer.update());
    }
    this._conflicts.node.addEventListener('input', () => this._showConcurrency());
    this._more.node.addEventListener('input', () => this._showNotice());
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
    // from the bottom to the top, so that the first that is wrong has the focus at the end
    const more = this._more.read();
    this._folded.open ||= more === null;
    const conflicts = this._conflicts.read();
    const parameters = this._parameters.read();
    const timezone = this._readZone(true);
    const schedule = this._when.read(true);
    const name = deployment?.name ?? this._readName();
    if (more === null && [conflicts, parameters, timezone, schedule, name].every(isGiven)) {
      this._more.read(); // now that it can be seen its first wrong field takes the focus
    }
    if (!more || !conflicts || !parameters || timezone === null || !schedule || name === null) {
      return null;
    }
    const options = new Map([...conflicts, ...more]);
    const values = { schedule, timezone, options, parameters };
    return {
      name,
      version: deployment?.version ?? 0,
      body: deploymentBody(deployment, this._options.parameters.path, at, values),
      notify: this._notifyRequest(name, options.get('notify'))
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
    const places = error instanceof ApiError ? error.errors : NO_ERRORS;
    const ofCode = error instanceof ApiError ? FIELD_OF_CODE[error.code] : undefined;
    const others = new Map(
      [...errorsBesideParameters(places)].map(([path, text]) => [path.replace(OF_FIRST, ''), text])
    );
    if (ofCode !== undefined && error instanceof Error) {
      others.set(ofCode, error.message);
    }
    const areParametersShown = this._parameters.showErrors(places);
    const areOthersShown = this._showAtFields(others, true);
    if (places.size + others.size === 0 || !areParametersShown || !areOthersShown) {
      this._showProblem(error);
    }
  }

  /** Show each error at its field, the first of which may have the focus; false where one has none here. */
  private _showAtFields(errors: ReadonlyMap<string, string>, givesFocus: boolean): boolean {
    const areAllShown = [...errors].every(error => this._showAtAny(new Map([error]), false));
    this._showAtAny(errors, givesFocus);
    return areAllShown;
  }

  private _showAtAny(errors: ReadonlyMap<string, string>, givesFocus: boolean): boolean {
    const isMore = this._more.showErrors(errors, false);
    this._folded.open ||= isMore;
    const shown = [
      isMore && this._more.showErrors(errors, givesFocus),
      this._conflicts.showErrors(errors, givesFocus),
      this._zone.showErrors(errors, givesFocus),
      this._when.showErrors(errors, givesFocus),
      this._name.showErrors(errors, givesFocus)
    ];
    return shown.includes(true);
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
    const schedule = deployment === null ? {} : scheduleOf(deployment.spec, at);
    const options: FieldsOf = deployment === null ? {} : optionsOf(deployment, at);
    this._name.node.hidden = deployment !== null;
    this._when.fill(schedule);
    this._zone.fill({ timezone: readTextOrNull(schedule.timezone) ?? this._options.reader });
    this._parameters.fillDeployed(readFields(deployment?.spec.parameters));
    const rule = deployment === null ? null : ownRule(this._options.rules, deployment.name);
    this._conflicts.fill(rule === null ? options : { ...options, notify: rule.channels[0] });
    this._showOtherRules(deployment);
    this._more.fill(options);
    this._showConcurrency();
    this._showNotice();
    void this._previewer.refresh();
  }

  private _query(): ScheduleQuery | null {
    const timezone = this._readZone(false);
    const schedule = this._when.read(false);
    if (timezone === null || schedule === null) {
      return null;
    }
    const bounds = ['start', 'end'].map(name => [name, this._valueOf(this._more, name)] as const);
    const given = bounds.filter(([, text]) => text !== '');
    const { deployment, at } = this._bar;
    const before = deployment === null ? {} : scheduleOf(deployment.spec, at);
    const daysOff = readList(before.days_off, readTextOrNull).join(',');
    return {
      [schedule.field]: schedule.text,
      timezone,
      ...Object.fromEntries(given),
      ...(daysOff === '' ? {} : { days_off: daysOff })
    };
  }

  private _showPreview(preview: ISchedulePreview | null): void {
    this._shown = preview;
    if (preview === null) {
      this._preview.clear();
    } else {
      if (this._hasPreviewError) {
        this._showAtFields(NO_ERRORS, false);
      }
      this._preview.show(preview);
    }
    this._hasPreviewError = false;
    this._showAction();
  }

  private _showPreviewError(error: unknown): void {
    this._shown = null;
    this._hasPreviewError = true;
    const places = error instanceof ApiError ? errorsBesideParameters(error.errors) : NO_ERRORS;
    const isShown = this._showAtFields(places, false) && places.size > 0;
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
    const when = soonText(first.at, clock.now(), reader, locale);
    return deployment === null
      ? trans.__('Schedule from %1', when)
      : trans.__('Save, next %1', when);
  }

  private _showOtherRules(deployment: IDeployment | null): void {
    const { rules, trans } = this._options;
    const others = otherRules(rules, deployment?.name ?? null).join(', ');
    showText(this._others, others === '' ? '' : trans.__('Rules that tell of it, too: %1', others));
  }

  private _showConcurrency(): void {
    const isBeside = this._valueOf(this._conflicts, 'overlap') === '"beside"';
    this._conflicts.hide(isBeside ? ['concurrency'] : []);
  }

  private _showNotice(): void {
    const { health, pools, trans } = this._options;
    const pool: unknown = JSON.parse(this._valueOf(this._more, 'pool') || '"default"');
    const notice = serviceNotice(health, pools, String(pool), trans);
    this._notice.dataset.missing = String(notice.isMissing);
    this._notice.replaceChildren(html('span', {}, notice.text));
    if (notice.command !== '') {
      this._notice.append(html('code', {}, notice.command));
    }
  }

  private _readName(): string | null {
    const json = this._name.read()?.get('name');
    const name = json === undefined ? '' : (JSON.parse(json) as string).trim();
    if (name === '') {
      this._name.showErrors(new Map([['name', this._options.trans.__('Fill this in.')]]));
    }
    return name === '' ? null : name;
  }

  private _readZone(givesFocus: boolean): string | null {
    const zone = this._zone.read(givesFocus)?.get('timezone');
    return zone === undefined ? null : (JSON.parse(zone) as string).trim();
  }

  private _valueOf(form: Form, name: string): string {
    const control = form.node.querySelector<HTMLInputElement | HTMLSelectElement>(`[name=${name}]`);
    return control?.value ?? '';
  }

  private _nameField(): ReturnType<typeof plainField> {
    const { deployments, notebook, trans } = this._options;
    const taken = deployments.map(({ name }) => name);
    return plainField({
      name: 'name',
      label: trans.__('Name'),
      kind: 'text',
      help: trans.__('Of the deployment, which keeps the notebook as it is saved now.'),
      initial: freeName(notebook, taken),
      isRequired: true
    });
  }

  private _zoneField(): ReturnType<typeof plainField> {
    const { reader, trans } = this._options;
    return plainField({
      name: 'timezone',
      label: trans.__('Time zone'),
      kind: 'text',
      help: '',
      initial: reader,
      isRequired: true,
      example: 'Europe/Berlin'
    });
  }

  /** Let the time zone be chosen from a list that typing narrows. */
  private _addZones(): void {
    const control = this._zone.node.querySelector('input');
    const id = `${control?.id}-zones`;
    control?.setAttribute('list', id);
    const options = knownZones().map(zone => html('option', { value: zone }));
    this._zone.node.append(html('datalist', { id }, ...options));
  }

  private _channels(): string[] {
    const { channels, rules } = this._options;
    return [...new Set([...channels, ...rules.flatMap(rule => rule.channels)])];
  }

  private _poolNames(): string[] {
    const { deployments, pools } = this._options;
    const named = deployments.map(({ spec }) => readTextOrNull(spec.pool));
    return [...(pools ?? []).map(({ name }) => name), ...named.filter(name => name !== null)];
  }

  private readonly _bar: DeploymentBar;
  private readonly _name: Form;
  private readonly _when: WhenForm;
  private readonly _zone: Form;
  private readonly _preview: PreviewView;
  private readonly _parameters: ParametersForm;
  private readonly _conflicts: Form;
  private readonly _more: Form;
  private readonly _problem: HTMLElement;
  private readonly _others: HTMLElement;
  private readonly _notice: HTMLElement;
  private readonly _folded: HTMLDetailsElement;
  private readonly _previewer: Previewer;
  private _shown: ISchedulePreview | null = null;
  private _hasPreviewError = false;
}

function section(title: string, ...nodes: readonly Node[]): HTMLElement {
  return html('section', { class: 'orc-schedule-section' }, html('h3', {}, title), ...nodes);
}

function isGiven(value: unknown): boolean {
  return value !== null;
}

/** Give the names of the stored secrets that a deployment's parameters name. */
function secretsOf(deployment: IDeployment): string[] {
  const values = Object.values(readFields(deployment.spec.parameters) ?? {});
  return values
    .map(value => readTextOrNull(readFields(value)?.$secret))
    .filter(name => name !== null);
}
