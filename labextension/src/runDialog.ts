/** The dialog that runs a notebook as a flow: a form for its parameters, which stays open until the run has started. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { ApiError } from './apiError';
import { html, showText } from './drawing/elements';
import type { IEarlierRun } from './form/earlierRuns';
import { NO_BOUNDS, plainField } from './form/fields';
import type { IField, INotebookParameters } from './form/fields';
import { Form } from './form/form';
import type { FormValues } from './form/form';
import { FormDialog } from './form/formDialog';
import type { IFormBody } from './form/formDialog';
import { ParametersForm, errorsBesideParameters } from './form/parametersForm';

/** What the dialog needs. */
export interface IRunDialogOptions {
  /** The notebook's file name. */
  readonly notebook: string;
  readonly parameters: INotebookParameters;
  readonly earlier: readonly IEarlierRun[];
  readonly trans: TranslationBundle;
  readonly locale?: string;
  /** Start the run; what it throws is shown. */
  readonly start: (parameters: FormValues, options: FormValues) => Promise<void>;
}

/** What a run is started with. */
interface IRunValues {
  readonly parameters: FormValues;
  readonly options: FormValues;
}

/** Closes when the run has started, or was not wanted. */
export class RunDialog extends FormDialog<IRunValues> {
  constructor(options: IRunDialogOptions) {
    const { trans } = options;
    super({
      title: trans.__('Run %1 as a flow', options.notebook),
      body: new RunForm(options),
      action: trans.__('Run'),
      busyAction: trans.__('Starting…'),
      focusNodeSelector: '.orc-run-parameters :is(input, select, textarea)',
      trans,
      send: values => options.start(values.parameters, values.options)
    });
    this.addClass('orc-run-dialog');
  }
}

/** What stands in the dialog: the parameters, where there are any, and the options, folded. */
class RunForm extends Widget implements IFormBody<IRunValues> {
  constructor(options: IRunDialogOptions) {
    super();
    const { trans } = options;
    this._parameters = new ParametersForm(options);
    this._options = new Form(optionFields(trans), trans, trans.__('Options'));
    this._problem = html('div', { class: 'orc-run-problem', role: 'alert', tabindex: -1 });
    showText(this._problem, '');
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
    this.addClass('orc-run-body');
    this.node.append(this._problem, this._parameters.node, this._folded);
  }

  /** Read both forms; null where something is wrong, which is shown. */
  read(): IRunValues | null {
    showText(this._problem, '');
    const options = this._options.read();
    this._folded.open ||= options === null;
    const parameters = this._parameters.read();
    if (options === null && parameters !== null) {
      this._options.read(); // now that it can be seen its first wrong field takes the focus
    }
    return options === null || parameters === null ? null : { parameters, options };
  }

  /** Show an error of the server at the fields that it names, else above all. */
  showError(error: unknown): void {
    const places: ReadonlyMap<string, string> =
      error instanceof ApiError ? error.errors : new Map();
    const others = errorsBesideParameters(places);
    this._folded.open ||= others.size > 0;
    const isOption = this._options.showErrors(others);
    const isParameter = this._parameters.showErrors(places);
    if (!isOption && !isParameter) {
      showText(this._problem, error instanceof Error ? error.message : String(error));
      this._problem.scrollIntoView({ block: 'nearest' });
    }
  }

  private readonly _parameters: ParametersForm;
  private readonly _options: Form;
  private readonly _problem: HTMLElement;
  private readonly _folded: HTMLDetailsElement;
}

function optionFields(trans: TranslationBundle): IField[] {
  return [
    plainField({
      name: 'cache',
      label: trans.__('Replay unchanged cells'),
      kind: 'checkbox',
      help: trans.__('Cells whose code and inputs are as in an earlier run are not run again.')
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
