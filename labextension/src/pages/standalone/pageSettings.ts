/** How the server is reached from a page of its own: by the cookies of the browser, with the token against forgery. */

import type { IServerSettings } from '../../request';

/** Give the settings of the page; `base` is the path of the server, with slashes around. */
export function pageSettings(base: string, page: Document = document): IServerSettings {
  const { origin } = page.location;
  const language = page.documentElement.lang || 'en';
  return {
    language,
    baseUrl: origin + base,
    wsUrl: origin.replace(/^http/, 'ws') + base,
    token: '',
    WebSocket,
    send: (url, init) =>
      fetch(url, {
        ...init,
        cache: 'no-store',
        credentials: 'same-origin',
        headers: {
          ...init.headers,
          'Accept-Language': language,
          'Content-Type': 'application/json',
          'X-XSRFToken': cookie('_xsrf', page)
        }
      })
  };
}

/** Give the value of a cookie that scripts may read; empty when there is none. */
export function cookie(name: string, page: Document = document): string {
  const found = page.cookie.split('; ').find(part => part.startsWith(`${name}=`));
  return found === undefined ? '' : found.slice(name.length + 1);
}
