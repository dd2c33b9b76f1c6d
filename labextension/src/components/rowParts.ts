/** What rows of the side bar are called by: their buttons, which are there where the focus is, are no part of that. */

/** The ids of the parts of a row; a row needs not have all. */
export interface IRowParts {
  readonly state: string;
  readonly name: string;
  readonly time: string;
  readonly message: string;
  readonly error: string;
}

/** Give the ids of the parts of a row, from its own. */
export function rowParts(id: string): IRowParts {
  return {
    state: `${id}-state`,
    name: `${id}-name`,
    time: `${id}-time`,
    message: `${id}-message`,
    error: `${id}-error`
  };
}

/** Give what `aria-labelledby` has for a row with these parts. */
export function namedBy(parts: IRowParts): string {
  return Object.values(parts).join(' ');
}
