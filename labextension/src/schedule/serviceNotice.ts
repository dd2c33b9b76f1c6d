/** Says who starts the runs of a schedule, or that nobody does and what to do about it. */

import type { ITexts } from '../drawing/translation';
import type { IPool, IServiceHealth } from './records';

/** What is said. */
export interface INotice {
  /** Whether no run would start. */
  readonly isMissing: boolean;
  readonly text: string;
  /** What to type in a terminal; may be empty. */
  readonly command: string;
}

const INSTALL = 'orchestra service install --start';

/**
 * Say who would start the runs of a pool.
 *
 * @param health - null when it is not known
 * @param pools - null when they are not known
 */
export function serviceNotice(
  health: IServiceHealth | null,
  pools: readonly IPool[] | null,
  pool: string,
  texts: ITexts
): INotice {
  if (health === null) {
    return {
      isMissing: false,
      text: texts.__('Whether a service is up that starts the runs cannot be told now.'),
      command: ''
    };
  }
  const isComing = ['up', 'starting', 'no store yet'].includes(health.ownService);
  if (health.up === 0 && !isComing) {
    return {
      isMissing: true,
      text: texts.__(
        'Nothing is running that would start this. Install the service, which the system keeps running, in a terminal of the server:'
      ),
      command: INSTALL
    };
  }
  const isServed = (pools ?? []).some(each => each.name === pool && each.workers > 0);
  if (pools !== null && !isServed && !(isComing && pool === 'default')) {
    return {
      isMissing: true,
      text: texts.__(
        'Nobody serves the pool %1 now, so its runs wait until somebody does. In a terminal of a machine that is to run them:',
        pool
      ),
      command: `orchestra worker --pool ${quoted(pool)}`
    };
  }
  // one that is up beside that of this server goes on without it
  return isComing && health.up <= 1
    ? {
        isMissing: false,
        text: texts.__(
          'This Jupyter server starts the runs, so it must be on when they are due. To have them start without it, install the service:'
        ),
        command: INSTALL
      }
    : { isMissing: false, text: texts.__('A service is up that starts the runs.'), command: '' };
}

/** Quote a name for a shell where that is needed. */
function quoted(name: string): string {
  return /^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replace(/'/g, `'"'"'`)}'`;
}
