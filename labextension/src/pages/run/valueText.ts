/** Values of JSON as people read them. */

import { html } from '../../drawing/elements';

/** Longer texts are cut: they belong into a file. */
const LONGEST = 20_000;

const LINK = /https?:\/\/[^\s<>"'`)\]]+/g;

/** Write a value: a text as it is, anything else as JSON on several lines where it needs them. */
export function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Draw a text in which addresses are links; nothing else in it means anything. */
export function linkedText(text: string): HTMLElement {
  const node = html('div', { class: 'orc-value' });
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const href = match[0];
    node.append(
      text.slice(end, match.index),
      html('a', { href, rel: 'noreferrer noopener', target: '_blank' }, href)
    );
    end = match.index + href.length;
  }
  node.append(text.slice(end));
  return node;
}

/** Draw pairs of a name and a value. */
export function factList(facts: readonly (readonly [string, Node | string])[]): HTMLElement {
  const list = html('dl', { class: 'orc-fact-list' });
  for (const [name, value] of facts) {
    list.append(html('dt', {}, name), html('dd', {}, value));
  }
  return list;
}
