/** What stands in one tab of the run page. */

import type { RunRecords } from './runRecords';

/** One view of a run. It is made when its tab is chosen, and brought up to date while that is in sight. */
export interface IRunView {
  readonly node: HTMLElement;
  /** Show newer records. */
  update(records: RunRecords): void;
  /** Undo all. */
  dispose(): void;
}
