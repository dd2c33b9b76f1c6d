/** Adds the commands, to the palette too, and restores the tabs with logs. */

import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, addCommands } from '../commands';
import { IOverview } from '../overview/overview';
import { RunActionIDs, addRunActions } from '../runActions';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:commands',
  description: 'Adds the commands for runs.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel, IOverview],
  optional: [ILabShell, ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    overview: IOverview,
    labShell: ILabShell | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const alsoKnown = (runId: string) => overview.run(runId);
    const locale = localeOf(translator);
    const options = { app, labShell, api, runs, alsoKnown, trans, locale };
    const logs = addCommands(options);
    addRunActions(options, overview.api);
    const category = trans.__('Orchestra');
    for (const command of [...Object.values(CommandIDs), ...Object.values(RunActionIDs)]) {
      palette?.addItem({ command, category });
    }
    void restorer?.restore(logs, {
      command: CommandIDs.openLogs,
      args: tab => ({ runId: tab.content.runId }),
      name: tab => tab.content.runId
    });
  }
};
