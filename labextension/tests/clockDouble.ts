/** A clock that stands still until a test moves it. */

import { Clock } from '../src/drawing/clock';
import { NOW } from './records';

export class ManualClock extends Clock {
  override now(): number {
    return this._now;
  }

  override follow(tick: () => void): () => void {
    this.followers.add(tick);
    return () => this.followers.delete(tick);
  }

  /** Let so many seconds go by. */
  advance(seconds: number): void {
    this._now += seconds * 1000;
    this.followers.forEach(tick => tick());
  }

  readonly followers = new Set<() => void>();
  private _now = NOW;
}
