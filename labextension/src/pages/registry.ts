/** Lists the pages. `orchestra_nb/server/pages_handler.py` has the same addresses. */

import { isId } from '../schemas';
import { FlowListPage } from './flows/flowListPage';
import { FlowPage } from './flows/flowPage';
import { AutomationsPage } from './lists/automationsPage';
import { DeadLettersPage } from './lists/deadLettersPage';
import { NotificationsPage } from './lists/notificationsPage';
import { PoolsPage } from './lists/poolsPage';
import { VariablesPage } from './lists/variablesPage';
import { WebhooksPage } from './lists/webhooksPage';
import { NamedRunPage } from './namedRunPage';
import type { IPage, IPageContext, IPageKind, PagePath } from './page';
import { RunPage } from './run/runPage';
import { RunListPage } from './runListPage';

/** All kinds of pages. */
export const PAGES: readonly IPageKind[] = [
  { pattern: [], make: context => new RunListPage(context) },
  {
    pattern: ['runs', ':run'],
    make: (context, [run]) =>
      isId(run) ? new RunPage(context, run) : new NamedRunPage(context, run)
  },
  { pattern: ['flows'], make: context => new FlowListPage(context) },
  { pattern: ['flows', ':flow'], make: (context, [flow]) => new FlowPage(context, flow, null) },
  {
    pattern: ['flows', ':flow', ':notebook'],
    make: (context, [flow, notebook]) => new FlowPage(context, flow, notebook)
  },
  { pattern: ['dead-letters'], make: context => new DeadLettersPage(context) },
  { pattern: ['notifications'], make: context => new NotificationsPage(context) },
  { pattern: ['pools'], make: context => new PoolsPage(context) },
  { pattern: ['variables'], make: context => new VariablesPage(context) },
  { pattern: ['automations'], make: context => new AutomationsPage(context) },
  { pattern: ['webhooks'], make: context => new WebhooksPage(context) }
];

/** Give the part of the pages that an address belongs to: that of the runs is the first page, too. */
export function sectionOf(path: PagePath): string {
  return path[0] ?? 'runs';
}

/**
 * Tell whether a page follows what happens. A list shows what was so when it was read, and one that looks for a run by
 * its name leads to another page, or there is none.
 */
export function isLivePage(path: PagePath): boolean {
  const section = sectionOf(path);
  return section === 'flows' || (section === 'runs' && (path.length < 2 || isId(path[1])));
}

/** Make the page of an address; null when there is none. */
export function makePage(context: IPageContext, path: PagePath, kinds = PAGES): IPage | null {
  for (const kind of kinds) {
    const parts = matchPath(kind.pattern, path);
    if (parts !== null) {
      return kind.make(context, parts);
    }
  }
  return null;
}

/** Give the texts that stand for the parts with a colon; null when the address is none of the pattern. */
export function matchPath(pattern: PagePath, path: PagePath): string[] | null {
  const isMatch =
    pattern.length === path.length &&
    pattern.every((part, at) => (part.startsWith(':') ? path[at] !== '' : part === path[at]));
  return isMatch ? path.filter((_, at) => pattern[at].startsWith(':')) : null;
}
