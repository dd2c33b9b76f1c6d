/** The dialog that edits the options of a task cell: a field for each, with what is wrong at its field. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { ApiError } from '../apiError';
import { html, showText } from '../drawing/elements';
import { Form } from '../form/form';
import { FormDialog } from '../form/formDialog';
import type { IFormBody } from '../form/formDialog';
import { fieldAt, optionFields, readOptionValues } from './taskOptions';
import type { ITaskOptions, OptionTexts } from './taskOptions';

/** What the form gives. */
export interface ITaskValues {
  readonly name: string;
  readonly values: OptionTexts;
}

/** What the dialog needs. */
export interface ITaskDialogOptions {
  readonly task: ITaskOptions;
  readonly trans: TranslationBundle;
  /** Put the values into the cell; what it throws is shown. */
  readonly take: (values: ITaskValues) => Promise<void>;
}

/** Closes when the cell has the options, or they were not wanted. */
export class TaskDialog extends FormDialog<ITaskValues> {
  constructor({ task, trans, take }: ITaskDialogOptions) {
    super({
      title: task.isTask ? trans.__('Options of the task') : trans.__('Run this cell as a task'),
      body: new TaskForm(task, trans),
      action: trans.__('Apply'),
      busyAction: trans.__('Applying…'),
      focusNodeSelector: '.orc-task-form :is(input, textarea)',
      trans,
      send: take
    });
  }
}

/** What stands in the dialog. */
class TaskForm extends Widget implements IFormBody<ITaskValues> {
  constructor(
    private readonly _task: ITaskOptions,
    trans: TranslationBundle
  ) {
    super();
    this.addClass('orc-run-body');
    this._form = new Form(optionFields(_task, trans), trans, trans.__('Options'));
    this._form.node.classList.add('orc-task-form');
    this.node.append(this._problem, this._form.node);
    showText(this._problem, '');
  }

  read(): ITaskValues | null {
    showText(this._problem, '');
    const values = this._form.read();
    return values === null ? null : readOptionValues(this._task, values);
  }

  showError(error: unknown): void {
    const places = new Map<string, string>();
    for (const [pointer, detail] of error instanceof ApiError ? error.errors : []) {
      const field = fieldAt(pointer);
      if (field !== null) {
        places.set(field, detail);
      }
    }
    if (!this._form.showErrors(places)) {
      showText(this._problem, error instanceof Error ? error.message : String(error));
      this._problem.scrollIntoView({ block: 'nearest' });
    }
  }

  private readonly _form: Form;
  private readonly _problem = html('div', { class: 'orc-run-problem', role: 'alert' });
}
