/** The run page in JupyterLab: a tab in the main area for each run; in Notebook a page of the browser. */

import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { RunChooser } from './commands';
import { clock } from './drawing/clock';
import { orchestraIcon } from './icon';
import { labSettings } from './labSettings';
import { contentsPaths } from './notebookPaths';
import type { IPageContext, PagePath } from './pages/page';
import { PagesApi } from './pages/pagesApi';
import { RunPage } from './pages/run/runPage';
import { readFields, readTextOrNull } from './schemas';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** The id of the command that opens the page of a run. */
export const OPEN_RUN_PAGE = 'orchestra:open-run-page';

/** What the tabs need. */
export interface IRunPageTabsOptions {
  readonly app: JupyterFrontEnd;
  /** Null in Jupyter Notebook, whose main area has room for the notebook only. */
  readonly labShell: ILabShell | null;
  readonly documents: IDocumentManager;
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

const ARGS = {
  type: 'object',
  properties: {
    runId: { type: 'string', description: 'The id of the run; asked for without it' },
    fromRow: { type: 'boolean', description: "Take the run of the context menu's row" }
  }
} as const;

/** Shows the page of a run. */
export class RunPageWidget extends Widget {
  constructor(readonly page: RunPage) {
    super();
    this.addClass('orc-page-widget');
    this.node.append(page.node);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this.page.dispose();
    }
  }
}

/** Add the command; gives the tracker of the tabs. */
export function addRunPageTabs(
  options: IRunPageTabsOptions
): WidgetTracker<MainAreaWidget<RunPageWidget>> {
  const { app, labShell, trans } = options;
  const tracker = new WidgetTracker<MainAreaWidget<RunPageWidget>>({
    namespace: 'orchestra-run-pages'
  });
  const chooser = new RunChooser(options);
  const context = pageContext(options, runId => open(runId));

  function open(runId: string): void {
    if (labShell === null) {
      window.open(context.href(['runs', runId]), '_blank', 'noopener');
      return;
    }
    let tab = tracker.find(({ id }) => id === tabId(runId));
    if (tab === undefined) {
      tab = makeTab(context, runId);
      void tracker.add(tab);
    }
    if (!tab.isAttached) {
      app.shell.add(tab, 'main');
    }
    app.shell.activateById(tab.id);
  }

  app.commands.addCommand(OPEN_RUN_PAGE, {
    label: args =>
      readFields(args)?.fromRow === true ? trans.__('Open Run') : trans.__('Open Orchestra Run…'),
    caption: trans.__('Show the graph, the timeline, the logs and the results of a run'),
    icon: orchestraIcon,
    describedBy: { args: ARGS },
    isVisible: args => chooser.hasChoice(args, () => true),
    execute: async args => {
      const given = readTextOrNull(readFields(args)?.runId);
      const runId = given ?? (await chooser.choose(args, trans.__('Open a run'), () => true));
      if (runId !== null) {
        open(runId);
      }
    }
  });
  return tracker;
}

function makeTab(context: IPageContext, runId: string): MainAreaWidget<RunPageWidget> {
  const page = new RunPage(context, runId);
  const tab = new MainAreaWidget({ content: new RunPageWidget(page) });
  tab.id = tabId(runId);
  tab.toolbar.hide();
  tab.title.icon = orchestraIcon;
  tab.title.closable = true;
  const name = (): void => {
    tab.title.label = page.title;
    tab.title.caption = page.title;
  };
  page.onTitle = name;
  name();
  return tab;
}

function tabId(runId: string): string {
  return `orchestra-run-${runId}`;
}

/** Pages other than those of runs are opened in the browser. */
function pageContext(options: IRunPageTabsOptions, openRun: (runId: string) => void): IPageContext {
  const { app, api, runs, trans, locale } = options;
  const serverPaths = (file: string): readonly string[] =>
    contentsPaths(file, PageConfig.getOption('serverRoot'));
  // of the same page at `/orchestra/`
  const href = (path: PagePath): string => {
    const { baseUrl } = app.serviceManager.serverSettings;
    return `${baseUrl}orchestra/${path.map(encodeURIComponent).join('/')}`;
  };
  return {
    api,
    pagesApi: new PagesApi(labSettings(app.serviceManager.serverSettings, locale)),
    runs,
    texts: trans,
    clock,
    locale,
    href,
    go: path => {
      if (path[0] === 'runs' && path.length === 2) {
        openRun(path[1]);
      } else {
        window.open(href(path), '_blank', 'noopener');
      }
    },
    serverPaths,
    notebook: (file, cellId) => {
      const paths = serverPaths(file);
      return paths.length === 0
        ? null
        : {
            href: null,
            open: () => void openNotebook(options, paths, cellId, {}),
            openBeside: () => void openNotebook(options, paths, cellId, { mode: 'split-right' })
          };
    }
  };
}

/** Open the first of some paths that is a file here, at a cell. */
async function openNotebook(
  options: IRunPageTabsOptions,
  paths: readonly string[],
  cellId: string | null,
  place: DocumentRegistry.IOpenOptions
): Promise<void> {
  const { app, documents, trans } = options;
  for (const path of paths) {
    try {
      await app.serviceManager.contents.get(path, { content: false });
    } catch {
      continue;
    }
    const widget = documents.openOrReveal(path, undefined, undefined, place);
    await widget?.context.ready;
    await widget?.revealed;
    if (cellId !== null) {
      activateCell(widget?.content, cellId);
    }
    return;
  }
  Notification.error(trans.__('%1 is not there any more.', paths[0]), { autoClose: 8000 });
}

/** What a notebook's cells are shown in, as far as it is needed here. */
interface ICellList {
  readonly widgets: readonly { readonly model: { readonly id: string } }[];
  activeCellIndex: number;
  scrollToItem(index: number): Promise<void>;
}

function activateCell(content: unknown, cellId: string): void {
  const notebook = readFields(content) as unknown as ICellList | null;
  const index = (notebook?.widgets ?? []).findIndex(({ model }) => model.id === cellId);
  if (notebook !== null && index >= 0) {
    notebook.activeCellIndex = index;
    void notebook.scrollToItem(index);
  }
}
