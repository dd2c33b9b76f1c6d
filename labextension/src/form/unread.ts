/** What a form is as good without, and could not be read: it is said in the form. */

import { html } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { errorText } from '../errorText';

/** Gathers what could not be read. */
export class Unread {
  constructor(private readonly _texts: ITexts) {}

  /** Give an answer, or what stands for it where it cannot be had; `what` names it: "Earlier runs". */
  async orElse<T>(what: string, answer: Promise<T>, none: T): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const why = errorText(error, this._texts);
      this._said.push(this._texts.__('%1 could not be read: %2', what, why));
      return none;
    }
  }

  /** Make what says it; null where all was read. */
  notice(): HTMLElement | null {
    return this._said.length === 0
      ? null
      : html(
          'div',
          { class: 'orc-form-unread', role: 'note' },
          ...this._said.map(text => html('p', {}, text))
        );
  }

  private readonly _said: string[] = [];
}
