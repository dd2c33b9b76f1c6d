import { englishTexts } from '../src/drawing/translation';
import { webhooksList } from '../src/pages/lists/webhooksList';
import type { IPageContext } from '../src/pages/page';
import { ManualClock } from './clockDouble';

const WEBHOOK = { webhook: { name: 'orders', scheme: 'standard', event: 'order.made' } };

const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

/** Ask for a new secret of a webhook whose old one is accepted for some hours; gives what was sent. */
async function rotate(hours: string): Promise<readonly string[]> {
  const sent: string[] = [];
  const call = async (method: string, path: readonly string[], _: unknown, body: string) => {
    if (method === 'POST') {
      sent.push(body);
      return { secret: 'whsec_new' };
    }
    return path[0] === 'me' ? { role: 'admin' } : { webhooks: [WEBHOOK], next: null };
  };
  const list = webhooksList({
    texts: englishTexts,
    clock: new ManualClock(),
    pagesApi: { call }
  } as unknown as IPageContext);
  document.body.append(list.node);
  await settle();
  const buttons = [...list.node.querySelectorAll('button')];
  buttons.find(button => button.textContent === 'New secret…')?.click();
  await settle();
  const control = document.querySelector<HTMLInputElement>('dialog [name="overlap_seconds"]');
  if (control !== null) {
    control.value = hours;
  }
  document.querySelector('dialog form')?.dispatchEvent(new Event('submit', { cancelable: true }));
  await settle();
  list.dispose();
  return sent;
}

beforeAll(() => {
  // jsdom draws no dialogs
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});

afterEach(() => document.body.replaceChildren());

test.each([
  ['', 0],
  ['1.5', 5400]
])(
  'the hours for which an old secret is accepted are sent as seconds: "%s"',
  async (hours, seconds) => {
    const sent = await rotate(hours);

    expect(sent.map(body => JSON.parse(body))).toEqual([
      { secret: null, overlap_seconds: seconds }
    ]);
    expect(document.querySelector('dialog')?.textContent).toContain('shown this once');
  }
);

test.each([
  ['NaN', 'Write a number.'],
  ['Infinity', 'Write a number.'],
  ['1e999', 'At most 8760.']
])('the hours are refused where no JSON has them: %s', async (hours, problem) => {
  expect(await rotate(hours)).toEqual([]);

  const wrong = document.querySelector('dialog [aria-invalid="true"]');
  expect(wrong?.getAttribute('name')).toBe('overlap_seconds');
  expect(document.querySelector('dialog')?.textContent).toContain(problem);
});
