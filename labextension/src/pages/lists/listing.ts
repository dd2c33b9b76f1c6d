/** What a list of a page consists of: its columns, its buttons, and what they tell. */

import type { INeed } from '../access';

/** A column. */
export interface IColumn<T> {
  readonly label: string;
  /** Show what a row has of it; null for nothing. */
  readonly show: (row: T) => Node | string | null;
  /** The column that names the row, one of numbers, or one of long texts. */
  readonly kind?: 'name' | 'number' | 'long';
  /** Whether it is shown with this filter; always, where nothing is said. */
  readonly isShown?: (filter: string) => boolean;
}

/** What is told of something that was done. */
export interface INews {
  readonly news: string;
  /** What may be wrong with it nevertheless; none, where nothing is said. */
  readonly warnings?: readonly string[];
}

/** What a button did. */
export interface IDone<T> extends INews {
  /** The row as it is now; null where it is none of the list any more. */
  readonly row: T | null;
}

/** A button in each row. */
export interface IRowAction<T> {
  readonly label: string;
  /** The label with what it is done to, for who does not see the row: it begins with the label. */
  readonly name: (row: T) => string;
  /** Whether a row has the button; all have, where nothing is said. */
  readonly isOffered?: (row: T) => boolean;
  /** What it takes; whoever sees the list may do it, where nothing is said. */
  readonly need?: INeed;
  /** Do it; null where nothing was done. What it throws is shown. */
  readonly act: (row: T) => Promise<IDone<T> | null>;
}

/** A button above the list, which makes something that is listed. */
export interface IMaking {
  readonly label: string;
  readonly need?: INeed;
  /** Do it, and give what is told of it; null where nothing was done. What it throws is shown. */
  readonly act: () => Promise<string | INews | null>;
}

/** Where the next part of a list begins; null at its end. */
export type Cursor = string | number | null;

/** A part of a list. */
export interface IListPart<T> {
  readonly rows: readonly T[];
  readonly next: Cursor;
}

/** What is listed. */
export interface IListing<T> {
  /** The name of the list. */
  readonly label: string;
  readonly columns: readonly IColumn<T>[];
  readonly actions: readonly IRowAction<T>[];
  readonly making?: IMaking;
  /** Value of the filter to its label; the first is chosen at first. */
  readonly filter?: readonly (readonly [string, string])[];
  readonly key: (row: T) => string;
  /** Read a part; `filter` is empty where there is none. */
  readonly read: (filter: string, cursor: Cursor) => Promise<IListPart<T>>;
  /** What stands where there is no row. */
  readonly empty: (filter: string) => readonly (Node | string)[];
}
