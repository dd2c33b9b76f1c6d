import { ApiError, NoAnswer } from '../src/apiError';
import { ItemRow } from '../src/components/ItemRow';
import { rowParts } from '../src/components/rowParts';
import { englishTexts } from '../src/drawing/translation';
import { errorText } from '../src/errorText';
import { request } from '../src/request';
import type { IServerSettings } from '../src/request';

// They bring the user interface of JupyterLab, which does not load here.
jest.mock('@jupyterlab/ui-components', () => ({}));
jest.mock('../src/components/AlertContent', () => ({ Problem: () => null }));
jest.mock('../src/components/RowButton', () => ({}));
jest.mock('../src/components/StateIcon', () => ({}));

const UNANSWERED = 'The server did not answer. Is it still there?';

/** As JupyterLab's own. */
class NetworkError extends TypeError {}

/** Ask a server, and give what comes of it. */
async function ask(failure: Error): Promise<unknown> {
  const send = async (): Promise<Response> => {
    throw failure;
  };
  const settings = { baseUrl: '/', send } as unknown as IServerSettings;
  return request(settings, 'GET', ['runs']).catch((error: unknown) => error);
}

test.each([new TypeError('Failed to fetch'), new NetworkError('NetworkError when fetching')])(
  'a request without an answer is told in words of ours: %#',
  async failure => {
    const error = await ask(failure);

    expect(error).toBeInstanceOf(NoAnswer);
    expect(errorText(error, englishTexts)).toBe(UNANSWERED);
  }
);

test('what JupyterLab asked without an answer is told so, too, and what failed otherwise is not', () => {
  const said = [
    new NetworkError('Failed to fetch'),
    new TypeError('x is not a function'),
    new ApiError('The store is away.', 503, 'store_unavailable'),
    'torn'
  ].map(error => errorText(error, englishTexts));

  expect(said).toEqual([UNANSWERED, 'x is not a function', 'The store is away.', 'torn']);
});

test('a request that is given up is not taken for one without an answer', async () => {
  const stopped = new DOMException('Stopped.', 'AbortError');

  expect(await ask(stopped)).toBe(stopped);
});

test('the side bar says so where a list cannot be read', () => {
  const error = new NoAnswer(new TypeError('Failed to fetch'));
  const context = { texts: englishTexts, now: 0, execute: () => undefined };

  const row = ItemRow({
    of: { kind: 'problem', error },
    context,
    isReachable: false,
    parts: rowParts('row')
  });

  expect(row.props).toEqual({ text: UNANSWERED });
});
