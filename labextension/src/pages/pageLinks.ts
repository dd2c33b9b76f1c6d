/** Which pages every page leads to. */

import type { ITexts } from '../drawing/translation';
import type { PagePath } from './page';

/** What every page leads to: the address of a page, and its name. */
export function pageLinks(texts: ITexts): readonly (readonly [PagePath, string])[] {
  return [
    [[], texts.__('Runs')],
    [['flows'], texts.__('Flows')],
    [['dead-letters'], texts.__('Dead letters')],
    [['notifications'], texts.__('Notifications')],
    [['pools'], texts.__('Work pools')],
    [['variables'], texts.__('Variables')],
    [['automations'], texts.__('Automations')],
    [['webhooks'], texts.__('Webhooks')]
  ];
}
