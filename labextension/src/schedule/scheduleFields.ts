/** The fields of the schedule dialog: a name, when, in which time zone, with which parameters, and what else. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { html } from '../drawing/elements';
import type { IEarlierRun } from '../form/earlierRuns';
import { plainField } from '../form/fields';
import type { INotebookParameters } from '../form/fields';
import { Form } from '../form/form';
import { ParametersForm, errorsBesideParameters } from '../form/parametersForm';
import { readFields, readList, readTextOrNull } from '../schemas';
import { freeName, optionsOf, scheduleOf } from './composition';
import type { IScheduleValues } from './composition';
import type { INotificationRule } from './notify';
import { conflictFields, moreFields, withStoredSecrets } from './optionFields';
import type { FieldsOf, IDeployment, IPool } from './records';
import type { ScheduleQuery } from './scheduleApi';
import { knownZones } from './times';
import { WhenForm } from './whenForm';

/** What the fields start with, and offer. */
export interface IScheduleFieldsOptions {
  /** The notebook's file name. */
  readonly notebook: string;
  readonly parameters: INotebookParameters;
  readonly earlier: readonly IEarlierRun[];
  /** Those that the notebook has. */
  readonly deployments: readonly IDeployment[];
  /** Null where they are not known. */
  readonly pools: readonly IPool[] | null;
  /** Names of those that are stored. */
  readonly secrets: readonly string[];
  /** The channels of notifications, and their rules. */
  readonly channels: readonly string[];
  readonly rules: readonly INotificationRule[];
  /** The reader's time zone. */
  readonly reader: string;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

/** What the fields say. */
export interface IFilledSchedule {
  /** Of the deployment. */
  readonly name: string;
  readonly values: IScheduleValues;
}

const OF_FIRST = /^schedules\/\d+\//;

/** Draws the fields in sections, fills and reads them. */
export class ScheduleFields {
  /**
   * @param preview - what the schedule means, which stands beside it
   * @param others - stands below what is done when something is in the way
   * @param timesChanged - called when the schedule is another one
   * @param poolChanged - called when another pool may have been chosen
   */
  constructor(
    private readonly _options: IScheduleFieldsOptions,
    preview: Node,
    others: Node,
    timesChanged: () => void,
    poolChanged: () => void
  ) {
    const { deployments, locale, parameters, secrets, trans } = _options;
    const named = [...secrets, ...deployments.flatMap(secretsOf)];
    const fields = withStoredSecrets(parameters.fields, [...new Set(named)].sort(), trans);
    this._name = new Form([this._nameField()], trans, null);
    this._when = new WhenForm(trans, timesChanged, locale);
    this._zone = new Form([this._zoneField()], trans, null);
    this._addZones();
    this._parameters = new ParametersForm({ ..._options, parameters: { ...parameters, fields } });
    this._conflicts = new Form(
      conflictFields(this._channels(), trans),
      trans,
      trans.__('If something is in the way')
    );
    this._more = new Form(moreFields(this._poolNames(), trans), trans, trans.__('More options'));
    this._conflicts.node.classList.add('orc-when-row');
    this._more.node.classList.add('orc-when-row');
    this._folded = html(
      'details',
      { class: 'orc-run-options' },
      html('summary', {}, trans.__('More options')),
      this._more.node
    );
    this.nodes = [
      this._name.node,
      section(trans.__('When'), this._when.node, this._zone.node, preview),
      section(trans.__('Parameters'), this._parameters.node),
      section(trans.__('If something is in the way'), this._conflicts.node, others),
      this._folded
    ];
    for (const form of [this._zone, this._more]) {
      form.node.addEventListener('input', timesChanged);
    }
    this._conflicts.node.addEventListener('input', () => this._showConcurrency());
    this._more.node.addEventListener('input', poolChanged);
  }

  /** From the top to the bottom. */
  readonly nodes: readonly HTMLElement[];

  /** The name of the pool that is chosen. */
  get pool(): string {
    return String(JSON.parse(this._valueOf(this._more, 'pool') || '"default"'));
  }

