/** Asks again, after a while, for what could not be read: the more often it failed in a row, the later. */

import type { Clock } from '../../drawing/clock';

/** Seconds until the first time; each further one is twice as late, up to the last. */
const FIRST_SECONDS = 4;
const MOST_SECONDS = 64;

/** Waits while the page is in sight. */
export class Retry {
  /** @param read - asks again; says by `failed` or `stop` what came of it */
  constructor(
    private readonly _clock: Clock,
    private readonly _read: () => void
  ) {}

  /** Whether it waits for the time to ask again. */
  get isWaiting(): boolean {
    return this._unfollow !== null;
  }

  /** It failed: ask again later. */
  failed(): void {
    this._wake();
    let left = this._seconds;
    this._seconds = Math.min(2 * this._seconds, MOST_SECONDS);
    this._unfollow = this._clock.follow(() => {
      left -= 1;
      if (left <= 0) {
        this._wake();
        this._read();
      }
    });
  }

  /** There is nothing to ask again for. */
  stop(): void {
    this._wake();
    this._seconds = FIRST_SECONDS;
  }

  private _wake(): void {
    this._unfollow?.();
    this._unfollow = null;
  }

  private _unfollow: (() => void) | null = null;
  private _seconds = FIRST_SECONDS;
}
