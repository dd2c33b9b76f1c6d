/** Adds the commands of task cells; their settings put them into the cell's toolbar, into menus and onto keys. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CellsApi } from '../cells/cellsApi';
import { labSettings } from '../labSettings';
import { TaskCommandIDs, addTaskCommands } from '../cells/taskCommands';
import { localeOf } from './locale';

export const taskCellsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:task-cells',
  description: 'Makes cells tasks, and edits the options of tasks.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const api = new CellsApi(labSettings(app.serviceManager.serverSettings, localeOf(translator)));
    addTaskCommands({ app, api, notebooks, trans });
    const category = trans.__('Orchestra');
    for (const command of Object.values(TaskCommandIDs)) {
      palette?.addItem({ command, category });
    }
  }
};
