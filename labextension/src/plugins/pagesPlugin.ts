/** Opens pages in tabs, and restores the tabs. */

import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { OPEN_PAGE, OPEN_RUN_PAGE, textOfPath } from '../pageCommands';
import { addPageTabs } from '../pageTabs';
import { pageLinks } from '../pages/pageLinks';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const pagesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:pages',
  description: 'Shows the pages of runs and flows, and those of lists.',
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
    const tabs = addPageTabs({ app, labShell, documents, api, runs, trans, locale });
    const category = trans.__('Orchestra');
    palette?.addItem({ command: OPEN_RUN_PAGE, category });
    for (const [path, name] of pageLinks(trans)) {
      palette?.addItem({ command: OPEN_PAGE, args: { path: textOfPath(path), name }, category });
    }
    void restorer?.restore(tabs, {
      command: OPEN_PAGE,
      args: tab => ({ path: textOfPath(tab.content.path) }),
      name: tab => textOfPath(tab.content.path)
    });
  }
};
