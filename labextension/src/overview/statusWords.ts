/** How runs stand, in a few words: for the status bar and the badge of the panel's tab. */

import { isLive } from '../drawing/states';
import type { ITexts } from '../drawing/translation';
import type { IRun } from '../schemas';

/** So many failures are told; where there are so many, there may be more. */
export const MOST_FAILED = 100;

/** Count the runs that go on: not those that wait for their time or for room. */
export function runningCount(runs: readonly IRun[]): number {
  return runs.filter(run => isLive(run.state) && run.state !== 'SCHEDULED').length;
}

/** Give "2 running, 1 failed"; empty when neither is. */
export function statusWords(running: number, failed: number, texts: ITexts): string {
  const parts = [
    running > 0 && texts.__('%1 running', running),
    failed > 0 && texts.__('%1 failed', countWords(failed))
  ];
  return parts.filter(Boolean).join(', ');
}

/** Give a number of failures; where there may be more than are told: "99+". */
export function countWords(failed: number): string {
  return failed < MOST_FAILED ? String(failed) : `${MOST_FAILED - 1}+`;
}
