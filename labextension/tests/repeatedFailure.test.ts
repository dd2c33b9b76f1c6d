import { Notification } from '@jupyterlab/apputils';

import { ApiError, NoAnswer } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import { RepeatedFailure, notifyFailure } from '../src/notify';

// It brings the user interface of JupyterLab, which does not load here.
jest.mock('@jupyterlab/apputils', () => {
  const shown = new Set<string>();
  return {
    Notification: {
      error: jest.fn((text: string) => {
        shown.add(text);
        return text;
      }),
      manager: { has: (id: string) => shown.has(id), dismiss: () => shown.clear() }
    }
  };
});

const AWAY = new ApiError('The store is away.', 503, 'store_unavailable');
const said = (): string[] =>
  jest.mocked(Notification.error).mock.calls.map(([text]) => text as string);

beforeEach(() => {
  jest.clearAllMocks();
  Notification.manager.dismiss();
});

test('what fails again and again is told once, and once more when it had worked in between', () => {
  const failure = new RepeatedFailure(englishTexts, 'Alerts could not be read.');

  failure.failed(AWAY);
  Notification.manager.dismiss();
  failure.failed(AWAY);
  expect(said()).toEqual(['Alerts could not be read. The store is away.']);

  failure.worked();
  failure.failed(AWAY);
  expect(said()).toHaveLength(2);
});

test('that the server did not answer is left to the state of the connection', () => {
  new RepeatedFailure(englishTexts, 'x').failed(new NoAnswer(new TypeError('Failed to fetch')));

  expect(said()).toEqual([]);
});

test('what stands there already is not told twice', () => {
  notifyFailure(englishTexts, 'It failed.', AWAY);
  notifyFailure(englishTexts, 'It failed.', AWAY);
  expect(said()).toHaveLength(1);

  Notification.manager.dismiss();
  notifyFailure(englishTexts, 'It failed.', AWAY);
  expect(said()).toHaveLength(2);
});

test('an answer that never came is said in words of ours', () => {
  notifyFailure(englishTexts, 'It failed.', new NoAnswer(new TypeError('Failed to fetch')));

  expect(said()).toEqual(['It failed. The server did not answer. Is it still there?']);
});
