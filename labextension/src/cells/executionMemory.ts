/** What was known of cells when they were executed, kept in the browser: a reload of the page forgets nothing of it. */

import { readFields, readTextOrNull } from '../schemas';

const PREFIX = 'orchestra-nb:executed';
/** Notebooks that are remembered, and cells of each: those that were executed last. */
const MOST_NOTEBOOKS = 50;
/** Those that stay when the storage is full: others keep things there, too. */
const FEWEST_NOTEBOOKS = 10;
const MOST_CELLS = 1_000;

/** Keeps, for each notebook of a server, cell id to what was known. Without a storage nothing is kept. */
export class ExecutionMemory {
  /**
   * @param storage - the browser's; null where it may not be used
   * @param server - what tells servers of one address apart, and their users
   */
  constructor(
    private readonly _storage: Storage | null,
    server: string
  ) {
    this._prefix = `${PREFIX}:${server}:`;
  }

  /** Give what is known of the cells of a notebook, those that were executed last at the end. */
  read(path: string): ReadonlyMap<string, string> {
    const fields = readFields(this._parsed(this._prefix + path)?.cells) ?? {};
    const known = Object.entries(fields).map(([id, key]) => [id, readTextOrNull(key)] as const);
    return new Map(known.filter((entry): entry is readonly [string, string] => entry[1] !== null));
  }

  /** Remember it; `now` in milliseconds since the epoch. */
  write(path: string, cells: ReadonlyMap<string, string>, now: number): void {
    const storage = this._storage;
    if (storage === null) {
      return;
    }
    const kept = Object.fromEntries([...cells].slice(-MOST_CELLS));
    const text = JSON.stringify({ at: now, cells: kept });
    try {
      if (this._isSet(storage, path, text)) {
        this._forgetOldest(storage, MOST_NOTEBOOKS);
      } else {
        this._forgetOldest(storage, FEWEST_NOTEBOOKS);
        this._isSet(storage, path, text);
      }
    } catch {
      return; // it may not be used any more: badges come back after a reload, and nothing else is lost
    }
  }

  /** Keep it; false where there is no room. */
  private _isSet(storage: Storage, path: string, text: string): boolean {
    try {
      storage.setItem(this._prefix + path, text);
      return true;
    } catch {
      return false;
    }
  }

  /** Forget of which notebooks cells were executed longest ago, but for so many. */
  private _forgetOldest(storage: Storage, most: number): void {
    const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '');
    const ours = keys.filter(key => key.startsWith(`${PREFIX}:`));
    if (ours.length > most) {
      const at = (key: string): number => Number(this._parsed(key)?.at ?? 0);
      ours.sort((one, other) => at(one) - at(other));
      ours.slice(0, -most).forEach(key => storage.removeItem(key));
    }
  }

  private _parsed(key: string): Readonly<Record<string, unknown>> | null {
    try {
      return readFields(JSON.parse(this._storage?.getItem(key) ?? 'null'));
    } catch {
      return null; // somebody else has written there
    }
  }

  private readonly _prefix: string;
}

/** Give the browser's storage; null where it may not be used. */
export function browserStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
