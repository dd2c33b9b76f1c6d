/** What the pages of flows say in the same words: rates, durations, when something is due, how a run went. */

import { formatDuration, formatMoment, secondsRun } from '../../drawing/durations';
import { stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import type { IFlow, IFlowRun } from './flowSchemas';

/** Say how many runs ended well: "83 % of 24"; empty where nothing was decided. */
export function rateWords(flow: IFlow, texts: ITexts): string {
  return flow.success_rate === null
    ? ''
    : texts.__('%1 % of %2', wholePercent(flow.success_rate), flow.counted);
}

/** Round to whole percent; only all is 100, and only none is 0. */
export function wholePercent(rate: number): number {
  const rounded = Math.round(rate * 100);
  return rate > 0 && rate < 1 ? Math.min(99, Math.max(1, rounded)) : rounded;
}

/** Say when something is due, seen from `now` (milliseconds since the epoch): "in 5 hr."; "now" for what is over. */
export function dueWords(at: string, now: number, texts: ITexts, locale?: string): string {
  const seconds = (Date.parse(at) - now) / 1000;
  if (seconds < 1) {
    return texts.__('now');
  }
  const format = new Intl.RelativeTimeFormat(locale, { style: 'short' });
  const [unit, length] =
    seconds < 90
      ? (['second', 1] as const)
      : seconds < 5400
        ? (['minute', 60] as const)
        : seconds < 129600
          ? (['hour', 3600] as const)
          : (['day', 86400] as const);
  return format.format(Math.round(seconds / length), unit);
}

/** Say all of a run in one line, for a tooltip: "calm-fox: Failed, 1.2 s, 1 Mar 2026, 12:00:00". */
export function runWords(run: IFlowRun, now: number, texts: ITexts, locale?: string): string {
  const seconds = secondsRun(run, now);
  const at = run.started_at ?? run.created_at;
  const parts = [
    stateLook(run.state).word(texts),
    seconds === null ? '' : formatDuration(seconds),
    at === null ? '' : formatMoment(at, locale)
  ];
  return texts.__('%1: %2', run.name, parts.filter(Boolean).join(', '));
}
