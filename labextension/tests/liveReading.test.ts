import { LiveReading } from '../src/overview/liveReading';
import { ManualRuns } from './overviewRecords';
import { run } from './records';

const PACE = 1000;
const PERIOD = 60_000;

/** A reading whose answers are counted. */
function make(runs: ManualRuns, read?: () => Promise<number>) {
  let reads = 0;
  const reading = new LiveReading<number>({
    runs: runs.asModel,
    read: read ?? (async () => ++reads),
    lists: ['deployments'],
    isTouchedBy: ({ runs: ids }) => [...ids].some(id => runs.run(id)?.deployment === 'nightly'),
    pace: PACE,
    period: PERIOD
  });
  return reading;
}

async function wait(milliseconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(milliseconds);
}

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

test('nothing is read before somebody looks', async () => {
  const reading = make(new ManualRuns());
  reading.refresh();
  await wait(PERIOD);
  expect(reading.value).toBeNull();

  reading.watch();
  await wait(0);

  expect(reading.value).toBe(1);
});

test('it waits for the stream, so that no change is missed', async () => {
  const runs = new ManualRuns();
  runs.connection = 'connecting';
  const reading = make(runs);
  reading.watch();
  await wait(PERIOD);
  expect(reading.value).toBeNull();

  runs.connect('connected');
  await wait(0);

  expect(reading.value).toBe(1);
});

test('it is read again when its list or its runs change, and not for others', async () => {
  const runs = new ManualRuns();
  const reading = make(runs);
  reading.watch();
  await wait(PACE);

  runs.listsChanged.emit(['pools']);
  runs.take(run({ deployment: null }));
  await wait(PACE);
  expect(reading.value).toBe(1);

  runs.listsChanged.emit(['pools', 'deployments']);
  await wait(PACE);
  expect(reading.value).toBe(2);

  runs.take(run({ deployment: 'nightly' }));
  await wait(PACE);
  expect(reading.value).toBe(3);
});

test('a burst of changes is read in its pace, the last one included', async () => {
  const runs = new ManualRuns();
  const reading = make(runs);
  reading.watch();
  await wait(PACE);

  for (let change = 0; change < 50; change += 1) {
    runs.listsChanged.emit(['deployments']);
    await wait(PACE / 25);
  }
  await wait(2 * PACE);

  expect(reading.value).toBeGreaterThanOrEqual(3);
  expect(reading.value).toBeLessThanOrEqual(5);
});

test('a change while it is being read is read, too', async () => {
  const runs = new ManualRuns();
  const answers: ((answer: number) => void)[] = [];
  const reading = make(runs, () => new Promise(resolve => answers.push(resolve)));
  reading.watch();
  await wait(PACE);

  runs.listsChanged.emit(['deployments']);
  await wait(PACE);
  expect(answers).toHaveLength(1);
  answers[0](1);
  await wait(PACE);

  expect(answers).toHaveLength(2);
});

test('after a lost connection it is read anew', async () => {
  const runs = new ManualRuns();
  const reading = make(runs);
  reading.watch();
  await wait(PACE);

  runs.connect('reconnecting');
  runs.connect('connected');
  await wait(PACE);

  expect(reading.value).toBe(2);
});

test('what time alone changes is read after its period', async () => {
  const reading = make(new ManualRuns());
  reading.watch();
  await wait(0);

  await wait(PERIOD);
  await wait(PACE);

  expect(reading.value).toBe(2);
});

test('an error is kept beside what was known, until it goes well again', async () => {
  const runs = new ManualRuns();
  const error = new Error('gone');
  const answers = [async () => 1, () => Promise.reject(error), async () => 2];
  const reading = make(runs, () => (answers.shift() as () => Promise<number>)());
  const told: [number | null, unknown][] = [];
  reading.changed.connect(() => told.push([reading.value, reading.error]));
  reading.watch();

  for (let time = 0; time < 3; time += 1) {
    await wait(PACE);
    reading.refresh();
  }

  expect(told).toEqual([
    [1, null],
    [1, error],
    [2, null]
  ]);
});

test('nobody is listened to any more when nobody looks', async () => {
  const runs = new ManualRuns();
  const reading = make(runs);
  const [first, second] = [reading.watch(), reading.watch()];
  await wait(PACE);

  first.dispose();
  runs.listsChanged.emit(['deployments']);
  await wait(PACE);
  second.dispose();
  runs.listsChanged.emit(['deployments']);
  await wait(2 * PERIOD);

  expect([reading.value, runs.watchers, jest.getTimerCount()]).toEqual([2, 0, 0]);
});
