/** What may be wrong with something that was made nevertheless: it stays until somebody closes it. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readTextOrNull } from '../../schemas';
import { warningList } from '../warningList';

/** Shows warnings. */
export class WarningNotice {
  constructor(private readonly _texts: ITexts) {}

  /** It is there before it says something, so that screen readers tell what it says. */
  readonly node = html('div', { role: 'status' });

  /** Show what may be wrong, and with what; nothing where there are no warnings. */
  show(about: string, warnings: readonly string[]): void {
    this.node.replaceChildren(...(warnings.length === 0 ? [] : [this._body(about, warnings)]));
  }

  private _body(about: string, warnings: readonly string[]): HTMLElement {
    const close = html('button', { type: 'button', class: 'orc-push' }, this._texts.__('Close'));
    close.addEventListener('click', () => this.show('', []));
    const body = warningList(warnings, this._texts);
    body.prepend(html('strong', {}, about));
    body.append(close);
    return body;
  }
}

/** Read the warnings in an answer of the API. */
export function readWarnings(answer: unknown): readonly string[] {
  return readList(readFields(answer)?.warnings, readTextOrNull);
}
