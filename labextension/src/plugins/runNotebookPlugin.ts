/** Adds the command that runs a notebook as a flow; its settings put it into toolbar and menus. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { NotebookMenuButton } from '../notebookMenu';
import { RUN_IN_BACKGROUND, RUN_NOTEBOOK, SHOW_RUNS, addRunNotebook } from '../runNotebook';
import { SCHEDULE_NOTEBOOK } from '../schedule/scheduleNotebook';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const runNotebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:run-notebook',
  description: 'Runs a notebook as a flow, with a form for its parameters.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel, IDocumentManager],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator, IToolbarWidgetRegistry],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
    toolbars: IToolbarWidgetRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    addRunNotebook({ app, api, runs, documents, browsers, trans, locale: localeOf(translator) });
    for (const command of [RUN_NOTEBOOK, RUN_IN_BACKGROUND, SHOW_RUNS]) {
      palette?.addItem({ command, category: trans.__('Orchestra') });
    }
    toolbars?.addFactory<NotebookPanel>('Notebook', 'orchestra-run', panel => {
      const items = [RUN_NOTEBOOK, RUN_IN_BACKGROUND, SCHEDULE_NOTEBOOK, SHOW_RUNS];
      const path = (): string => panel.context.path;
      return new NotebookMenuButton({ commands: app.commands, items, path, trans });
    });
  }
};
