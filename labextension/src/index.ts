/** Lists the plugins of the extension. */

import { apiPlugin } from './plugins/apiPlugin';
import { commandsPlugin } from './plugins/commandsPlugin';
import { mimePlugin } from './plugins/mimePlugin';
import { panelPlugin } from './plugins/panelPlugin';
import { runsPlugin } from './plugins/runsPlugin';

export default [apiPlugin, runsPlugin, mimePlugin, commandsPlugin, panelPlugin];
