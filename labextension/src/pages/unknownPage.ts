/** Stands at an address that is none: says so, and leads on. */

import { html } from '../drawing/elements';
import type { IPage, IPageContext } from './page';
import { pageLink } from './page';
import { pageLinks } from './pageLinks';

/** Tells what pages there are. */
export class UnknownPage implements IPage {
  constructor(context: IPageContext) {
    const { texts } = context;
    this.title = texts.__('There is no such page');
    const links = pageLinks(texts).map(([path, label]) =>
      html('li', {}, pageLink(html('a', {}, label), context, path))
    );
    this.node.append(
      html('h1', {}, this.title),
      html('p', {}, texts.__('The address may be mistyped, or of a newer version. There are:')),
      html('ul', { class: 'orc-known-pages' }, ...links)
    );
  }

  readonly node = html('div', { class: 'orc-page' });
  readonly title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    this.node.remove();
  }
}
