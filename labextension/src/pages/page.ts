/** What a page is, and what it is given: the same alone in a browser and in a tab of JupyterLab. */

import type { Clock } from '../drawing/clock';
import type { ITexts } from '../drawing/translation';
import type { IOrchestraApi, IRunsModel } from '../tokens';
import type { PagesApi } from './pagesApi';

/** The address of a page below `/orchestra/`, as its parts: `['runs', RUN_ID]`; empty for the first page. */
export type PagePath = readonly string[];

/** Where a notebook can be opened. */
export interface INotebookPlace {
  /** The address of the notebook, for a link; null where it is opened by `open` alone. */
  readonly href: string | null;
  /** Open it in the application around; null where the link does. */
  readonly open: (() => void) | null;
  /** Open it beside what is shown, where there is room for both; null where there is none. */
  readonly openBeside: (() => void) | null;
}

/** What pages need from where they are shown. */
export interface IPageContext {
  readonly api: IOrchestraApi;
  readonly pagesApi: PagesApi;
  readonly runs: IRunsModel;
  readonly texts: ITexts;
  readonly clock: Clock;
  /** BCP 47 language tag of times; undefined for the browser's. */
  readonly locale?: string;
  /** Give the address of another page. */
  href(path: PagePath): string;
  /** Go to another page. */
  go(path: PagePath): void;
  /** Show a page in the place of another one, which only led there. */
  goInstead(of: PagePath, path: PagePath): void;
  /**
   * Tell where a file of a run can be opened; null where it cannot be from here.
   *
   * @param file - absolute path as the run's driver knows it
   * @param cellId - the cell that is to be in sight; null for the first
   */
  notebook(file: string, cellId: string | null): INotebookPlace | null;
  /** Give the paths, as the server's API takes them, that a file of a run may have; empty when it has none. */
  serverPaths(file: string): readonly string[];
}

/** A page that is shown. */
export interface IPage {
  readonly node: HTMLElement;
  /** What the window or the tab is called. */
  readonly title: string;
  /** Called when the title changes. */
  onTitle: (() => void) | null;
  /** Undo all, and leave the document. */
  dispose(): void;
}

/** A kind of page. */
export interface IPageKind {
  /** The parts of its address; one that begins with a colon stands for any text: `['runs', ':run']`. */
  readonly pattern: PagePath;
  /** Make the page; `parts` are the texts that stand for those with a colon, in order. */
  make(context: IPageContext, parts: readonly string[]): IPage;
}

/** Make a link to another page: a click goes there without loading anything anew. */
export function pageLink(
  link: HTMLAnchorElement,
  context: IPageContext,
  path: PagePath
): HTMLAnchorElement {
  link.href = context.href(path);
  link.addEventListener('click', event => {
    const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (isPlain && !event.altKey) {
      event.preventDefault();
      context.go(path);
    }
  });
  return link;
}
