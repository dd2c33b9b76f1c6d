/** Asks for previews as somebody types: not with each key, and never showing an older answer over a newer one. */

import { clock } from '../drawing/clock';
import type { ISchedulePreview } from './records';
import type { ScheduleQuery } from './scheduleApi';

const PAUSE = 300;
/** A preview whose first time has passed is asked for again, at most so often. */
const AGAIN = 10_000;
const LONGEST = 3_600_000;

/** What the previewer needs. */
export interface IPreviewerOptions {
  /** Give what is to be previewed; null for nothing. */
  readonly read: () => ScheduleQuery | null;
  readonly ask: (schedule: ScheduleQuery) => Promise<ISchedulePreview>;
  /** Called with a preview, or with null where there is none. */
  readonly show: (preview: ISchedulePreview | null) => void;
  /** Called with why there is none. */
  readonly fail: (error: unknown) => void;
}

/** Keeps a preview up to date until it is disposed. */
export class Previewer {
  constructor(private readonly _options: IPreviewerOptions) {}

  /** Ask in a moment, unless this is called again before. */
  update(): void {
    this._later(PAUSE);
  }

  /** Ask at once. */
  async refresh(): Promise<void> {
    this._stop();
    this._asked += 1;
    const asked = this._asked;
    const isCurrent = (): boolean => asked === this._asked && !this._isDisposed;
    const schedule = this._options.read();
    if (schedule === null) {
      this._options.show(null);
      return;
    }
    try {
      const preview = await this._options.ask(schedule);
      if (isCurrent()) {
        this._options.show(preview);
        if (this._timer === null) {
          // else something was typed meanwhile, and is asked for in a moment
          this._later(untilOld(preview));
        }
      }
    } catch (error) {
      if (isCurrent()) {
        this._options.fail(error);
      }
    }
  }

  /** Ask no more. */
  dispose(): void {
    this._isDisposed = true;
    this._stop();
  }

  private _later(milliseconds: number): void {
    this._stop();
    if (!this._isDisposed) {
      this._timer = setTimeout(() => void this.refresh(), milliseconds);
    }
  }

  private _stop(): void {
    if (this._timer !== null) {
      clearTimeout(this._timer);
      this._timer = null;
    }
  }

  private _asked = 0;
  private _isDisposed = false;
  private _timer: ReturnType<typeof setTimeout> | null = null;
}

function untilOld(preview: ISchedulePreview): number {
  const first = Date.parse(preview.fireTimes[0]?.at ?? '');
  const left = Number.isNaN(first) ? LONGEST : first - clock.now() + 500;
  return Math.min(LONGEST, Math.max(AGAIN, left));
}
