import { englishTexts } from '../src/drawing/translation';
import { editAutomation } from '../src/pages/lists/automationDialog';
import type { IKeptAutomation } from '../src/pages/lists/automationDialog';
import type { IPageContext } from '../src/pages/page';
import { PagesApi } from '../src/pages/pagesApi';
import type { IServerSettings } from '../src/request';

/** What the server has: what the automation says, and how often it did something, which its ETag tells, too. */
let form: Record<string, unknown>;
let firings: number;
/** The `If-Match` of each change. */
let matches: (string | null)[];
/** Called before a change is looked at. */
let meanwhile: () => void;

beforeAll(() => {
  // jsdom has none of them
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});

beforeEach(() => {
  form = { name: 'nightly', do: ['run'] };
  [firings, matches, meanwhile] = [0, [], () => undefined];
  document.body.replaceChildren();
});

function etag(): string {
  return `"${form.description ?? ''} ${firings}"`;
}

/** Answer as the server does. */
function answer(method: string, path: string, init: RequestInit): [number, unknown] {
  if (method === 'PUT') {
    meanwhile();
    const match = new Headers(init.headers).get('If-Match');
    matches.push(match);
    if (match !== etag()) {
      return [412, { code: 'precondition_failed', detail: 'Another ETag.' }];
    }
    form = JSON.parse(String(init.body));
    return [200, {}];
  }
  if (path.endsWith('/text')) {
    return [200, { text: JSON.stringify(form) }];
  }
  if (path.endsWith('/read')) {
    const { text } = JSON.parse(String(init.body));
    return [200, { name: 'nightly', form: JSON.parse(text) }];
  }
  return [200, { name: 'nightly', form, firings }];
}

const settings = {
  baseUrl: '/',
  send: async (url: string, init: RequestInit) => {
    const [status, body] = answer(String(init.method), url, init);
    // as behind a proxy that compresses answers
    const headers = new Headers({ ETag: `W/${etag()}` });
    return { status, ok: status < 400, headers, json: async () => body };
  }
} as unknown as IServerSettings;

/** Open the dialog, and give what comes of it. */
async function open(): Promise<{
  kept: Promise<IKeptAutomation | null>;
  change: () => Promise<string>;
}> {
  const context = { texts: englishTexts, pagesApi: new PagesApi(settings) };
  const kept = editAutomation(context as unknown as IPageContext, 'nightly');
  await settle();
  const change = async (): Promise<string> => {
    const text = document.querySelector('textarea');
    if (text !== null) {
      text.value = JSON.stringify({ name: 'nightly', do: ['wait'] });
    }
    document.querySelector('form')?.requestSubmit();
    await settle();
    return document.querySelector('.orc-automation-error')?.textContent ?? '';
  };
  return { kept, change };
}

const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

test('an automation is replaced while it is as it was read', async () => {
  const { kept, change } = await open();

  await change();

  expect((await kept)?.name).toBe('nightly');
  expect(matches).toEqual(['" 0"']);
  expect(form).toEqual({ name: 'nightly', do: ['wait'] });
});

test('what somebody else changed meanwhile is not overwritten, and what was written stays', async () => {
  const { change } = await open();
  form = { ...form, description: 'of Ben' };

  const problem = await change();

  expect(problem).toBe(
    'Somebody else has changed nightly meanwhile. Copy what you wrote, and open it again.'
  );
  expect(matches).toEqual([]);
  expect(form.description).toBe('of Ben');
  expect(document.querySelector('textarea')?.value).toContain('wait');
});

test('one that is changed in the very moment is not overwritten either', async () => {
  const { change } = await open();
  meanwhile = () => {
    form = { ...form, description: 'of Ben' };
  };

  expect(await change()).toContain('Somebody else has changed nightly');
  expect(form).toEqual({ name: 'nightly', do: ['run'], description: 'of Ben' });
});

test('one that only did something meanwhile is changed', async () => {
  const { kept, change } = await open();
  firings = 7;
  meanwhile = () => {
    firings = Math.min(firings + 1, 8);
  };

  await change();

  expect((await kept)?.name).toBe('nightly');
  expect(matches).toEqual(['" 7"', '" 8"']);
});
