/** A page of one list, or of several with a heading each. */

import { html } from '../../drawing/elements';
import type { IPage } from '../page';
import type { ListTable } from './listTable';

/** Draws the frame around lists. */
export class ListPage implements IPage {
  /** @param about - what is listed here, for who sees the page for the first time */
  constructor(
    readonly title: string,
    about: string
  ) {
    this.node.append(html('h1', {}, title), html('p', { class: 'orc-list-about' }, about));
  }

  readonly node = html('div', { class: 'orc-page orc-list-page' });
  onTitle: (() => void) | null = null;

  /** Stop all that goes on for the page. */
  dispose(): void {
    this._lists.forEach(list => list.dispose());
    this.node.remove();
  }

  /** Add a list; with a heading where the page has several. */
  protected add(list: Pick<ListTable<unknown>, 'node' | 'dispose'>, heading = ''): void {
    this._lists.push(list);
    if (heading !== '') {
      this.node.append(html('h2', {}, heading));
    }
    this.node.append(list.node);
  }

  private readonly _lists: Pick<ListTable<unknown>, 'dispose'>[] = [];
}
