/** Where the keys of a tree lead to, among rows that open into others. */

/** What is known of one row. */
export interface ITreeRow {
  /** Null for what cannot be opened. */
  readonly isOpen: boolean | null;
  /** From 1. */
  readonly level: number;
}

/**
 * Give the place of the row that a key leads to, or say that it opens or closes the row; null for other keys.
 *
 * After the tree view of the ARIA Authoring Practices.
 */
export function treeKey(
  rows: readonly ITreeRow[],
  at: number,
  key: string
): number | 'toggle' | null {
  const row: ITreeRow | undefined = rows[at];
  const last = rows.length - 1;
  switch (row === undefined ? '' : key) {
    case 'ArrowDown':
      return Math.min(last, at + 1);
    case 'ArrowUp':
      return Math.max(0, at - 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    case 'ArrowRight':
      return row.isOpen === false ? 'toggle' : row.isOpen === true ? Math.min(last, at + 1) : at;
    case 'ArrowLeft':
      return row.isOpen === true ? 'toggle' : parentOf(rows, at);
    default:
      return null;
  }
}

/** Give the row that a row is below; itself where it is below none. */
function parentOf(rows: readonly ITreeRow[], at: number): number {
  for (let above = at - 1; above >= 0; above--) {
    if (rows[above].level < rows[at].level) {
      return above;
    }
  }
  return at;
}
