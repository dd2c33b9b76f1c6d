/** How many task runs are in which state, as one bar. */

import { html, setAttributes } from './elements';
import { stateLook } from './states';
import type { ITexts } from './translation';

/** Show the counts in a bar; it is hidden from screen readers: {@link countWords} stands beside it. */
export function showStateBar(bar: HTMLElement, counts: ReadonlyMap<string, number>): void {
  setAttributes(bar, { class: 'orc-state-bar', 'aria-hidden': 'true' });
  const states = [...counts].reverse();
  while (bar.childElementCount > states.length) {
    bar.lastElementChild?.remove();
  }
  states.forEach(([state, count], at) => {
    const part = bar.children[at] ?? bar.appendChild(html('span'));
    setAttributes(part, {
      'data-state': state,
      'data-tone': stateLook(state).tone,
      style: `flex-grow:${count}`
    });
  });
}

/** Say the counts: "24 completed, 2 failed". */
export function countWords(counts: ReadonlyMap<string, number>, texts: ITexts): string {
  return [...counts]
    .map(([state, count]) => `${count} ${stateLook(state).word(texts).toLowerCase()}`)
    .join(', ');
}