  /**
   * Put a deployment into all fields, or the first values.
   *
   * @param at - which of its schedules, from 0
   * @param rule - which tells of it; null for none
   */
  fill(deployment: IDeployment | null, at: number, rule: INotificationRule | null): void {
    const schedule = deployment === null ? {} : scheduleOf(deployment.spec, at);
    const options: FieldsOf = deployment === null ? {} : optionsOf(deployment, at);
    this._name.node.hidden = deployment !== null;
    this._when.fill(schedule);
    this._zone.fill({ timezone: readTextOrNull(schedule.timezone) ?? this._options.reader });
    this._parameters.fillDeployed(readFields(deployment?.spec.parameters));
    this._conflicts.fill(rule === null ? options : { ...options, notify: rule.channels[0] });
    this._more.fill(options);
    this._showConcurrency();
  }

  /**
   * Read the fields; null where something is wrong, which is shown: the first that is has the focus.
   *
   * @param known - the name of the deployment that is shown; null for a new one
   */
  read(known: string | null): IFilledSchedule | null {
    // from the bottom to the top, so that the first that is wrong has the focus at the end
    const more = this._more.read();
    this._folded.open ||= more === null;
    const conflicts = this._conflicts.read();
    const parameters = this._parameters.read();
    const timezone = this._readZone(true);
    const schedule = this._when.read(true);
    const name = known ?? this._readName();
    if (more === null && [conflicts, parameters, timezone, schedule, name].every(isGiven)) {
      this._more.read(); // now that it can be seen its first wrong field takes the focus
    }
    if (!more || !conflicts || !parameters || timezone === null || !schedule || name === null) {
      return null;
    }
    return {
      name,
      values: { schedule, timezone, options: new Map([...conflicts, ...more]), parameters }
    };
  }

  /**
   * Give the schedule as a preview is asked for it; null where something of it is wrong, which is shown.
   *
   * @param before - the schedule that is changed: what has no field here stays
   */
  query(before: FieldsOf): ScheduleQuery | null {
    const timezone = this._readZone(false);
    const schedule = this._when.read(false);
    if (timezone === null || schedule === null) {
      return null;
    }
    const bounds = ['start', 'end'].map(name => [name, this._valueOf(this._more, name)] as const);
    const given = bounds.filter(([, text]) => text !== '');
    const daysOff = readList(before.days_off, readTextOrNull).join(',');
    return {
      [schedule.field]: schedule.text,
      timezone,
      ...Object.fromEntries(given),
      ...(daysOff === '' ? {} : { days_off: daysOff })
    };
  }

  /**
   * Show what the server has said at the fields that it names.
   *
   * @param more - errors that name no field of the schedule's own, by field
   * @returns whether each has a field here
   */
  showServerErrors(
    places: ReadonlyMap<string, string>,
    more: ReadonlyMap<string, string> = new Map()
  ): boolean {
    const others = new Map([
      ...[...errorsBesideParameters(places)].map(
        ([path, text]) => [path.replace(OF_FIRST, ''), text] as const
      ),
      ...more
    ]);
    const areParametersShown = this._parameters.showErrors(places);
    const areOthersShown = this.showErrors(others, true);
    return places.size + others.size > 0 && areParametersShown && areOthersShown;
  }

  /** Show each error at its field, the first of which may have the focus; false where one has none here. */
  showErrors(errors: ReadonlyMap<string, string>, givesFocus: boolean): boolean {
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

  private _showConcurrency(): void {
    const isBeside = this._valueOf(this._conflicts, 'overlap') === '"beside"';
    this._conflicts.hide(isBeside ? ['concurrency'] : []);
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

  private readonly _name: Form;
  private readonly _when: WhenForm;
  private readonly _zone: Form;
  private readonly _parameters: ParametersForm;
  private readonly _conflicts: Form;
  private readonly _more: Form;
  private readonly _folded: HTMLDetailsElement;
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
