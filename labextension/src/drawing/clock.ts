/** One timer for all elapsed times on a page: it runs only while something live is in sight. */

/** Tells the time, and calls whoever shows a running time once a second. */
export class Clock {
  /**
   * Give the time in milliseconds since the epoch, corrected to the server's clock.
   */
  now(): number {
    return Date.now() + this._ahead;
  }

  /**
   * Learn the server's clock from one answer of it.
   *
   * @param serverTime - the `Date` header, with a resolution of one second
   */
  learn(serverTime: string | null): void {
    const ahead = Date.parse(serverTime ?? '') - Date.now();
    if (Number.isFinite(ahead)) {
      // Within the header's resolution and the way of the answer, both clocks are taken to be right.
      this._ahead = Math.abs(ahead) < 2500 ? 0 : ahead;
    }
  }

  /** Call `tick` once a second until the returned function is called. */
  follow(tick: () => void): () => void {
    this._followers.add(tick);
    this._timer ??= setInterval(() => this._tick(), 1000);
    return () => {
      this._followers.delete(tick);
      if (this._followers.size === 0 && this._timer !== null) {
        clearInterval(this._timer);
        this._timer = null;
      }
    };
  }

  /** Whether the timer runs. */
  get isTicking(): boolean {
    return this._timer !== null;
  }

  private _tick(): void {
    if (!document.hidden) {
      this._followers.forEach(tick => tick());
    }
  }

  private _ahead = 0;
  private _followers = new Set<() => void>();
  private _timer: ReturnType<typeof setInterval> | null = null;
}

/** The clock of this page. */
export const clock = new Clock();
