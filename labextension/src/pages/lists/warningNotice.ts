/** What may be wrong with something that was made nevertheless: it stays until somebody closes it. */

import { html, showText } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readTextOrNull } from '../../schemas';

/** Shows warnings. */
export class WarningNotice {
  constructor(texts: ITexts) {
    const close = html('button', { type: 'button', class: 'orc-push' }, texts.__('Close'));
    close.addEventListener('click', () => this.show('', []));
    const words = html('p', {}, texts.__('This may be wrong with it:'));
    this._body.append(this._about, words, this._list, close);
  }

  /** It is there before it says something, so that screen readers tell what it says. */
  readonly node = html('div', { role: 'status' });

  /** Show what may be wrong, and with what; nothing where there are no warnings. */
  show(about: string, warnings: readonly string[]): void {
    showText(this._about, about);
    this._list.replaceChildren(...warnings.map(warning => html('li', {}, warning)));
    this.node.replaceChildren(...(warnings.length === 0 ? [] : [this._body]));
  }

  private readonly _about = html('strong');
  private readonly _list = html('ul');
  private readonly _body = html('div', { class: 'orc-warnings' });
}

/** Read the warnings in an answer of the API. */
export function readWarnings(answer: unknown): readonly string[] {
  return readList(readFields(answer)?.warnings, readTextOrNull);
}
