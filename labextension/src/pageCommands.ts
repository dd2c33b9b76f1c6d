/** The commands that open pages, for those who call them. */

import type { PagePath } from './pages/page';

/** Opens the page of a run: `runId`. */
export const OPEN_RUN_PAGE = 'orchestra:open-run-page';
/** Opens any page: `path`, as {@link textOfPath} writes it. */
export const OPEN_PAGE = 'orchestra:open-page';

/** Give the text of an address: its parts, encoded, with slashes between. */
export function textOfPath(path: PagePath): string {
  return path.map(encodeURIComponent).join('/');
}

/** Give the address of a text; undoes {@link textOfPath}. */
export function pathOfText(text: string): PagePath {
  return text === '' ? [] : text.split('/').map(decodeURIComponent);
}
