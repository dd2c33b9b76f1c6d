/** Shows the page of the address, also when it changes by a link or by the browser's way back. */

import type { IPage, IPageContext, PagePath } from '../page';
import { makePage } from '../registry';
import { UnknownPage } from '../unknownPage';

/** The title of the window after that of the page. */
const PRODUCT = 'Orchestra NB';

/** Owns what stands in `main`. */
export class Router {
  /** @param base - the path of the pages, such as `/orchestra/` */
  constructor(
    private readonly _base: string,
    private readonly _main: HTMLElement
  ) {
    window.addEventListener('popstate', () => this._show(false));
  }

  /** Show the page of the address from now on; `onPath` is told each, null for one that is none. */
  start(context: IPageContext, onPath: (path: PagePath | null) => void): void {
    this._context = context;
    this._onPath = onPath;
    this._show(false);
  }

  /** Give the address of a page. */
  href(path: PagePath): string {
    return this._base + path.map(part => encodeURIComponent(part)).join('/');
  }

  /** Go to a page. */
  go(path: PagePath): void {
    window.history.pushState(null, '', this.href(path));
    this._show(true);
  }

  /** Go to a page in the place of the one that is shown: the browser's way back does not lead to that. */
  goInstead(path: PagePath): void {
    window.history.replaceState(null, '', this.href(path) + window.location.search);
    this._show(true);
  }

  private _show(isMove: boolean): void {
    if (this._context === null) {
      return;
    }
    const path = pathOf(window.location.pathname, this._base);
    const key = JSON.stringify(path);
    if (key === this._key) {
      return; // only what follows the path has changed
    }
    this._key = key;
    this._page?.dispose();
    const found = path === null ? null : makePage(this._context, path);
    const page = found ?? new UnknownPage(this._context);
    this._page = page;
    const name = (): void => {
      document.title = page.title === '' ? PRODUCT : `${page.title} · ${PRODUCT}`;
    };
    page.onTitle = name;
    name();
    this._onPath(found === null ? null : path);
    this._main.replaceChildren(page.node);
    if (isMove) {
      window.scrollTo(0, 0);
      this._main.focus({ preventScroll: true });
    }
  }

  private _context: IPageContext | null = null;
  private _onPath: (path: PagePath | null) => void = () => undefined;
  private _page: IPage | null = null;
  private _key = '';
}

/** Give the parts of an address below the base; null when it is not below, or no text. */
export function pathOf(pathname: string, base: string): PagePath | null {
  if (!pathname.startsWith(base)) {
    return null;
  }
  const rest = pathname.slice(base.length);
  try {
    return rest === '' ? [] : rest.split('/').map(part => decodeURIComponent(part));
  } catch {
    return null;
  }
}
