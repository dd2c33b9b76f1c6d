/** The attempts of a run, as the server tells them: each time that it was begun. */

import { readFields, readNumber, readTextOrNull, readTime } from '../../schemas';

/** One time that a run was begun: the first, or a retry, or after it was suspended. */
export interface IRunAttempt {
  /** From 1: the run's epoch. */
  readonly number: number;
  readonly state: string;
  /** What became of it. */
  readonly message: string;
  /** Who had it begun again and why, in the server's words; empty for the first. */
  readonly reason: string;
  /** ISO 8601; null where it did not begin. */
  readonly started_at: string | null;
  readonly ended_at: string | null;
  /** What drove it ("service", "shell" …), and where; null where that is not known. */
  readonly driver: string | null;
  readonly host: string | null;
  /** Its executed notebook on the server's machine; null where none was kept. */
  readonly output_path: string | null;
}

/** Read an attempt; null when it is none. */
export function readRunAttempt(data: unknown): IRunAttempt | null {
  const fields = readFields(data);
  const [number, state] = [readNumber(fields?.number), readTextOrNull(fields?.state)];
  if (number === null || state === null) {
    return null;
  }
  return {
    number,
    state,
    message: readTextOrNull(fields?.message) ?? '',
    reason: readTextOrNull(fields?.reason) ?? '',
    started_at: readTime(fields?.started_at),
    ended_at: readTime(fields?.ended_at),
    driver: readTextOrNull(fields?.driver),
    host: readTextOrNull(fields?.host),
    output_path: readTextOrNull(fields?.output_path)
  };
}
