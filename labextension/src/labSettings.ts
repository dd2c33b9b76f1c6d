/** How the server is reached from within JupyterLab and Notebook. */

import { ServerConnection } from '@jupyterlab/services';

import type { IServerSettings } from './request';

/**
 * Give the settings of the application as ours.
 *
 * @param language - that of the application, as a BCP 47 tag; undefined for English
 */
export function labSettings(
  settings: ServerConnection.ISettings,
  language = 'en'
): IServerSettings {
  const { baseUrl, wsUrl, token, appendToken, WebSocket } = settings;
  const send = (url: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(settings.init.headers);
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    headers.set('Accept-Language', language); // the browser's own may be another one
    return ServerConnection.makeRequest(url, { ...init, headers }, settings);
  };
  return { baseUrl, wsUrl, language, token, appendToken, WebSocket, send };
}
