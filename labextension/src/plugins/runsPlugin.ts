/** Gives the one runs model of the page to the other plugins. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { RunsModel } from '../runsModel';
import { IOrchestraApi, IRunsModel } from '../tokens';

export const runsPlugin: JupyterFrontEndPlugin<IRunsModel> = {
  id: 'orchestra-nb:runs',
  description: 'Keeps the runs of the server live for all views.',
  autoStart: true,
  requires: [IOrchestraApi],
  provides: IRunsModel,
  activate: (_: JupyterFrontEnd, api: IOrchestraApi) => new RunsModel(api)
};
