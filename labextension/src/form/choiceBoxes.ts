/** A field of which several values can be ticked: a group of boxes with one name, help and error. */

import { html, setAttributes, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import type { FormValues } from './form';

/** What can be ticked. */
export interface IChoiceBoxes {
  readonly name: string;
  readonly label: string;
  readonly help: string;
  /** Value to its label. */
  readonly choices: readonly (readonly [string, string])[];
  /** Whether one has to be. */
  readonly isRequired?: boolean;
}

let groups = 0;

/** Draws the boxes, and reads them as a list. */
export class ChoiceBoxes {
  constructor(
    private readonly _field: IChoiceBoxes,
    private readonly _texts: ITexts
  ) {
    groups += 1;
    const id = `orc-choices-${groups}`;
    const { label, help, choices, isRequired } = _field;
    const legend = html('legend', {}, label);
    if (isRequired === true) {
      legend.append(html('span', { class: 'orc-form-needed', 'aria-hidden': 'true' }, ' *'));
    }
    const helpNode = html('div', { class: 'orc-form-help', id: `${id}-help` }, help);
    helpNode.hidden = help === '';
    this._error = html('div', { class: 'orc-form-error', id: `${id}-error`, role: 'alert' });
    this._error.hidden = true;
    const boxes = choices.map(([value, words]) => {
      const box = html('input', { type: 'checkbox', value });
      box.addEventListener('change', () => this._showError(''));
      this._boxes.push(box);
      return html('label', {}, box, html('span', {}, words));
    });
    this.node = html(
      'fieldset',
      {
        class: 'orc-form-field orc-form-choices',
        'aria-describedby': help === '' ? `${id}-error` : `${id}-help ${id}-error`
      },
      legend,
      html('div', {}, ...boxes),
      helpNode,
      this._error
    );
  }

  readonly node: HTMLElement;

  /** Tick these, and no others. */
  fill(values: readonly string[]): void {
    this._boxes.forEach(box => {
      box.checked = values.includes(box.value);
    });
  }

  /** Read what is ticked as JSON, nothing where none is; null where one has to be. */
  read(givesFocus = true): FormValues | null {
    const values = this._boxes.filter(box => box.checked).map(box => box.value);
    if (values.length === 0 && this._field.isRequired === true) {
      this._showError(this._texts.__('Choose at least one.'));
      if (givesFocus) {
        this._boxes[0]?.focus();
      }
      return null;
    }
    this._showError('');
    return new Map(values.length === 0 ? [] : [[this._field.name, JSON.stringify(values)]]);
  }

  /** Show an error of the field; false where none is of it. */
  showErrors(errors: ReadonlyMap<string, string>, givesFocus = true): boolean {
    const error = errors.get(this._field.name) ?? '';
    this._showError(error);
    if (error !== '' && givesFocus) {
      this._boxes[0]?.focus();
    }
    return error !== '';
  }

  private _showError(text: string): void {
    showText(this._error, text);
    const isWrong = text === '' ? null : 'true';
    this._boxes.forEach(box => setAttributes(box, { 'aria-invalid': isWrong }));
  }

  private readonly _error: HTMLElement;
  private readonly _boxes: HTMLInputElement[] = [];
}
