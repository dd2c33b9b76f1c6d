/** Leads from a flow to what is of one notebook alone, where several have its name. */

import { html, setAttributes } from '../../drawing/elements';
import { shortPaths } from '../namesakes';
import { pageLink } from '../page';
import type { IPageContext } from '../page';

/** Draws a link for each notebook, and on the page of the flow one for all. */
export class NotebookChoice {
  constructor(
    private readonly _context: IPageContext,
    private readonly _flow: string
  ) {
    const label = _context.texts.__('Notebooks of this name');
    this.node = html('nav', { class: 'orc-choice', 'aria-label': label, hidden: true });
  }

  readonly node: HTMLElement;

  /**
   * Show the links; of one notebook, and no other of its name, just where it is.
   *
   * @param notebooks - paths, the one that ran last first
   * @param chosen - the path of the one that is shown; null for all, undefined where none is
   */
  update(notebooks: readonly string[], chosen: string | null | undefined): void {
    const said = JSON.stringify([notebooks, chosen]);
    if (said === this._said) {
      return; // the focus stays on its link
    }
    this._said = said;
    const { texts } = this._context;
    const paths = [...new Set([...notebooks, ...(chosen ? [chosen] : [])])];
    this.node.hidden = paths.length < 2 && !chosen;
    const short = shortPaths(paths);
    const links = paths.map(path => this._link(short.get(path) ?? path, path, path === chosen));
    const hasAll = paths.length > 1 && chosen !== undefined;
    const all = hasAll ? [this._link(texts.__('All'), null, chosen === null)] : [];
    this.node.replaceChildren(
      html('span', { class: 'orc-detail' }, texts.__('Notebook')),
      ...all,
      ...links
    );
  }

  private _link(label: string, path: string | null, isChosen: boolean): HTMLElement {
    const link = html('a', { title: path }, label);
    setAttributes(link, { 'aria-current': isChosen ? 'true' : null });
    return pageLink(link, this._context, ['flows', this._flow, ...(path === null ? [] : [path])]);
  }

  private _said = '';
}
