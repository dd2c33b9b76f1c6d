import type { ISchedulePreview } from '../src/schedule/records';
import { Previewer } from '../src/schedule/previewer';
import type { ScheduleQuery } from '../src/schedule/scheduleApi';

const NOW = Date.parse('2026-11-26T14:00:00Z');

function previewOf(words: string, at = '2026-11-27T09:00:00Z'): ISchedulePreview {
  return { words, timezone: 'UTC', fireTimes: [{ at, words: '', note: '' }] };
}

interface IDesk {
  readonly previewer: Previewer;
  readonly asked: ScheduleQuery[];
  readonly shown: (string | null)[];
  readonly answers: ((preview: ISchedulePreview) => void)[];
  query: ScheduleQuery | null;
}

function open(): IDesk {
  const desk: Omit<IDesk, 'previewer'> = {
    asked: [],
    shown: [],
    answers: [],
    query: { every: '1h' }
  };
  const previewer = new Previewer({
    read: () => desk.query,
    ask: schedule => {
      desk.asked.push(schedule);
      return new Promise(resolve => desk.answers.push(resolve));
    },
    show: preview => desk.shown.push(preview?.words ?? null),
    fail: error => desk.shown.push(String(error))
  });
  return Object.assign(desk, { previewer });
}

beforeEach(() => {
  jest.useFakeTimers({ now: NOW });
});

afterEach(() => {
  jest.useRealTimers();
});

test('typing asks once, when it rests', async () => {
  const desk = open();

  desk.previewer.update();
  await jest.advanceTimersByTimeAsync(200);
  desk.previewer.update();
  await jest.advanceTimersByTimeAsync(200);
  expect(desk.asked).toHaveLength(0);
  await jest.advanceTimersByTimeAsync(200);
  expect(desk.asked).toEqual([{ every: '1h' }]);
  desk.previewer.dispose();
});

test('an answer that comes after a newer question is not shown', async () => {
  const desk = open();
  const first = desk.previewer.refresh();
  const second = desk.previewer.refresh();

  desk.answers[1](previewOf('new'));
  await second;
  desk.answers[0](previewOf('old'));
  await first;

  expect(desk.shown).toEqual(['new']);
  desk.previewer.dispose();
});

test('what is typed while an answer is awaited is asked for when it has come', async () => {
  const desk = open();
  const first = desk.previewer.refresh();
  desk.query = { every: '3s' };
  desk.previewer.update();

  desk.answers[0](previewOf('old'));
  await first;
  await jest.advanceTimersByTimeAsync(300);

  expect(desk.asked).toEqual([{ every: '1h' }, { every: '3s' }]);
  desk.previewer.dispose();
});

test('where something is wrong at sight nobody is asked', async () => {
  const desk = open();
  desk.query = null;

  await desk.previewer.refresh();

  expect([desk.asked, desk.shown]).toEqual([[], [null]]);
  desk.previewer.dispose();
});

test('a preview whose first time has passed is asked for again, and no more after the end', async () => {
  const desk = open();
  const first = desk.previewer.refresh();
  desk.answers[0](previewOf('soon', '2026-11-26T14:00:20Z'));
  await first;

  await jest.advanceTimersByTimeAsync(20_000);
  expect(desk.asked).toHaveLength(1);
  await jest.advanceTimersByTimeAsync(1000);
  expect(desk.asked).toHaveLength(2);

  desk.previewer.dispose();
  desk.answers[1](previewOf('late'));
  await jest.advanceTimersByTimeAsync(60_000);
  expect(desk.shown).toEqual(['soon']);
  expect(desk.asked).toHaveLength(2);
});
