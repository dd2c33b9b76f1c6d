/** Adds the command that schedules a notebook; its settings put it into toolbar and menus. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { labSettings } from '../labSettings';
import { ScheduleApi } from '../schedule/scheduleApi';
import { SCHEDULE_NOTEBOOK, addScheduleNotebook } from '../schedule/scheduleNotebook';
import { IOrchestraApi } from '../tokens';
import { localeOf } from './locale';

export const scheduleNotebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:schedule-notebook',
  description: 'Schedules a notebook, with a form that says when it would run.',
  autoStart: true,
  requires: [IOrchestraApi, IDocumentManager],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const schedules = new ScheduleApi(
      labSettings(app.serviceManager.serverSettings, localeOf(translator))
    );
    const locale = localeOf(translator);
    addScheduleNotebook({ app, api, schedules, documents, browsers, trans, locale });
    palette?.addItem({ command: SCHEDULE_NOTEBOOK, category: trans.__('Orchestra') });
  }
};
