/**
 * Says that runs go on or have failed while the panel is closed: in the status bar, in JupyterLab's list of what runs, and
 * by a badge on the panel's tab.
 *
 * It listens only where there is a store of runs: whoever never used this must not get one by opening JupyterLab.
 */

import { ILabShell } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { ApiError } from '../apiError';
import { CommandIDs } from '../commands';
import type { ITexts } from '../drawing/translation';
import { notifyFailure } from '../notify';
import { IOverview } from '../overview/overview';
import { addRunningRuns } from '../runningRuns';
import { StatusItem } from '../statusItem';
import { IOrchestraApi, IRunsModel } from '../tokens';

/** Answers of a server without our extension, and to who may not read runs: neither wants to hear of failures. */
const QUIET = [401, 403, 404];

/** Left of the line and column, right of the kernels. */
const RANK = 1.5;

export const attentionPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:attention',
  description: 'Shows in the status bar and in the list of what runs how runs stand.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel, IOverview],
  optional: [ILabShell, IStatusBar, IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    overview: IOverview,
    labShell: ILabShell | null,
    statusBar: IStatusBar | null,
    managers: IRunningSessionManagers | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const { commands } = app;
    if (managers !== null) {
      addRunningRuns(managers, { api, runs, commands, trans });
    }
    statusBar?.registerStatusItem('orchestra-nb:runs', {
      item: new StatusItem({
        runs,
        overview,
        trans,
        onClick: () => void commands.execute(CommandIDs.openPanel)
      }),
      align: 'left',
      rank: RANK
    });
    if (labShell !== null || managers !== null) {
      void app.restored.then(() => listen(runs, overview, trans));
    }
  }
};

/** Follow runs and alerts for as long as the page lives, from when there are any. */
async function listen(runs: IRunsModel, overview: IOverview, texts: ITexts): Promise<void> {
  let isListening = false;
  const begin = (): void => {
    runs.connectionChanged.disconnect(beginWhenConnected);
    runs.changed.disconnect(begin);
    if (!isListening) {
      isListening = true;
      overview.alerts.watch(); // which follows the runs, too
    }
  };
  const beginWhenConnected = (): void => {
    if (runs.connection === 'connected') {
      begin();
    }
  };
  // who looks at a cell's output or at the panel, or starts a run, has found or made one
  runs.connectionChanged.connect(beginWhenConnected);
  runs.changed.connect(begin);
  beginWhenConnected();
  try {
    if (await overview.api.hasStore()) {
      begin();
    }
  } catch (error) {
    if (error instanceof ApiError && !QUIET.includes(error.status)) {
      const what = texts.__(
        'Failures are not told here before the panel was open: whether there are runs could not be read.'
      );
      notifyFailure(texts, what, error);
    } else {
      console.info('Orchestra: it cannot be told whether there are runs.', error);
    }
  }
}
