/** Lists the plugins of the extension. */

import { apiPlugin } from './plugins/apiPlugin';
import { attentionPlugin } from './plugins/attentionPlugin';
import { cellBadgesPlugin } from './plugins/cellBadgesPlugin';
import { commandsPlugin } from './plugins/commandsPlugin';
import { flowNotebookPlugin } from './plugins/flowNotebookPlugin';
import { mimePlugin } from './plugins/mimePlugin';
import { overviewPlugin } from './plugins/overviewPlugin';
import { pagesPlugin } from './plugins/pagesPlugin';
import { panelPlugin } from './plugins/panelPlugin';
import { runNotebookPlugin } from './plugins/runNotebookPlugin';
import { runsPlugin } from './plugins/runsPlugin';
import { scheduleNotebookPlugin } from './plugins/scheduleNotebookPlugin';
import { taskCellsPlugin } from './plugins/taskCellsPlugin';

export default [
  apiPlugin,
  runsPlugin,
  overviewPlugin,
  mimePlugin,
  commandsPlugin,
  runNotebookPlugin,
  pagesPlugin,
  scheduleNotebookPlugin,
  flowNotebookPlugin,
  panelPlugin,
  attentionPlugin,
  taskCellsPlugin,
  cellBadgesPlugin
];
