/**
 * One answer of the server that is kept up to date while somebody looks: it is read again when the stream tells that what
 * it says may have changed, never more often than once in its pace, and, where nothing tells, after its period.
 */

import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { IRunsChange, IRunsModel } from '../tokens';

/** What views read. */
export interface ILiveReading<T> {
  /** Emitted after `value` or `error` changed. */
  readonly changed: ISignal<ILiveReading<T>, void>;
  /** The last answer; null before the first. */
  readonly value: T | null;
  /** Why the last attempt failed; null where it did not. */
  readonly error: unknown;
  /** Keep it up to date until the result is disposed. */
  watch(): IDisposable;
  /** Read it again soon, where somebody watches. */
  refresh(): void;
}

/** What it is made of; times in milliseconds. */
export interface ILiveReadingOptions<T> {
  readonly runs: IRunsModel;
  readonly read: () => Promise<T>;
  /** The lists of the stream that it is made of. */
  readonly lists: readonly string[];
  /** Tell whether a change of runs may change it. */
  readonly isTouchedBy: (change: IRunsChange) => boolean;
  readonly pace: number;
  readonly period: number;
}

/** Reads only while it is watched, the page is seen and the stream is connected. */
export class LiveReading<T> implements ILiveReading<T>, IDisposable {
  constructor(private readonly _options: ILiveReadingOptions<T>) {}

  get changed(): ISignal<ILiveReading<T>, void> {
    return this._changed;
  }

  get value(): T | null {
    return this._value;
  }

  get error(): unknown {
    return this._error;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  watch(): IDisposable {
    this._watchers += 1;
    if (this._watchers === 1) {
      this._begin();
    }
    return new DisposableDelegate(() => {
      this._watchers -= 1;
      if (this._watchers === 0) {
        this._end();
      }
    });
  }

  refresh(): void {
    this._isStale = true;
    this._plan();
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      if (this._watchers > 0) {
        this._end();
      }
      Signal.clearData(this);
    }
  }

  private _begin(): void {
    const { runs } = this._options;
    runs.changed.connect(this._onRuns, this);
    runs.listsChanged.connect(this._onLists, this);
    runs.connectionChanged.connect(this._onConnection, this);
    document.addEventListener('visibilitychange', this._onVisibility);
    this._periodTimer = setInterval(() => this.refresh(), this._options.period);
    this._stream = runs.watch();
    this._wasConnected = runs.connection === 'connected';
    this._isStale ||= Date.now() - this._readAt >= this._options.pace;
    this._plan();
  }

  private _end(): void {
    const { runs } = this._options;
    runs.changed.disconnect(this._onRuns, this);
    runs.listsChanged.disconnect(this._onLists, this);
    runs.connectionChanged.disconnect(this._onConnection, this);
    document.removeEventListener('visibilitychange', this._onVisibility);
    clearInterval(this._periodTimer);
    clearTimeout(this._timer);
    this._timer = undefined;
    this._stream?.dispose();
    this._stream = null;
  }

  /** Read when it is time, unless that is planned or going on. */
  private _plan(): void {
    const isWanted = this._watchers > 0 && !document.hidden && !this._isDisposed;
    if (!this._isStale || !isWanted || this._isReading || this._timer !== undefined) {
      return;
    }
    if (this._options.runs.connection !== 'connected') {
      return; // what changes from now on would not be told
    }
    const wait = Math.max(0, this._readAt + this._options.pace - Date.now());
    this._timer = setTimeout(() => {
      this._timer = undefined;
      void this._read();
    }, wait);
  }

  private async _read(): Promise<void> {
    this._isReading = true;
    this._isStale = false;
    this._readAt = Date.now();
    try {
      this._value = await this._options.read();
      this._error = null;
    } catch (error) {
      this._error = error;
    }
    this._isReading = false;
    if (!this._isDisposed) {
      this._changed.emit();
      this._plan();
    }
  }

  private _onRuns(_: IRunsModel, change: IRunsChange): void {
    if (this._options.isTouchedBy(change)) {
      this.refresh();
    }
  }

  private _onLists(_: IRunsModel, lists: readonly string[]): void {
    if (lists.some(name => this._options.lists.includes(name))) {
      this.refresh();
    }
  }

  private _onConnection(): void {
    if (this._options.runs.connection === 'connected' && !this._wasConnected) {
      this.refresh();
    }
    this._wasConnected = this._options.runs.connection === 'connected';
  }

  private readonly _onVisibility = (): void => this._plan();
  private readonly _changed = new Signal<ILiveReading<T>, void>(this);
  private _value: T | null = null;
  private _error: unknown = null;
  private _watchers = 0;
  private _isStale = true;
  private _isReading = false;
  private _wasConnected = false;
  private _readAt = 0;
  private _stream: IDisposable | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _periodTimer: ReturnType<typeof setInterval> | undefined;
  private _isDisposed = false;
}
