/** Gives the server's API to the other plugins. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator } from '@jupyterlab/translation';

import { OrchestraApi } from '../api';
import { labSettings } from '../labSettings';
import { IOrchestraApi } from '../tokens';
import { localeOf } from './locale';

export const apiPlugin: JupyterFrontEndPlugin<IOrchestraApi> = {
  id: 'orchestra-nb:api',
  description: 'Talks to the Orchestra server extension.',
  autoStart: true,
  provides: IOrchestraApi,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) =>
    new OrchestraApi(labSettings(app.serviceManager.serverSettings, localeOf(translator)))
};
