/** The number of failures on the tab of the side bar's panel. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Title, Widget } from '@lumino/widgets';

import type { IOverview } from './overview/overview';
import { countWords } from './overview/statusWords';

/** The tab gets it as the attribute `data-orchestra-badge`, which the style draws. */
const BADGE = 'orchestra-badge';

/** Show it, and say it in the tab's name, as long as there are failures that nobody has seen. */
export function addPanelBadge(
  title: Title<Widget>,
  overview: IOverview,
  trans: TranslationBundle
): void {
  const caption = title.caption;
  const draw = (): void => {
    const { failedCount } = overview;
    const count = countWords(failedCount);
    // the shell keeps what it needs in the same place
    const others = Object.entries(title.dataset).filter(([name]) => name !== BADGE);
    const badge = failedCount > 0 ? [[BADGE, count] as const] : [];
    title.dataset = Object.fromEntries([...others, ...badge]);
    title.caption =
      failedCount > 0
        ? trans._n('%2: %3 failure', '%2: %3 failures', failedCount, caption, count)
        : caption;
  };
  overview.alerts.changed.connect(draw);
  title.owner.disposed.connect(() => overview.alerts.changed.disconnect(draw));
  draw();
}
