/** What a run asks people for, kept live. */

import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { isLive } from '../../drawing/states';
import type { IRun } from '../../schemas';
import type { IRunsModel } from '../../tokens';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunQuestion } from '../pagesApi';
import { Retry } from './retry';

/**
 * Reads the questions when there may be new ones: as the stream tells, and when the run's state changes. While a run
 * goes on they are read again where that failed.
 */
export class RunQuestions {
  constructor(
    private readonly _context: IPageContext,
    private readonly _runId: string
  ) {
    this._retry = new Retry(_context.clock, () => this.read());
    _context.runs.asked.connect(this._onAsked, this);
    _context.runs.connectionChanged.connect(this._onConnection, this);
  }

  /** Emitted when any of it changes. */
  get changed(): ISignal<RunQuestions, void> {
    return this._changed;
  }

  /** All of them, answered or not, in order. */
  get all(): readonly IRunQuestion[] {
    return this._all;
  }

  /** Whether they were read since the run has stood as it does. */
  get isRead(): boolean {
    return this._isRead;
  }

  /** Why they cannot be read; empty when they can. */
  get problem(): string {
    return this._problem;
  }

  /** Hear of a newer record of the run: one that goes on, or stands in another state, may ask for something else. */
  follow(run: IRun): void {
    const stands = `${run.epoch} ${run.state}`;
    if (stands !== this._stands) {
      this._stands = stands;
      this._isRead = false;
      this._isLive = isLive(run.state);
      if (this._isLive) {
        this.read();
      } else {
        this._retry.stop();
      }
    }
  }

  /** Read them anew. */
  read(): void {
    if (this._isReading) {
      this._isStale = true;
      return;
    }
    this._isReading = true;
    this._isStale = false;
    this._context.pagesApi
      .listQuestions(this._runId)
      .then(all => {
        this._all = all;
        this._problem = '';
      })
      .catch((error: unknown) => {
        this._problem = errorText(error, this._context.texts);
      })
      .finally(() => {
        this._isReading = false;
        if (this._isDisposed) {
          return;
        }
        if (this._isStale) {
          this.read();
        } else {
          this._isRead = this._problem === '';
          if (this._isRead || !this._isLive) {
            this._retry.stop();
          } else {
            this._retry.failed();
          }
          this._changed.emit();
        }
      });
  }

  dispose(): void {
    this._isDisposed = true;
    this._retry.stop();
    this._context.runs.asked.disconnect(this._onAsked, this);
    this._context.runs.connectionChanged.disconnect(this._onConnection, this);
    Signal.clearData(this);
  }

  private _onAsked(_: IRunsModel, ids: readonly string[]): void {
    if (ids.includes(this._runId)) {
      this.read();
    }
  }

  private _onConnection(): void {
    if (this._context.runs.connection === 'connected' && this._stands !== '') {
      this.read();
    }
  }

  private readonly _changed = new Signal<RunQuestions, void>(this);
  private readonly _retry: Retry;
  private _all: readonly IRunQuestion[] = [];
  private _problem = '';
  /** Epoch and state of the run at the last reading. */
  private _stands = '';
  private _isLive = false;
  private _isRead = false;
  private _isReading = false;
  private _isStale = false;
  private _isDisposed = false;
}
