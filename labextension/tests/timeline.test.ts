import { Timeline } from '../src/drawing/timeline';
import type { IAttempt } from '../src/drawing/timeSpans';
import { englishTexts } from '../src/drawing/translation';
import type { ITaskView } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ago, id, task } from './records';

function draw(tasks: ITaskView[], attempts: [string, IAttempt[]][] = []): Timeline {
  const options = { texts: englishTexts, clock: new ManualClock(), actions: {}, locale: 'en' };
  const timeline = new Timeline(options);
  document.body.replaceChildren(timeline.node);
  timeline.update(tasks, new Map(attempts), true);
  return timeline;
}

function bars(row: number): (string | null)[] {
  const track = document.querySelectorAll('.orc-timeline-track')[row];
  return [...track.children].map(bar => bar.getAttribute('data-kind'));
}

test('attempts are bars of their own, with the waits apart', () => {
  const retried = task({
    state: 'COMPLETED',
    attempt: 2,
    max_attempts: 3,
    created_at: ago(20),
    started_at: ago(18),
    ended_at: ago(1)
  });
  draw(
    [retried],
    [
      [
        retried.task_run_id,
        [
          { number: 1, state: 'RETRYING', started_at: ago(18), ended_at: ago(12) },
          { number: 2, state: 'COMPLETED', started_at: ago(4), ended_at: ago(1) }
        ]
      ]
    ]
  );

  expect(bars(0)).toEqual(['wait', 'run', 'wait', 'run']);
  expect(document.querySelector('.orc-timeline-name')?.getAttribute('aria-label')).toBe(
    'clean, Completed, waited 10 s, ran 9.0 s, attempt 2 of 3'
  );
});

test('a mapped task is one row, which opens into those of its runs', () => {
  draw([1, 2, 3].map(n => task({ task_run_id: id(n), name: 'model' })));
  const name = document.querySelector<HTMLElement>('.orc-timeline-name');

  expect(document.querySelectorAll('.orc-timeline-row')).toHaveLength(1);
  expect(name?.getAttribute('aria-expanded')).toBe('false');
  name?.click();

  const rows = [...document.querySelectorAll('.orc-timeline-label')].map(row => row.textContent);
  expect(rows).toEqual(['model ×3', 'model 1', 'model 2', 'model 3']);
});

test('plus and minus zoom in time alone, and all of it is shown again', () => {
  draw([task({ created_at: ago(64), started_at: ago(64) })]);
  const inner = document.querySelector<HTMLElement>('.orc-timeline-inner') as HTMLElement;
  const track = (): number => parseFloat(inner.style.getPropertyValue('--orc-track'));
  const press = (key: string): void => {
    const scroll = document.querySelector('.orc-timeline-scroll');
    scroll?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  };

  expect(track()).toBe(640);
  press('+');
  press('+');
  expect(track()).toBe(2560);
  press('-');
  expect(track()).toBe(1280);
  press('0');
  expect(track()).toBe(640);
  press('-');
  expect(track()).toBe(640);
});

test('ten thousand runs, opened, are drawn as far as they are in sight', () => {
  draw(Array.from({ length: 10_000 }, (_, n) => task({ task_run_id: id(n), name: 'item' })));

  document.querySelector<HTMLElement>('.orc-timeline-name')?.click();

  expect(document.querySelectorAll('.orc-timeline-row').length).toBeLessThan(60);
});
