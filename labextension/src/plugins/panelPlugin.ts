/** Adds the side bar's panel. */

import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { PANEL_ID } from '../commands';
import { RunsPanel } from '../components/RunsPanel';
import { IOverview } from '../overview/overview';
import { addPanelBadge } from '../panelBadge';
import { IRunsModel } from '../tokens';
import { localeOf } from './locale';

/** Below the file browser and the running sessions, above the extensions. */
const RANK = 350;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:panel',
  description: 'Shows alerts, runs, schedules and clusters in the side bar.',
  autoStart: true,
  requires: [IRunsModel, IOverview],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    runs: IRunsModel,
    overview: IOverview,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    const { commands } = app;
    const panel = new RunsPanel({ runs, overview, commands, trans, locale: localeOf(translator) });
    panel.id = PANEL_ID;
    addPanelBadge(panel.title, overview, trans);
    app.shell.add(panel, 'left', { rank: RANK });
    restorer?.add(panel, PANEL_ID);
  }
};
