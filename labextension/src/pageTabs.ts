/** The pages in JupyterLab: a tab in the main area for each; in Notebook a page of the browser. */

import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { RUN_ARGS, RunChooser } from './commands';
import { clock } from './drawing/clock';
import { orchestraIcon } from './icon';
import { firstFile } from './labFiles';
import { labSettings } from './labSettings';
import { contentsPaths } from './notebookPaths';
import { notifyFailure } from './notify';
import { OPEN_PAGE, OPEN_RUN_PAGE, pathOfText, textOfPath } from './pageCommands';
import type { IPage, IPageContext, PagePath } from './pages/page';
import { PagesApi } from './pages/pagesApi';
import { readFields, readTextOrNull } from './schemas';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** What the tabs need. */
export interface IPageTabsOptions {
  readonly app: JupyterFrontEnd;
  /** Null in Jupyter Notebook, whose main area has room for the notebook only. */
  readonly labShell: ILabShell | null;
  readonly documents: IDocumentManager;
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

const PAGE_ARGS = {
  type: 'object',
  properties: {
    path: {
      type: 'string',
      description:
        'The address of the page below /orchestra/: flows/NAME; empty for that of all runs'
    },
    name: { type: 'string', description: 'What the page is called in menus' }
  }
} as const;

/** Shows a page. */
export class PageWidget extends Widget {
  constructor(
    readonly page: IPage,
    readonly path: PagePath
  ) {
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

/** Add the commands; gives the tracker of the tabs. */
export function addPageTabs(options: IPageTabsOptions): WidgetTracker<MainAreaWidget<PageWidget>> {
  const { app, trans } = options;
  const tabs = new PageTabs(options);
  const chooser = new RunChooser(options);
  app.commands.addCommand(OPEN_RUN_PAGE, {
    label: args =>
      readFields(args)?.fromRow === true ? trans.__('Open Run') : trans.__('Open Orchestra Run…'),
    caption: trans.__('Show the graph, the timeline, the logs and the results of a run'),
    icon: orchestraIcon,
    describedBy: { args: RUN_ARGS },
    isVisible: args => chooser.hasChoice(args, () => true),
    execute: async args => {
      const given = readTextOrNull(readFields(args)?.runId);
      const runId = given ?? (await chooser.choose(args, trans.__('Open a run'), () => true));
      if (runId !== null) {
        await tabs.open(['runs', runId]);
      }
    }
  });
  app.commands.addCommand(OPEN_PAGE, {
    label: args => {
      const name = readTextOrNull(readFields(args)?.name);
      return name === null
        ? trans.__('Open Orchestra Page')
        : trans.__('Open Orchestra Page: %1', name);
    },
    icon: orchestraIcon,
    describedBy: { args: PAGE_ARGS },
    execute: args => tabs.open(pathOfText(readTextOrNull(readFields(args)?.path) ?? ''))
  });
  return tabs.tracker;
}

/** The tabs with pages: one for each address. */
class PageTabs {
  constructor(private readonly _options: IPageTabsOptions) {
    this._context = pageContext(
      _options,
      path => void this.open(path),
      (of, path) => void this._openInstead(of, path)
    );
  }

  readonly tracker = new WidgetTracker<MainAreaWidget<PageWidget>>({
    namespace: 'orchestra-pages'
  });

  /** Bring a page to the front; false where it could not be opened, which is told. */
  async open(path: PagePath): Promise<boolean> {
    const { app, labShell, trans } = this._options;
    if (labShell === null) {
      window.open(this._context.href(path), '_blank', 'noopener');
      return true;
    }
    try {
      const tab = this._known(path) ?? (await this._make(path));
      if (!tab.isAttached) {
        app.shell.add(tab, 'main');
      }
      app.shell.activateById(tab.id);
      return true;
    } catch (error) {
      notifyFailure(trans, trans.__('The page could not be opened.'), error);
      return false;
    }
  }

  /** A page that only led to another one goes: there is one tab for one thing, by whatever name it was asked for. */
  private async _openInstead(of: PagePath, path: PagePath): Promise<void> {
    if (await this.open(path)) {
      this._known(of)?.dispose();
    }
  }

  private _known(path: PagePath): MainAreaWidget<PageWidget> | undefined {
    return this.tracker.find(({ id }) => id === tabId(path));
  }

  private async _make(path: PagePath): Promise<MainAreaWidget<PageWidget>> {
    // their code is fetched with the first of them
    const { makePage } = await import('./pages/registry');
    const made = this._known(path); // asked for twice meanwhile
    if (made !== undefined) {
      return made;
    }
    const page = makePage(this._context, path);
    if (page === null) {
      throw new Error(this._options.trans.__('There is no such page.'));
    }
    const tab = new MainAreaWidget({ content: new PageWidget(page, path) });
    tab.id = tabId(path);
    tab.toolbar.hide();
    tab.title.icon = orchestraIcon;
    tab.title.closable = true;
    const name = (): void => {
      tab.title.label = page.title;
      tab.title.caption = page.title;
    };
    page.onTitle = name;
    name();
    await this.tracker.add(tab);
    return tab;
  }

  private readonly _context: IPageContext;
}

function tabId(path: PagePath): string {
  return `orchestra-page-${textOfPath(path)}`;
}

function pageContext(
  options: IPageTabsOptions,
  open: (path: PagePath) => void,
  openInstead: IPageContext['goInstead']
): IPageContext {
  const { app, api, runs, trans, locale } = options;
  const serverPaths = (file: string): readonly string[] =>
    contentsPaths(file, PageConfig.getOption('serverRoot'));
  return {
    api,
    pagesApi: new PagesApi(labSettings(app.serviceManager.serverSettings, locale)),
    runs,
    texts: trans,
    clock,
    locale,
    // of the same page at `/orchestra/`
    href: path => `${app.serviceManager.serverSettings.baseUrl}orchestra/${textOfPath(path)}`,
    go: open,
    goInstead: openInstead,
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
  options: IPageTabsOptions,
  paths: readonly string[],
  cellId: string | null,
  place: DocumentRegistry.IOpenOptions
): Promise<void> {
  const { app, documents, trans } = options;
  try {
    const path = await firstFile(app.serviceManager.contents, paths);
    if (path === null) {
      Notification.error(trans.__('%1 is not there any more.', paths[0]), { autoClose: 8000 });
      return;
    }
    const widget = documents.openOrReveal(path, undefined, undefined, place);
    await widget?.context.ready;
    await widget?.revealed;
    if (cellId !== null) {
      activateCell(widget?.content, cellId);
    }
  } catch (error) {
    notifyFailure(trans, trans.__('%1 could not be opened.', paths[0]), error);
  }
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
