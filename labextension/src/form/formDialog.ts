/** A dialog around a form: it stays open until what the form says is done. */

import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import { notifyFailure } from '../notify';

/** What stands in the dialog. */
export interface IFormBody<T> extends Widget {
  /** Read what is filled in; null where something is wrong, which is shown. */
  read(): T | null;
  /** Show why it could not be done. */
  showError(error: unknown): void;
}

/** What the dialog needs. */
export interface IFormDialogOptions<T> {
  readonly title: string;
  readonly body: IFormBody<T>;
  /** What the button does, and what it says meanwhile. */
  readonly action: string;
  readonly busyAction: string;
  /** What has the focus first, within the body. */
  readonly focusNodeSelector: string;
  readonly trans: TranslationBundle;
  /** Do it; what it throws is shown. */
  readonly send: (values: T) => Promise<void>;
}

/** Which of the buttons sends the form. */
const SEND = 1;

/** Closes when it is done, or was not wanted. */
export class FormDialog<T> extends Dialog<void> {
  constructor(options: IFormDialogOptions<T>) {
    const { action, body, title, trans } = options;
    super({
      title,
      body,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: action })
      ],
      defaultButton: SEND,
      focusNodeSelector: options.focusNodeSelector
    });
    this.addClass('orc-form-dialog');
    this.node.setAttribute('aria-label', title);
    this._form = body;
    this._options = options;
    this._action = action;
    this._sendButton = this.node.querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')[SEND];
  }

  /** Send the form where that is asked for; close the dialog otherwise. */
  override resolve(index = SEND): void {
    if (index === SEND) {
      void this._send();
    } else {
      super.resolve(index);
    }
  }

  /** Close the dialog, whatever stands in it. */
  finish(): void {
    super.resolve(SEND);
  }

  /** Have the button say that it does something else. */
  set action(text: string) {
    this._action = text;
    this._showBusy(this._isBusy);
  }

  /** Errors are told when the form is sent, not by a button that cannot be pressed. */
  protected override _checkValidation(): void {}

  /** As {@link _checkValidation}, for JupyterLab before 4.6. */
  protected override _evtInput(): void {}

  /** Leave keys to what uses them itself; JupyterLab before 4.6 takes them away. */
  protected override _evtKeydown(event: KeyboardEvent): void {
    const { key, target } = event;
    const isButton = target instanceof Element && target.matches('button:not(.jp-Dialog-button)');
    const isText = target instanceof Element && target.matches('textarea, summary');
    const isTheirs = isButton ? key !== 'Escape' && key !== 'Tab' : isText && key === 'Enter';
    if (!isTheirs) {
      super._evtKeydown(event);
    }
  }

  private async _send(): Promise<void> {
    const values = this._isBusy ? null : this._form.read();
    if (values === null) {
      return;
    }
    this._showBusy(true);
    try {
      await this._options.send(values);
      this.finish();
    } catch (error) {
      if (this.isDisposed) {
        notifyFailure(this._options.trans, '', error);
      } else {
        this._showBusy(false);
        this._form.showError(error);
      }
    } finally {
      this._isBusy = false;
    }
  }

  private _showBusy(isBusy: boolean): void {
    this._isBusy = isBusy;
    this._sendButton.disabled = isBusy;
    this._sendButton.setAttribute('aria-busy', String(isBusy));
    const text = isBusy ? this._options.busyAction : this._action;
    const label = this._sendButton.querySelector('.jp-Dialog-buttonLabel');
    if (label !== null) {
      label.textContent = text;
    }
    if (this._sendButton.hasAttribute('aria-label')) {
      this._sendButton.setAttribute('aria-label', text);
    }
  }

  private readonly _form: IFormBody<T>;
  private readonly _options: IFormDialogOptions<T>;
  private readonly _sendButton: HTMLButtonElement;
  private _action: string;
  private _isBusy = false;
}
