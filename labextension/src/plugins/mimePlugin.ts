/** Renders the states of tasks and flows, and what task cells showed, in notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, cancelTask } from '../commands';
import { rerunCells, rerunOwnCell } from '../cells/rerunCells';
import { clock } from '../drawing/clock';
import { ServerRuns } from '../inline/serverRuns';
import { labSettings } from '../labSettings';
import { OutputsRenderer, RunRenderer } from '../mime';
import { IOverview } from '../overview/overview';
import { PagesApi } from '../pages/pagesApi';
import { RunActionIDs } from '../runActions';
import { OPEN_RUN_PAGE } from '../pageCommands';
import { OUTPUTS_MIME_TYPE, RUN_MIME_TYPE } from '../schemas';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

/** Before the renderers of widgets (-10) and of HTML, which stand in for front ends without this extension. */
const RANK = -20;

export const mimePlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:mime',
  description: 'Renders the states of tasks and flows in notebooks.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IOrchestraApi, IRunsModel, IOverview],
  optional: [INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    api: IOrchestraApi,
    runs: IRunsModel,
    overview: IOverview,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ) => {
    const pagesApi = new PagesApi(
      labSettings(app.serviceManager.serverSettings, localeOf(translator))
    );
    const options = {
      hasStore: () => overview.api.hasStore(),
      source: new ServerRuns(api, pagesApi, runs),
      texts: (translator ?? nullTranslator).load('orchestra_nb'),
      clock,
      locale: localeOf(translator),
      actions: {
        openLogs: ({ run_id: runId, task_run_id: taskRunId }) =>
          void app.commands.execute(CommandIDs.openLogs, { runId, taskRunId }),
        cancelRun: runId => void app.commands.execute(CommandIDs.cancelRun, { runId }),
        retryRun: runId => void app.commands.execute(RunActionIDs.retryRun, { runId }),
        ...(notebooks && {
          rerunCells: (cellIds: readonly string[], holder: HTMLElement) =>
            rerunCells(notebooks, cellIds, holder),
          rerunOwnCell: (holder: HTMLElement) => rerunOwnCell(notebooks, holder)
        }),
        openRun: runId => void app.commands.execute(OPEN_RUN_PAGE, { runId }),
        cancel: task => void cancelTask(api, task.run_id, task.task_run_id)
      }
    } satisfies ConstructorParameters<typeof RunRenderer>[1];
    // Safe: both draw text only, and the outputs inside keep the trust of the output around them.
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [RUN_MIME_TYPE],
        createRenderer: () => new RunRenderer(runs, options)
      },
      RANK
    );
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [OUTPUTS_MIME_TYPE],
        createRenderer: ({ mimeType }) => new OutputsRenderer(mimeType, rendermime)
      },
      RANK
    );
  }
};
