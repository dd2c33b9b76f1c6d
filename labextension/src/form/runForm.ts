/** What a notebook is run with: its parameters, where there are any, and the options of the run, folded. */

import { ApiError } from '../apiError';
import { html } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { NO_BOUNDS, plainField } from './fields';
import type { IField } from './fields';
import { Form } from './form';
import type { FormValues } from './form';
import { ParametersForm, errorsBesideParameters } from './parametersForm';
import type { IParametersFormOptions } from './parametersForm';

/** What a run is started with. */
export interface IRunValues {
  readonly parameters: FormValues;
  readonly options: FormValues;
}

/** Draws both forms. */
export class RunForm {
  constructor(options: IParametersFormOptions) {
    const { trans } = options;
    this._parameters = new ParametersForm(options);
    this._options = new Form(optionFields(trans), trans, trans.__('Options'));
    this._folded = html(
      'details',
      { class: 'orc-run-options' },
      html('summary', {}, trans.__('Options')),
      this._options.node
    );
    this._folded.addEventListener('toggle', () => {
      if (this._folded.open) {
        this._folded.scrollIntoView({ block: 'nearest' });
      }
    });
    this.node = html('div', { class: 'orc-run-form' }, this._parameters.node, this._folded);
  }

  readonly node: HTMLElement;

  /** Read both forms; null where something is wrong, which is shown. */
  read(): IRunValues | null {
    const options = this._options.read();
    this._folded.open ||= options === null;
    const parameters = this._parameters.read();
    if (options === null && parameters !== null) {
      this._options.read(); // now that it can be seen its first wrong field takes the focus
    }
    return options === null || parameters === null ? null : { parameters, options };
  }

  /** Show an error of the server at the fields that it names; false where it names none, or one that is not here. */
  showError(error: unknown): boolean {
    const places: ReadonlyMap<string, string> =
      error instanceof ApiError ? error.errors : new Map();
    const others = errorsBesideParameters(places);
    this._folded.open ||= others.size > 0;
    this._options.showErrors(others);
    const areParametersShown = this._parameters.showErrors(places);
    const areOthersShown = [...others.keys()].every(name => this._options.has(name));
    return places.size > 0 && areParametersShown && areOthersShown;
  }

  private readonly _parameters: ParametersForm;
  private readonly _options: Form;
  private readonly _folded: HTMLDetailsElement;
}

function optionFields(trans: ITexts): IField[] {
  return [
    plainField({
      name: 'cache',
      label: trans.__('Replay unchanged cells'),
      kind: 'checkbox',
      help: trans.__(
        'Cells whose code and inputs are as in an earlier run are not run again. A task cell is, unless it has --cache itself.'
      )
    }),
    plainField({
      name: 'parallel',
      label: trans.__('Run cells in parallel'),
      kind: 'checkbox',
      help: trans.__('Cells run ahead of their turn on the cluster, where that pays.')
    }),
    plainField({
      name: 'timeout_seconds',
      label: trans.__('Time limit in seconds'),
      kind: 'number',
      help: trans.__('The run is stopped after so long; empty for never.'),
      bounds: { ...NO_BOUNDS, exclusiveMinimum: 0 }
    }),
    plainField({
      name: 'cluster',
      label: trans.__('Cluster'),
      kind: 'text',
      help: trans.__('Where task cells run: local, or an address; empty for that of the settings.')
    })
  ];
}
