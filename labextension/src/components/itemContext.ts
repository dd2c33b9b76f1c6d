/** What the contents of rows get. */

import type { ITexts } from '../drawing/translation';
import type { IRowParts } from './rowParts';

/** The same for all rows. */
export interface IItemContext {
  readonly texts: ITexts;
  readonly locale?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly execute: (command: string, args: Readonly<Record<string, string | number>>) => void;
}

/** What the content of one row gets. */
export interface IItemProps<T> {
  readonly of: T;
  readonly context: IItemContext;
  /** Whether Tab leads to the buttons of the row. */
  readonly isReachable: boolean;
  /** The ids of what the row is called by. */
  readonly parts: IRowParts;
}
