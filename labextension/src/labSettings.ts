/** How the server is reached from within JupyterLab and Notebook. */

import { ServerConnection } from '@jupyterlab/services';

import type { IServerSettings } from './request';

/** Give the settings of the application as ours. */
export function labSettings(settings: ServerConnection.ISettings): IServerSettings {
  const { baseUrl, wsUrl, token, appendToken, WebSocket } = settings;
  const send = (url: string, init: RequestInit): Promise<Response> =>
    ServerConnection.makeRequest(url, init, settings);
  return { baseUrl, wsUrl, token, appendToken, WebSocket, send };
}
