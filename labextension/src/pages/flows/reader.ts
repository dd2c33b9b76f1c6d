/** Reads something anew when it is asked to: one read at a time, and not more often than once in a while. */

/** Milliseconds from the end of a read to the begin of the next. */
const PAUSE = 1000;

/** Asks for what is shown, however often it is said that it has changed. */
export class Reader {
  /** @param _read - reads and shows; what goes wrong is its own to tell */
  constructor(private readonly _read: () => Promise<void>) {}

  /** Read now, or as soon as the read before is over and rested. */
  ask(): void {
    if (this._isBusy) {
      this._isAsked = true;
      return;
    }
    this._isBusy = true;
    void this._read().finally(() => {
      this._timer = setTimeout(() => this._onRested(), PAUSE);
    });
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
  }

  private _onRested(): void {
    this._isBusy = false;
    if (this._isAsked && !this._isDisposed) {
      this._isAsked = false;
      this.ask();
    }
  }

  private _isBusy = false;
  private _isAsked = false;
  private _isDisposed = false;
  private _timer: ReturnType<typeof setTimeout> | undefined = undefined;
}
