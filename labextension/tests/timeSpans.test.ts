import { extentOf, markStep, timeSpans } from '../src/drawing/timeSpans';
import { NOW, ago, task } from './records';

const at = (seconds: number): number => NOW - seconds * 1000;

test('a task waits, then runs', () => {
  const ended = task({
    state: 'COMPLETED',
    created_at: ago(10),
    started_at: ago(8),
    ended_at: ago(3)
  });

  expect(timeSpans(ended, [])).toEqual([
    { kind: 'wait', from: at(10), to: at(8), state: 'PENDING', attempt: 0 },
    { kind: 'run', from: at(8), to: at(3), state: 'COMPLETED', attempt: 1 }
  ]);
});

test('attempts are runs of their own, with the waits between them', () => {
  const retried = task({ state: 'RUNNING', attempt: 2, created_at: ago(20), started_at: ago(20) });
  const attempts = [
    { number: 1, state: 'RETRYING', started_at: ago(20), ended_at: ago(15) },
    { number: 2, state: 'RUNNING', started_at: ago(5), ended_at: null }
  ];

  expect(timeSpans(retried, attempts)).toEqual([
    { kind: 'run', from: at(20), to: at(15), state: 'RETRYING', attempt: 1 },
    { kind: 'wait', from: at(15), to: at(5), state: 'PENDING', attempt: 1 },
    { kind: 'run', from: at(5), to: null, state: 'RUNNING', attempt: 2 }
  ]);
});

test('what waits for its next attempt, or for its first, waits until now', () => {
  const waits = task({ state: 'RETRYING', attempt: 1, created_at: ago(9), started_at: ago(9) });
  const attempts = [{ number: 1, state: 'RETRYING', started_at: ago(9), ended_at: ago(4) }];
  const pending = task({ state: 'PENDING', attempt: 0, created_at: ago(2), started_at: null });

  expect(timeSpans(waits, attempts).at(-1)).toEqual({
    kind: 'wait',
    from: at(4),
    to: null,
    state: 'RETRYING',
    attempt: 1
  });
  expect(timeSpans(pending, [])).toEqual([
    { kind: 'wait', from: at(2), to: null, state: 'PENDING', attempt: 0 }
  ]);
});

test('what was skipped has no span, and a time that is none is passed over', () => {
  const skipped = task({ state: 'SKIPPED', created_at: null, started_at: null, ended_at: ago(1) });
  const strange = [{ number: 1, state: 'FAILED', started_at: 'yesterday', ended_at: null }];

  expect(timeSpans(skipped, [])).toEqual([]);
  expect(timeSpans(task({ state: 'FAILED', created_at: null }), strange)).toEqual([]);
});

test('the extent reaches to now where something goes on', () => {
  const spans = timeSpans(task({ created_at: ago(10), started_at: ago(8) }), []);

  expect(extentOf(spans, NOW)).toEqual({ from: at(10), to: NOW });
  expect(extentOf([], NOW)).toBeNull();
});

test.each([
  [1000, 0.1],
  [10, 10],
  [0.1, 900],
  [0.00001, 604_800 * 12]
])('at %p pixels a second the marks are %p seconds apart', (scale, step) => {
  expect(markStep(scale, 72)).toBe(step);
  expect(step * scale).toBeGreaterThanOrEqual(72);
});
