/** Renders the states of tasks and flows, and what task cells showed, in notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, cancelTask } from '../commands';
import { clock } from '../drawing/clock';
import { OutputsRenderer, RunRenderer } from '../mime';
import { OPEN_RUN_PAGE } from '../runPageTabs';
import { OUTPUTS_MIME_TYPE, RUN_MIME_TYPE } from '../schemas';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

/** Before the renderers of widgets (-10) and of HTML, which stand in for front ends without this extension. */
const RANK = -20;

export const mimePlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:mime',
  description: 'Renders the states of tasks and flows in notebooks.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IOrchestraApi, IRunsModel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    api: IOrchestraApi,
    runs: IRunsModel,
    translator: ITranslator | null
  ) => {
    const options = {
      texts: (translator ?? nullTranslator).load('orchestra_nb'),
      clock,
      locale: localeOf(translator),
      actions: {
        openLogs: ({ run_id: runId, task_run_id: taskRunId }) =>
          void app.commands.execute(CommandIDs.openLogs, { runId, taskRunId }),
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
