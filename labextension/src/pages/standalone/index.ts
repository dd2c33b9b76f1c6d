/** The pages at `/orchestra/`: a frame around the page of the address, without JupyterLab. */

import '../../../style/standalone.css';
import { OrchestraApi } from '../../api';
import { clock } from '../../drawing/clock';
import { html, setAttributes } from '../../drawing/elements';
import { englishTexts } from '../../drawing/translation';
import type { ITexts } from '../../drawing/translation';
import { contentsPaths } from '../../notebookPaths';
import { RunsModel } from '../../runsModel';
import { connectionBadge } from '../connectionBadge';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { pageLinks } from '../pageLinks';
import { PagesApi } from '../pagesApi';
import { isLivePage, sectionOf } from '../registry';
import { pageSettings } from './pageSettings';
import { Router } from './router';
import { fetchTexts, localeFor } from './words';

const {
  baseUrl = '/',
  version = '',
  notebookUrl = '',
  serverRoot = '',
  wordsUrl
} = document.body.dataset;
const pages = `${baseUrl}orchestra/`;

/** Mark the page as light or dark, as JupyterLab marks its own: the style sheets know that mark. */
function followSystemTheme(): void {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const show = (): void => {
    document.body.dataset.jpThemeLight = String(!system.matches);
  };
  system.addEventListener('change', show);
  show();
}

/** A token that opened this page is in a cookie now: it is not to be copied with the address. */
function forgetToken(): void {
  const url = new URL(window.location.href);
  if (url.searchParams.has('token')) {
    url.searchParams.delete('token');
    window.history.replaceState(null, '', url);
  }
}

/** Give the words of the page's language. Without them the page is English, which is better than none. */
async function readTexts(): Promise<ITexts> {
  try {
    return wordsUrl === undefined ? englishTexts : await fetchTexts(wordsUrl);
  } catch (error) {
    console.error('The words in your language could not be read.', error);
    document.documentElement.lang = 'en';
    return englishTexts;
  }
}

async function start(): Promise<void> {
  followSystemTheme();
  forgetToken();
  const texts = await readTexts();
  const settings = pageSettings(baseUrl);
  const api = new OrchestraApi(settings);
  const runs = new RunsModel(api);
  const main = html('main', { id: 'main', tabindex: -1 });
  const router = new Router(pages, main);
  const serverPaths = (file: string): readonly string[] =>
    serverRoot === '' ? [] : contentsPaths(file, serverRoot);
  const context: IPageContext = {
    api,
    pagesApi: new PagesApi(settings),
    runs,
    texts,
    clock,
    locale: localeFor(document.documentElement.lang, navigator.languages),
    href: path => router.href(path),
    go: path => router.go(path),
    goInstead: (_, path) => router.goInstead(path),
    serverPaths,
    notebook: (file, cellId) => {
      const [path] = serverPaths(file);
      if (path === undefined) {
        return null;
      }
      const fragment = cellId === null ? '' : `#cell-id=${encodeURIComponent(cellId)}`;
      const encoded = path.split('/').map(encodeURIComponent).join('/');
      return { href: `${notebookUrl}${encoded}${fragment}`, open: null, openBeside: null };
    }
  };
  const links = pageLinks(texts).map(
    ([path, label]) => [path, pageLink(html('a', {}, label), context, path)] as const
  );
  const connection = html('span', { class: 'orc-connection-place' }, connectionBadge(runs, texts));
  const header = html(
    'header',
    { class: 'orc-top' },
    html('a', { class: 'orc-skip', href: '#main' }, texts.__('Skip to the content')),
    html('span', { class: 'orc-product' }, 'Orchestra NB'),
    html('nav', { 'aria-label': texts.__('Pages') }, ...links.map(([, link]) => link)),
    connection
  );
  const footer = html(
    'footer',
    { class: 'orc-bottom' },
    html('span', {}, `Orchestra NB ${version}`),
    html('a', { href: `${pages}service` }, texts.__('Service'))
  );
  document.body.replaceChildren(header, main, footer);
  router.start(context, path => {
    connection.hidden = path === null || !isLivePage(path);
    for (const [of, link] of links) {
      const isOfIt = path !== null && sectionOf(path) === sectionOf(of);
      const current = isOfIt ? (path.length === of.length ? 'page' : 'true') : null;
      setAttributes(link, { 'aria-current': current });
    }
  });
}

void start();
