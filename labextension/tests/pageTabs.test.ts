import type { MainAreaWidget } from '@jupyterlab/apputils';

import { englishTexts } from '../src/drawing/translation';
import { notifyFailure } from '../src/notify';
import { addPageTabs } from '../src/pageTabs';
import type { IPageTabsOptions } from '../src/pageTabs';
import type { IPage, IPageContext, PagePath } from '../src/pages/page';
import { id } from './records';

// These bring the user interface of JupyterLab, which does not load here; tabs are seen in the browser's tests.
jest.mock('@jupyterlab/apputils', () => {
  class WidgetTracker {
    readonly tabs: { id: string; isDisposed: boolean }[] = [];
    async add(tab: { id: string; isDisposed: boolean }): Promise<void> {
      this.tabs.push(tab);
    }
    find(isMeant: (tab: { id: string }) => boolean): { id: string } | undefined {
      return this.tabs.find(tab => !tab.isDisposed && isMeant(tab));
    }
  }
  class MainAreaWidget {
    readonly title = {};
    readonly toolbar = { hide: () => undefined };
    readonly isAttached = false;
    isDisposed = false;
    id = '';
    dispose(): void {
      this.isDisposed = true;
    }
  }
  return { MainAreaWidget, Notification: {}, WidgetTracker };
});
jest.mock('@jupyterlab/coreutils', () => ({ PageConfig: { getOption: () => '' } }));
jest.mock('@lumino/widgets', () => ({
  Widget: class {
    readonly node = document.createElement('div');
    addClass(): void {}
  }
}));
jest.mock('../src/commands', () => ({ RunChooser: jest.fn() }));
jest.mock('../src/icon', () => ({}));
jest.mock('../src/labSettings', () => ({ labSettings: () => ({}) }));
jest.mock('../src/notify', () => ({ notifyFailure: jest.fn() }));
jest.mock('../src/pages/pagesApi', () => ({ PagesApi: jest.fn() }));

let context: IPageContext | null = null;

jest.mock('../src/pages/registry', () => ({
  makePage: (given: IPageContext): IPage => {
    context = given;
    return {
      node: document.createElement('div'),
      title: '',
      onTitle: null,
      dispose: () => undefined
    };
  }
}));

const [NAMED, RUN]: PagePath[] = [
  ['runs', 'calm-fox'],
  ['runs', id(1)]
];

async function tabsAfterLeading(add: (tab: MainAreaWidget) => void): Promise<readonly string[]> {
  const execute = new Map<string, (args: unknown) => Promise<unknown>>();
  const app = {
    commands: {
      addCommand: (name: string, command: { execute: (args: unknown) => Promise<unknown> }) =>
        execute.set(name, command.execute)
    },
    serviceManager: { serverSettings: { baseUrl: '/' } },
    shell: { add, activateById: () => undefined }
  };
  const options = { app, labShell: {}, trans: englishTexts } as unknown as IPageTabsOptions;
  const tracker = addPageTabs(options) as unknown as {
    tabs: { id: string; isDisposed: boolean }[];
  };
  await execute.get('orchestra:open-page')?.({ path: NAMED.join('/') });

  context?.goInstead(NAMED, RUN);
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }

  return tracker.tabs.filter(({ isDisposed }) => !isDisposed).map(tab => tab.id);
}

test('a page that only led to another one goes', async () => {
  const tabs = await tabsAfterLeading(() => undefined);

  expect(tabs).toEqual([`orchestra-page-${RUN.join('/')}`]);
});

test('a page that leads to one that cannot be opened stays', async () => {
  const tabs = await tabsAfterLeading(tab => {
    if (tab.id.endsWith(RUN[1])) {
      throw new Error('No room.');
    }
  });

  expect(tabs[0]).toBe(`orchestra-page-${NAMED.join('/')}`);
  expect(jest.mocked(notifyFailure)).toHaveBeenCalledTimes(1);
});
