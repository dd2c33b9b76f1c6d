/** Adds the command that runs a notebook as a flow; its settings put it into toolbar and menus. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { RUN_NOTEBOOK, addRunNotebook } from '../runNotebook';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const runNotebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:run-notebook',
  description: 'Runs a notebook as a flow, with a form for its parameters.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel, IDocumentManager],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    addRunNotebook({ app, api, runs, documents, browsers, trans, locale: localeOf(translator) });
    palette?.addItem({ command: RUN_NOTEBOOK, category: trans.__('Orchestra') });
  }
};
