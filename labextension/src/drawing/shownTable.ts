/** How much of a table that somebody else wrote is shown, and the words that say so. */

import type { ITexts } from './translation';

/** Rows and columns that are shown. */
export const SHOWN_ROWS = 100;
export const SHOWN_COLUMNS = 50;

/** Say what is left out of a table of so many rows and columns. */
export function cutWords(rows: number, columns: number, texts: ITexts): string[] {
  const words: string[] = [];
  if (rows > SHOWN_ROWS) {
    words.push(texts.__('The first %1 of %2 rows.', SHOWN_ROWS, rows));
  }
  if (columns > SHOWN_COLUMNS) {
    words.push(texts.__('The first %1 of %2 columns.', SHOWN_COLUMNS, columns));
  }
  return words;
}
