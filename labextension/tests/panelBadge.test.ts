import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import type { Title, Widget } from '@lumino/widgets';

import { englishTexts } from '../src/drawing/translation';
import type { IOverview } from '../src/overview/overview';
import { addPanelBadge } from '../src/panelBadge';

test('the tab tells how many runs failed, by a badge and by its name, and keeps what the shell needs', () => {
  const changed = new Signal({});
  const overview = { failedCount: 0, alerts: { changed } };
  const owner = { disposed: new Signal({}) };
  const title = { caption: 'Orchestra', dataset: { id: 'panel' } as Record<string, string>, owner };
  addPanelBadge(
    title as unknown as Title<Widget>,
    overview as unknown as IOverview,
    englishTexts as TranslationBundle
  );
  const seen: [Record<string, string>, string][] = [];

  for (const failed of [0, 1, 3, 100, 0]) {
    overview.failedCount = failed;
    changed.emit(undefined);
    seen.push([title.dataset, title.caption]);
  }

  const id = 'panel';
  expect(seen).toEqual([
    [{ id }, 'Orchestra'],
    [{ id, 'orchestra-badge': '1' }, 'Orchestra: 1 failure'],
    [{ id, 'orchestra-badge': '3' }, 'Orchestra: 3 failures'],
    [{ id, 'orchestra-badge': '99+' }, 'Orchestra: 99+ failures'],
    [{ id }, 'Orchestra']
  ]);
});
