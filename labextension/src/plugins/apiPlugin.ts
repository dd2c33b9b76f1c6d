/** Gives the server's API to the other plugins. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { OrchestraApi } from '../api';
import { labSettings } from '../labSettings';
import { IOrchestraApi } from '../tokens';

export const apiPlugin: JupyterFrontEndPlugin<IOrchestraApi> = {
  id: 'orchestra-nb:api',
  description: 'Talks to the Orchestra server extension.',
  autoStart: true,
  provides: IOrchestraApi,
  activate: (app: JupyterFrontEnd) =>
    new OrchestraApi(labSettings(app.serviceManager.serverSettings))
};
