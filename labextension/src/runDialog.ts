/** The dialog that runs a notebook as a flow: a form for its parameters, which stays open until the run has started. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { html, showText } from './drawing/elements';
import type { ITexts } from './drawing/translation';
import { errorText } from './errorText';
import type { IEarlierRun, IFormBegin } from './form/earlierRuns';
import type { INotebookParameters } from './form/fields';
import type { FormValues } from './form/form';
import { FormDialog } from './form/formDialog';
import type { IFormBody } from './form/formDialog';
import { RunForm } from './form/runForm';
import type { IRunValues } from './form/runForm';

/** What the dialog needs. */
export interface IRunDialogOptions {
  /** The notebook's file name. */
  readonly notebook: string;
  readonly parameters: INotebookParameters;
  readonly earlier: readonly IEarlierRun[];
  /** What it starts from; the defaults without it. */
  readonly begin?: IFormBegin;
  /** What could not be read; null where all was. */
  readonly notice: HTMLElement | null;
  readonly trans: TranslationBundle;
  readonly locale?: string;
  /** Start the run; what it throws is shown. */
  readonly start: (parameters: FormValues, options: FormValues) => Promise<void>;
}

/** Closes when the run has started, or was not wanted. */
export class RunDialog extends FormDialog<IRunValues> {
  constructor(options: IRunDialogOptions) {
    const { trans } = options;
    super({
      title: trans.__('Run %1 as a flow', options.notebook),
      body: new RunDialogBody(options),
      action: trans.__('Run it'),
      busyAction: trans.__('Starting…'),
      focusNodeSelector: '.orc-run-parameters :is(input, select, textarea)',
      trans,
      send: values => options.start(values.parameters, values.options)
    });
    this.addClass('orc-run-dialog');
  }
}

/** What stands in the dialog: the form, below what went wrong. */
class RunDialogBody extends Widget implements IFormBody<IRunValues> {
  constructor(options: IRunDialogOptions) {
    super();
    this._texts = options.trans;
    this._form = new RunForm(options);
    this._problem = html('div', { class: 'orc-run-problem', role: 'alert', tabindex: -1 });
    showText(this._problem, '');
    this.addClass('orc-run-body');
    this.node.append(this._problem, ...(options.notice ? [options.notice] : []), this._form.node);
  }

  read(): IRunValues | null {
    showText(this._problem, '');
    return this._form.read();
  }

  showError(error: unknown): void {
    if (!this._form.showError(error)) {
      showText(this._problem, errorText(error, this._texts));
      this._problem.scrollIntoView({ block: 'nearest' });
    }
  }

  private readonly _texts: ITexts;
  private readonly _form: RunForm;
  private readonly _problem: HTMLElement;
}
