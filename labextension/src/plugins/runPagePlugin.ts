/** Opens the page of a run in a tab, and restores the tabs. */

import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { OPEN_RUN_PAGE, addRunPageTabs } from '../runPageTabs';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const runPagePlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:run-page',
  description: 'Shows the page of a run.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel, IDocumentManager],
  optional: [ILabShell, ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    documents: IDocumentManager,
    labShell: ILabShell | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const locale = localeOf(translator);
    const tabs = addRunPageTabs({ app, labShell, documents, api, runs, trans, locale });
    palette?.addItem({ command: OPEN_RUN_PAGE, category: trans.__('Orchestra') });
    void restorer?.restore(tabs, {
      command: OPEN_RUN_PAGE,
      args: tab => ({ runId: tab.content.page.runId }),
      name: tab => tab.content.page.runId
    });
  }
};
