import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import { ask } from '../src/pages/dialogs';

/** A dialog whose request waits until its end is told. */
interface IAsked {
  readonly answer: Promise<boolean>;
  readonly end: (outcome: boolean | Error) => Promise<void>;
}

function open(): IAsked {
  let end: (outcome: boolean | Error) => void = () => undefined;
  const answer = ask(
    {
      title: 'New secret',
      body: [],
      act: 'Change it',
      leave: 'Cancel',
      onAct: () =>
        new Promise((resolve, reject) => {
          end = outcome => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
        })
    },
    englishTexts
  );
  return {
    answer,
    end: async outcome => {
      end(outcome);
      await settle();
    }
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
  }
}

function dialog(): HTMLDialogElement | null {
  return document.querySelector('dialog');
}

function button(at: number): HTMLButtonElement {
  return document.querySelectorAll<HTMLButtonElement>('dialog .orc-dialog-buttons button')[at];
}

function send(): void {
  dialog()
    ?.querySelector('form')
    ?.dispatchEvent(new Event('submit', { cancelable: true }));
}

/** Press Escape, as a browser does: what nobody prevents closes the dialog. */
function escape(): void {
  const key = new KeyboardEvent('keydown', { key: 'Escape', cancelable: true });
  const cancel = new Event('cancel', { cancelable: true });
  if (dialog()?.dispatchEvent(key) === true && dialog()?.dispatchEvent(cancel) === true) {
    dialog()?.close();
  }
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
  ['Escape', escape],
  ['its button', () => button(0).click()],
  ['what cannot be prevented', () => dialog()?.close()]
])('a dialog is not left by %s while its request is under way', async (_, leave) => {
  const { answer, end } = open();
  send();

  leave();
  await settle();

  expect(dialog()?.open).toBe(true);
  expect([button(0).disabled, button(1).disabled]).toEqual([true, true]);
  await end(true);
  expect(dialog()).toBeNull();
  expect(await answer).toBe(true);
});

test('what went wrong is said in the dialog that could not be left, which can be left then', async () => {
  const { answer, end } = open();
  send();
  escape();

  await end(new Error('The secret is too short.'));

  expect(dialog()?.querySelector('.orc-problem')?.textContent).toBe('The secret is too short.');
  expect([button(0).disabled, button(1).disabled]).toEqual([false, false]);
  escape();
  expect(await answer).toBe(false);
  expect(dialog()).toBeNull();
});

test('what may be wrong is told in the dialog, and decided about there; of another text it is asked again', async () => {
  const asked: boolean[] = [];
  const field = document.createElement('input');
  const answer = ask(
    {
      title: 'New webhook',
      body: [field],
      act: 'Make it',
      actAnyway: 'Make it anyway',
      leave: 'Cancel',
      onAct: async isWarned => {
        asked.push(isWarned);
        if (!isWarned) {
          throw new ApiError('No <b>m</b>.\nNo k.', 422, 'warnings_refused');
        }
        return true;
      },
      onError: () => {
        throw new Error('A warning is no error.');
      }
    },
    englishTexts
  );
  const warnings = (): readonly (string | null)[] =>
    [...document.querySelectorAll('dialog [role="status"] li')].map(item => item.textContent);

  send();
  await settle();
  const first = [warnings(), button(1).textContent];
  field.dispatchEvent(new Event('input', { bubbles: true }));
  const written = [warnings(), button(1).textContent];
  send();
  await settle();
  send();
  await settle();

  expect(first).toEqual([['No <b>m</b>.', 'No k.'], 'Make it anyway']);
  expect(written).toEqual([[], 'Make it']);
  expect(asked).toEqual([false, false, true]);
  expect(await answer).toBe(true);
});

/** A dialog whose values may be wrong: the first answers are given, the later ones are that it is done. */
function openWarned(answers: readonly Error[], asked: boolean[], whileSent = () => {}): Node {
  const field = document.createElement('input');
  void ask(
    {
      title: 'New webhook',
      body: [field],
      act: 'Make it',
      actAnyway: 'Make it anyway',
      leave: 'Cancel',
      onAct: async isWarned => {
        asked.push(isWarned);
        whileSent();
        const answer = answers[asked.length - 1];
        if (answer !== undefined) {
          throw answer;
        }
        return false;
      },
      onError: () => true
    },
    englishTexts
  );
  return field;
}

const WARNED = new ApiError('No m.', 422, 'warnings_refused');
const shown = (): readonly (string | null | undefined)[] => [
  dialog()?.querySelector('[role="status"]')?.textContent,
  button(1).textContent
];

test('what was warned of is gone once something is wrong', async () => {
  const asked: boolean[] = [];
  openWarned([WARNED, new ApiError('There is one.', 409, 'name_taken')], asked);

  send();
  await settle();
  const warned = shown();
  send();
  await settle();
  const taken = shown();
  send();
  await settle();

  expect(warned).toEqual(['This may be wrong with it:No m.', 'Make it anyway']);
  expect(taken).toEqual(['', 'Make it']);
  expect(asked).toEqual([false, true, false]);
});

test('a warning is of what was sent, not of what was written meanwhile', async () => {
  const asked: boolean[] = [];
  const field = openWarned([WARNED], asked, () => {
    (field as HTMLInputElement).value = 'another';
  });

  send();
  await settle();
  const warned = shown();
  send();
  await settle();

  expect(warned).toEqual(['This may be wrong with it:No m.', 'Make it']);
  expect(asked).toEqual([false, false]);
});

test.each([
  ['a text', '<textarea></textarea>', (node: HTMLTextAreaElement) => (node.value = 'a'), true],
  ['a tick', '<input type="checkbox">', (node: HTMLInputElement) => (node.checked = true), true],
  ['nothing', '<input value="as it was">', () => undefined, false],
  [
    'one choice',
    '<select><option>a</option><option>b</option></select>',
    (node: HTMLSelectElement) => (node.value = 'b'),
    false
  ]
])(
  'whether %s would be lost is asked before a dialog is left',
  async (_, markup, write, isAsked) => {
    const body = document.createElement('div');
    body.innerHTML = markup;
    const question = { title: 'New webhook', body: [body], act: 'Make it', leave: 'Cancel' };
    const answer = ask({ ...question, onAct: async () => true }, englishTexts);
    (write as (node: Element | null) => void)(body.firstElementChild);

    escape();
    await settle();

    const titles = [...document.querySelectorAll('dialog h2')].map(title => title.textContent);
    expect(titles).toEqual(isAsked ? ['New webhook', 'Throw away what you have written?'] : []);
    if (isAsked) {
      document
        .querySelectorAll('dialog form')[1]
        .dispatchEvent(new Event('submit', { cancelable: true }));
    }
    expect(await answer).toBe(false);
    expect(dialog()).toBeNull();
  }
);
