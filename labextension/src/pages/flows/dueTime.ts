/** When something is due, seen from now; the exact time is in the tooltip. */

import { formatMoment } from '../../drawing/durations';
import { html, showText } from '../../drawing/elements';
import type { IPageContext } from '../page';
import { dueWords } from './flowWords';

/** Draw a time that is to come. */
export function dueTime(at: string, { texts, clock, locale }: IPageContext): HTMLElement {
  const words = dueWords(at, clock.now(), texts, locale);
  return html('time', { class: 'orc-due', datetime: at, title: formatMoment(at, locale) }, words);
}

/** Bring all such times in a part of a page up to now. */
export function showDueTimes(part: HTMLElement, { texts, clock, locale }: IPageContext): void {
  for (const node of part.querySelectorAll<HTMLTimeElement>('.orc-due')) {
    showText(node, dueWords(node.dateTime, clock.now(), texts, locale), node.title);
  }
}
