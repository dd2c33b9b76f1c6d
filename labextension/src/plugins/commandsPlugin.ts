/** Adds the commands, to the palette too, and restores the tabs with logs. */

import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, addCommands } from '../commands';
import { IOrchestraApi, IRunsModel } from '../tokens';
import { localeOf } from './locale';

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:commands',
  description: 'Adds the commands for runs.',
  autoStart: true,
  requires: [IOrchestraApi, IRunsModel],
  optional: [ILabShell, ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    api: IOrchestraApi,
    runs: IRunsModel,
    labShell: ILabShell | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const logs = addCommands({ app, labShell, api, runs, trans, locale: localeOf(translator) });
    const category = trans.__('Orchestra');
    for (const command of Object.values(CommandIDs)) {
      palette?.addItem({ command, category });
    }
    void restorer?.restore(logs, {
      command: CommandIDs.openLogs,
      args: tab => ({ runId: tab.content.runId }),
      name: tab => tab.content.runId
    });
  }
};
