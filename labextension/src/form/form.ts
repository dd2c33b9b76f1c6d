/** A form of fields in the page: labels, help and errors stand with their controls, for eyes and for screen readers. */

import { html, setAttributes, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { helpOf, readControl, sentValue, textOf } from './fields';
import type { IField } from './fields';

/** What a form gives: name to JSON. */
export type FormValues = ReadonlyMap<string, string>;

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const INPUT_TYPES: Partial<Record<IField['kind'], string>> = {
  date: 'date',
  datetime: 'datetime-local',
  time: 'time',
  secret: 'password',
  checkbox: 'checkbox'
};
/** As what a run's record shows a secret that nobody is to see. */
export const HIDDEN = '••••';

let forms = 0;

/** Draws some fields, and reads them. */
export class Form {
  /** @param label - of the whole, for screen readers; null where its one field, or what is around it, says as much */
  constructor(fields: readonly IField[], texts: ITexts, label: string | null) {
    forms += 1;
    const prefix = `orc-form-${forms}`;
    this._rows = fields.map((field, at) => new Row(field, texts, `${prefix}-${at}`));
    this.node = html(
      'div',
      { class: 'orc-form', role: label === null ? null : 'group', 'aria-label': label },
      ...this._rows.map(row => row.node)
    );
  }

  readonly node: HTMLElement;

  /**
   * Read the fields that are not hidden; null where one is wrong: the errors stand at their fields then.
   *
   * @param givesFocus - whether the first that is wrong has the focus then
   */
  read(givesFocus = true): FormValues | null {
    const values = new Map<string, string>();
    let firstWrong: Row | null = null;
    for (const row of this._rows.filter(each => !each.node.hidden)) {
      const result = row.read();
      row.showError('error' in result ? result.error : '');
      if ('error' in result) {
        firstWrong ??= row;
      } else if ('json' in result) {
        values.set(row.field.name, result.json);
      }
    }
    if (givesFocus) {
      firstWrong?.focus();
    }
    return firstWrong === null ? values : null;
  }

  /** Put values into the fields, and the defaults into all others. */
  fill(values: Readonly<Record<string, unknown>>): void {
    this._rows.forEach(row =>
      row.fill(Object.hasOwn(values, row.field.name) ? values[row.field.name] : undefined)
    );
  }

  /** Hide some fields, which are not read then, and show all others. */
  hide(names: readonly string[]): void {
    this._rows.forEach(row => {
      row.node.hidden = names.includes(row.field.name);
    });
  }

  /** Show errors at their fields, and give the focus to the first; false where none of them has a field here. */
  showErrors(errors: ReadonlyMap<string, string>, givesFocus = true): boolean {
    this._rows.forEach(row => row.showError(errors.get(row.field.name) ?? ''));
    const first = this._rows.find(row => errors.has(row.field.name));
    if (givesFocus) {
      first?.focus();
    }
    return first !== undefined;
  }

  /** Tell whether an error of a field can be seen here. */
  has(name: string): boolean {
    return this._rows.some(row => row.field.name === name && !row.node.hidden);
  }

  private readonly _rows: readonly Row[];
}

/** One field with its label, help and error. */
class Row {
  constructor(
    readonly field: IField,
    private readonly _texts: ITexts,
    id: string
  ) {
    const help = helpOf(field, _texts);
    this._control = this._makeControl(id);
    this._error = html('div', { class: 'orc-form-error', id: `${id}-error`, role: 'alert' });
    showText(this._error, '');
    setAttributes(this._control, {
      id,
      name: field.name,
      'aria-describedby': help === '' ? `${id}-error` : `${id}-help ${id}-error`,
      'aria-required': field.isRequired ? 'true' : null
    });
    const label = html('label', { for: id }, field.label);
    if (field.isRequired) {
      label.append(html('span', { class: 'orc-form-needed', 'aria-hidden': 'true' }, ' *'));
    }
    const helpNode = html('div', { class: 'orc-form-help', id: `${id}-help` }, help);
    helpNode.hidden = help === '';
    const isCheckbox = field.kind === 'checkbox';
    this.node = html(
      'div',
      { class: isCheckbox ? 'orc-form-field orc-form-checkbox' : 'orc-form-field' },
      ...(isCheckbox ? [html('div', {}, this._control, label)] : [label, this._withMore(id)]),
      helpNode,
      this._error
    );
    this.fill(undefined);
    this._opened = this._text;
    this._control.addEventListener('input', () => this._onInput());
  }

  readonly node: HTMLElement;

  read(): ReturnType<typeof readControl> {
    if (this._reference !== null) {
      return { json: JSON.stringify({ $secret: this._reference }) };
    }
    if (this._given !== undefined) {
      return { json: JSON.stringify(sentValue(this._given)) };
    }
    if (this._control instanceof HTMLInputElement && this._control.validity.badInput) {
      return { error: this._texts.__('Complete this.') }; // a date of which a part is missing reads as none
    }
    // the browser may write the default of a date in another way
    const text = this._text === this._opened ? this.field.initial : this._text;
    return readControl(this.field, text, this._texts);
  }

  /** Put a value into the control; the default for undefined. */
  fill(value: unknown): void {
    const { kind, initial } = this.field;
    this.showError('');
    this._reference = null;
    this._keep(value === HIDDEN ? undefined : value);
    if (kind === 'secret') {
      this._fillSecret(value);
    } else {
      this._text = value === undefined ? initial : textOf(kind, value);
    }
  }

  showError(text: string): void {
    showText(this._error, text);
    setAttributes(this._control, { 'aria-invalid': text === '' ? null : 'true' });
  }

  focus(): void {
    this._control.focus();
  }

  private _fillSecret(value: unknown): void {
    this._text = '';
    const stored =
      typeof value === 'object' && value !== null && '$secret' in value ? value.$secret : null;
    this._reference = typeof stored === 'string' ? stored : null;
    const { isRequired } = this.field;
    const hint =
      this._reference !== null
        ? this._texts.__('the stored secret %1', this._reference)
        : value === HIDDEN
          ? this._texts.__('is not kept: give it again')
          : '';
    setAttributes(this._control, { placeholder: hint || (isRequired ? null : HIDDEN) });
  }

  private _onInput(): void {
    this._reference = null;
    this._keep(undefined);
    this.showError('');
  }

  /** Send a value as it is until another one is written; undefined for none. */
  private _keep(value: unknown): void {
    const { keepsGiven = false, kind } = this.field;
    if (!keepsGiven) {
      return;
    }
    this._given = value;
    if (kind !== 'choice' && kind !== 'secret') {
      setAttributes(this._control, { placeholder: value === null ? this._texts.__('None') : null });
    }
  }

  private get _text(): string {
    const control = this._control;
    return control instanceof HTMLInputElement && control.type === 'checkbox'
      ? String(control.checked)
      : control.value;
  }

  private set _text(text: string) {
    const control = this._control;
    if (control instanceof HTMLInputElement && control.type === 'checkbox') {
      control.checked = text === 'true';
    } else {
      control.value = text;
    }
  }

  private _makeControl(id: string): Control {
    const { field } = this;
    if (field.kind === 'choice') {
      return this._makeSelect();
    }
    if (field.kind === 'list' || field.kind === 'mapping' || field.kind === 'lines') {
      const needed = Math.max(field.initial.length / 60, field.initial.split('\n').length);
      const rows = Math.min(8, Math.max(2, Math.ceil(needed)));
      return html('textarea', { id, rows, spellcheck: 'false', placeholder: field.example });
    }
    const isHidden = field.kind === 'secret' || field.isUnseen === true;
    const isNumber = field.kind === 'integer' || field.kind === 'number';
    return html('input', {
      type: isHidden ? 'password' : (INPUT_TYPES[field.kind] ?? 'text'),
      step: field.kind === 'datetime' ? 1 : null,
      inputmode: isNumber ? (field.kind === 'integer' ? 'numeric' : 'decimal') : null,
      autocomplete: isHidden ? 'new-password' : 'off',
      spellcheck: field.kind === 'text' && !isHidden ? null : 'false',
      placeholder: field.computedDefault || field.example || null
    });
  }

  /** Give the control with what belongs to it: a button that shows what is typed, or a list of what is offered. */
  private _withMore(id: string): HTMLElement {
    const { isUnseen = false, offers = [] } = this.field;
    if (offers.length > 0) {
      setAttributes(this._control, { list: `${id}-offers` });
      const options = offers.map(value => html('option', { value }));
      return html('div', {}, this._control, html('datalist', { id: `${id}-offers` }, ...options));
    }
    return isUnseen ? html('div', {}, this._control, this._showingButton()) : this._control;
  }

  private _showingButton(): HTMLButtonElement {
    const attributes = { type: 'button', class: 'orc-push', 'aria-pressed': 'false' };
    const button = html('button', attributes, this._texts.__('Show'));
    button.addEventListener('click', () => {
      const isShown = button.getAttribute('aria-pressed') === 'true';
      setAttributes(button, { 'aria-pressed': String(!isShown) });
      setAttributes(this._control, { type: isShown ? 'password' : 'text' });
    });
    return button;
  }

  private _makeSelect(): HTMLSelectElement {
    const { field } = this;
    const select = html('select');
    const hasEmpty = field.isNullable || field.initial === '';
    if (hasEmpty) {
      const label = field.isNullable
        ? this._texts.__('None')
        : field.isRequired
          ? this._texts.__('Choose…')
          : field.computedDefault;
      select.append(html('option', { value: '' }, label));
    }
    select.append(
      ...field.choices.map(({ json, label }) => html('option', { value: json }, label))
    );
    return select;
  }

  private readonly _control: Control;
  private readonly _error: HTMLElement;
  private readonly _opened: string;
  private _reference: string | null = null;
  /** What is sent as it was recorded; undefined for what stands in the control. */
  private _given: unknown = undefined;
}
