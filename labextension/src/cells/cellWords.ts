/** What is said of a cell: every text of its badge, decided apart from how it is drawn. */

import { formatDuration, formatElapsed, formatMoment, secondsRun } from '../drawing/durations';
import { isFailure, isLive, stateLook } from '../drawing/states';
import { errorWords, timeWords } from '../drawing/taskWords';
import type { ITexts } from '../drawing/translation';
import type { ICellRecord } from './cellRecords';

/** Durations below this are not compared with what is usual, in seconds. */
const LEAST_EXPECTED = 1;

/** The texts of one badge; an empty text is not shown. */
export interface ICellWords {
  readonly word: string;
  readonly time: string;
  /** Why it ended badly. */
  readonly error: string;
  readonly stale: string;
  /** Which run it was, and when. */
  readonly title: string;
}

/**
 * Give the texts of a cell's badge.
 *
 * @param now - milliseconds since the epoch
 */
export function cellWords(
  cell: ICellRecord,
  now: number,
  texts: ITexts,
  locale?: string
): ICellWords {
  const isBad = isFailure(cell.state);
  return {
    word: stateLook(cell.state).word(texts),
    time: cellTime(cell, now, texts),
    error: isBad
      ? errorWords(cell)
          .trim()
          .replace(/\s*\n\s*/g, ' ')
      : '',
    stale: cell.stale === '' ? '' : texts.__('Stale: %1', cell.stale),
    title: titleWords(cell, texts, locale)
  };
}

/** Give how long a cell has run, or ran, beside what is usual. */
export function cellTime(cell: ICellRecord, now: number, texts: ITexts): string {
  if (isLive(cell.state)) {
    return timeWords(cell, true, now, texts);
  }
  const expected =
    cell.expected_seconds !== null && cell.expected_seconds >= LEAST_EXPECTED
      ? formatElapsed(cell.expected_seconds)
      : '';
  if (cell.state === 'CACHED') {
    return expected === '' ? '' : texts.__('instead of ~%1', expected);
  }
  const seconds = secondsRun(cell, now);
  if (seconds === null) {
    return '';
  }
  const took = formatDuration(seconds);
  return expected === '' || formatElapsed(seconds) === expected
    ? took
    : texts.__('%1, usually ~%2', took, expected);
}

function titleWords(cell: ICellRecord, texts: ITexts, locale?: string): string {
  const at = cell.ended_at ?? cell.started_at ?? cell.created_at;
  const moment = at === null ? '' : formatMoment(at, locale);
  return cell.task_run_id === null
    ? texts.__('Run %1, %2: show its logs', cell.run_name, moment)
    : texts.__('Task %1 of run %2, %3: show its logs', cell.name, cell.run_name, moment);
}
