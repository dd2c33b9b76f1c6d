/** Shows in each cell of an open notebook what it did last. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CellsApi } from '../cells/cellsApi';
import { ExecutionMemory, browserStorage } from '../cells/executionMemory';
import { NotebookBadges } from '../cells/notebookBadges';
import { CommandIDs } from '../commands';
import { clock } from '../drawing/clock';
import { labSettings } from '../labSettings';
import { notifyFailure } from '../notify';
import { IRunsModel } from '../tokens';
import { localeOf } from './locale';

const ID = 'orchestra-nb:cell-badges';

export const cellBadgesPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Shows in each cell what it did last.',
  autoStart: true,
  requires: [INotebookTracker, IRunsModel],
  optional: [ISettingRegistry, ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    runs: IRunsModel,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const options = {
      api: new CellsApi(labSettings(app.serviceManager.serverSettings, localeOf(translator))),
      runs,
      contents: app.serviceManager.contents,
      memory: new ExecutionMemory(browserStorage(), app.serviceManager.serverSettings.baseUrl),
      texts: trans,
      clock,
      locale: localeOf(translator),
      openLogs: ({ run_id: runId, task_run_id: taskRunId }) =>
        void app.commands.execute(CommandIDs.openLogs, { runId, taskRunId })
    } satisfies ConstructorParameters<typeof NotebookBadges>[1];
    const shown = new Map<NotebookPanel, NotebookBadges>();
    let isOn = false;
    const add = (panel: NotebookPanel): void => {
      if (isOn && !panel.isDisposed && !shown.has(panel)) {
        shown.set(panel, new NotebookBadges(panel, options));
      }
    };
    const show = (isWanted: boolean): void => {
      isOn = isWanted;
      if (isOn) {
        notebooks.forEach(add);
      } else {
        shown.forEach(badges => badges.dispose());
        shown.clear();
      }
    };
    notebooks.widgetAdded.connect((_, panel) => {
      add(panel);
      panel.disposed.connect(() => {
        shown.get(panel)?.dispose();
        shown.delete(panel);
      });
    });
    const settings = await registry?.load(ID).catch((error: unknown) => {
      const what = trans.__('Whether badges are wanted could not be read; they are shown.');
      notifyFailure(trans, what, error);
      return null;
    });
    const read = (): void => show(settings?.get('showBadges').composite !== false);
    settings?.changed.connect(read);
    read();
  }
};
