/** The form for a notebook's parameters, which can start from what an earlier run had. */

import { clock } from '../drawing/clock';
import { html } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { readFields } from '../schemas';
import { offeredRuns, presetLabel } from './earlierRuns';
import type { IEarlierRun, IFormBegin } from './earlierRuns';
import { plainField } from './fields';
import type { IField, INotebookParameters } from './fields';
import { Form } from './form';
import type { FormValues } from './form';

const MOST_PRESETS = 10;
/** The name of the field for parameters of any name; none of them can be called so. */
const OTHERS = '…';
/** The choice of what the form starts from by itself, beside the places of runs. */
const BEGIN = 'begin';
const OF_PARAMETERS = '#/parameters/';

/** What the form needs. */
export interface IParametersFormOptions {
  readonly parameters: INotebookParameters;
  readonly earlier: readonly IEarlierRun[];
  /** What it starts from; the defaults without it. */
  readonly begin?: IFormBegin;
  readonly trans: ITexts;
  readonly locale?: string;
}

let forms = 0;

/** Draws the parameters with the earlier runs, or says that there are none. */
export class ParametersForm {
  constructor(options: IParametersFormOptions) {
    const { parameters, trans } = options;
    this._trans = trans;
    this._beginOption = html('option', { value: BEGIN });
    this._takesOthers = parameters.takesOthers && parameters.fields.length === 0;
    const fields = this._takesOthers ? [othersField(parameters, trans)] : parameters.fields;
    this._form = new Form(fields, trans, trans.__('Parameters'));
    this.node = html('div');
    if (fields.length === 0) {
      this.node.append(html('p', { class: 'orc-run-none' }, noParametersText(parameters, trans)));
      return;
    }
    const offered = offeredRuns(options.earlier, parameters.path, MOST_PRESETS);
    if (offered.length > 0 || options.begin !== undefined) {
      this.node.append(this._makePresets(offered, options.locale));
    }
    this.node.append(html('div', { class: 'orc-run-parameters' }, this._form.node));
    if (options.begin !== undefined) {
      this._startFrom(options.begin);
    }
  }

  readonly node: HTMLElement;

  /** Read the parameters; null where one is wrong, which is shown and has the focus. */
  read(): FormValues | null {
    return withOthers(this._form.read());
  }

  /** Put values into the fields, and the defaults into all others. */
  fill(values: Readonly<Record<string, unknown>>): void {
    const isNone = Object.keys(values).length === 0;
    this._form.fill(this._takesOthers && !isNone ? { [OTHERS]: values } : values);
  }

  /** Put the values of a deployment into the fields, which can be started from, too; null for none. */
  fillDeployed(values: Readonly<Record<string, unknown>> | null): void {
    this._startFrom({ label: this._trans.__('As deployed'), values: values ?? {} });
  }

  /** Show those of an error's places that are parameters, at their fields; false where one of them has no field here. */
  showErrors(errors: ReadonlyMap<string, string>): boolean {
    const ofParameters = [...errors]
      .filter(([pointer]) => pointer.startsWith(OF_PARAMETERS))
      .map(([pointer, detail]) => [pointer.slice(OF_PARAMETERS.length), detail] as const);
    this._form.showErrors(new Map(ofParameters));
    return ofParameters.every(([name]) => this._form.has(name));
  }

  private _startFrom({ label, values }: IFormBegin): void {
    this._begin = values;
    const hasValues = Object.keys(values).length > 0;
    if (this._presets !== null) {
      this._beginOption.remove();
      this._beginOption.textContent = label;
      if (hasValues) {
        this._presets.prepend(this._beginOption);
      }
      this._presets.value = hasValues ? BEGIN : '';
    }
    this.fill(values);
  }

  private _makePresets(runs: readonly IEarlierRun[], locale?: string): HTMLElement {
    const labels = runs.map(run => presetLabel(run, clock.now(), this._trans, locale));
    forms += 1;
    const id = `orc-run-preset-${forms}`;
    const select = html(
      'select',
      { id, class: 'orc-run-presets' },
      html('option', { value: '' }, this._trans.__('The defaults')),
      ...labels.map((label, at) => html('option', { value: at }, label))
    );
    select.addEventListener('change', () => {
      const { value } = select;
      const isOfRun = value !== '' && value !== BEGIN;
      this.fill(isOfRun ? runs[Number(value)].parameters : value === BEGIN ? this._begin : {});
    });
    this._presets = select;
    return html(
      'div',
      { class: 'orc-form-field orc-run-preset' },
      html('label', { for: id }, this._trans.__('Start from')),
      select
    );
  }

  private readonly _trans: ITexts;
  private readonly _takesOthers: boolean;
  private readonly _form: Form;
  private readonly _beginOption: HTMLOptionElement;
  private _begin: Readonly<Record<string, unknown>> = {};
  /** What the form starts from; null where there is nothing to choose from. */
  private _presets: HTMLSelectElement | null = null;
}

/** Give those of an error's places that are no parameters: field to what is wrong with it. */
export function errorsBesideParameters(errors: ReadonlyMap<string, string>): Map<string, string> {
  const others = [...errors].filter(([pointer]) => !pointer.startsWith(OF_PARAMETERS));
  return new Map(others.map(([pointer, detail]) => [pointer.slice(2), detail]));
}

/** Takes parameters of any name, where the notebook's language does not tell what it declares. */
function othersField(parameters: INotebookParameters, trans: ITexts): IField {
  return plainField({
    name: OTHERS,
    label: trans.__('Parameters'),
    kind: 'mapping',
    help: parameters.problem,
    example: '{"region": "EU"}'
  });
}

/** Give the parameters in the field for those of any name, where it is filled in. */
function withOthers(values: FormValues | null): FormValues | null {
  const others = values?.get(OTHERS);
  if (others === undefined) {
    return values;
  }
  const given = Object.entries(readFields(JSON.parse(others)) ?? {});
  return new Map(given.map(([name, value]) => [name, JSON.stringify(value)]));
}

function noParametersText(parameters: INotebookParameters, trans: ITexts): string {
  if (parameters.isDeclared) {
    return parameters.problem || trans.__('The parameters cell of this notebook declares none.');
  }
  return trans.__(
    'This notebook takes no parameters. To give it some, put their defaults into a cell and add the tag "parameters" to it.'
  );
}
