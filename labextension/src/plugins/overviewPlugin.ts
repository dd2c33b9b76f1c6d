/** Gives the overview to the other plugins: what it remembers is kept in its settings. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { ITexts } from '../drawing/translation';
import { labSettings } from '../labSettings';
import { RepeatedFailure, notifyFailure } from '../notify';
import { OverviewCommandIDs } from '../overview/commandIDs';
import type { ILiveReading } from '../overview/liveReading';
import { IOverview, Overview } from '../overview/overview';
import { OverviewApi } from '../overview/overviewApi';
import { addOverviewCommands } from '../overview/overviewCommands';
import { PanelMemory } from '../overview/panelMemory';
import { IRunsModel } from '../tokens';
import { localeOf } from './locale';

const ID = 'orchestra-nb:overview';

/** What the palette offers; the others are for what a row shows. */
const IN_PALETTE = [
  OverviewCommandIDs.runDeployment,
  OverviewCommandIDs.pauseDeployment,
  OverviewCommandIDs.resumeDeployment,
  OverviewCommandIDs.openDashboard,
  OverviewCommandIDs.markSeen
];

export const overviewPlugin: JupyterFrontEndPlugin<IOverview> = {
  id: ID,
  description: 'Keeps schedules, clusters and alerts live for the panel and the status bar.',
  autoStart: true,
  requires: [IRunsModel],
  optional: [ISettingRegistry, ICommandPalette, ITranslator],
  provides: IOverview,
  activate: (
    app: JupyterFrontEnd,
    runs: IRunsModel,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const memory = new PanelMemory(async () => {
      try {
        return (await registry?.load(ID)) ?? null;
      } catch (error) {
        const what = trans.__(
          'What the panel remembers could not be read: what you fold or mark as seen lasts for this page.'
        );
        notifyFailure(trans, what, error);
        return null;
      }
    });
    const api = new OverviewApi(
      labSettings(app.serviceManager.serverSettings, localeOf(translator))
    );
    const overview = new Overview(api, memory, runs);
    addOverviewCommands({ app, overview, runs, trans });
    tellFailures(overview.alerts, trans, trans.__('Alerts could not be read.'));
    tellFailures(overview.schedules, trans, trans.__('Schedules could not be read.'));
    tellFailures(overview.clusters, trans, trans.__('Clusters could not be read.'));
    for (const command of IN_PALETTE) {
      palette?.addItem({ command, category: trans.__('Orchestra') });
    }
    return overview;
  }
};

/** Tell when a reading fails. */
function tellFailures<T>(reading: ILiveReading<T>, texts: ITexts, what: string): void {
  const failure = new RepeatedFailure(texts, what);
  reading.changed.connect(({ error }) =>
    error === null ? failure.worked() : failure.failed(error)
  );
}
