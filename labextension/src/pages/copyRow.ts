/** A text that is to be copied: it can be selected by hand where the browser copies nothing. */

import { html, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';

/** Make it. */
export function copyRow(label: string, value: string, texts: ITexts): HTMLElement {
  const text = html('input', { type: 'text', readonly: true, value, spellcheck: 'false' });
  text.addEventListener('keydown', event => {
    if (event.key === 'Enter') {
      event.preventDefault(); // who copies it has not decided about the dialog that it is in
    }
  });
  const attributes = {
    type: 'button',
    class: 'orc-push',
    'aria-label': texts.__('Copy: %1', label)
  };
  const copy = html('button', attributes, texts.__('Copy'));
  const news = html('div', { class: 'orc-form-help', role: 'status' });
  copy.addEventListener('click', () => {
    text.select();
    // only pages that came over HTTPS, or from this machine, have a clipboard
    const copied = navigator.clipboard?.writeText(value) ?? Promise.reject(new Error());
    copied.then(
      () => showText(news, texts.__('Copied.')),
      () => showText(news, texts.__('The browser does not copy: it is selected, copy it by hand.'))
    );
  });
  return html(
    'div',
    { class: 'orc-form-field orc-copy' },
    html('label', {}, html('span', {}, label), text),
    copy,
    news
  );
}
