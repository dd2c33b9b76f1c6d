/** The list of what may be wrong with something, in a dialog before it is done and on a page after it. */

import { html } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';

/** Show what may be wrong. */
export function warningList(warnings: readonly string[], texts: ITexts): HTMLElement {
  return html(
    'div',
    { class: 'orc-warnings' },
    html('p', {}, texts.__('This may be wrong with it:')),
    html('ul', {}, ...warnings.map(warning => html('li', {}, warning)))
  );
}
