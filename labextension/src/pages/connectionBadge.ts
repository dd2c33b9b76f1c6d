/** Says whether what is shown is live. */

import { button, html, setAttributes, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import type { Connection, IRunsModel } from '../tokens';

/** Make the badge; it stays as long as the page. */
export function connectionBadge(runs: IRunsModel, texts: ITexts): HTMLElement {
  const word = html('span', { role: 'status' });
  const retry = button('', '', () => {
    if (runs.connection === 'refused') {
      window.location.reload(); // leads to the login page
    } else {
      runs.reconnect();
    }
  });
  const badge = html('span', { class: 'orc-connection' }, word, retry);
  const show = (): void => {
    const { connection, trouble } = runs;
    setAttributes(badge, { 'data-connection': connection });
    showText(word, connectionWord(connection, texts), trouble || null);
    showText(retry, retryWord(connection, texts));
  };
  runs.connectionChanged.connect(show);
  show();
  return badge;
}

/** Give what can be done; empty for nothing. */
function retryWord(connection: Connection, texts: ITexts): string {
  if (connection === 'refused') {
    return texts.__('Log in');
  }
  return connection === 'reconnecting' ? texts.__('Connect now') : '';
}

function connectionWord(connection: Connection, texts: ITexts): string {
  switch (connection) {
    case 'connected':
      return texts.__('Live');
    case 'reconnecting':
      return texts.__('No connection, trying again…');
    case 'missing':
      return texts.__('This server has no Orchestra extension');
    case 'refused':
      return texts.__('You may not see the runs');
    default:
      return texts.__('Connecting…');
  }
}
