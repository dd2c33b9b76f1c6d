/** What a page keeps in the address of the browser: nothing in a tab of JupyterLab, whose address is not the page's. */

import type { IPageContext, PagePath } from './page';

/** Give the query of the address; empty where the address is not that of the page. */
export function addressQuery(context: IPageContext, path: PagePath): string {
  return isInAddress(context, path) ? window.location.search : '';
}

/** Put a query, with its question mark, into the address where it is that of the page. */
export function keepAddressQuery(context: IPageContext, path: PagePath, query: string): void {
  if (isInAddress(context, path)) {
    window.history.replaceState(null, '', context.href(path) + query);
  }
}

function isInAddress(context: IPageContext, path: PagePath): boolean {
  const { pathname, href } = window.location;
  return pathname === new URL(context.href(path), href).pathname;
}
