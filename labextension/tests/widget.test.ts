import { render } from '../src/widget/index';
import { isDark } from '../src/widget/theme';
import { run, task } from './records';

/** What anywidget gives, without a kernel. */
class Model {
  constructor(private _output: unknown) {}

  get(name: string): unknown {
    return name === 'output' ? this._output : undefined;
  }

  on(event: string, listener: () => void): void {
    expect(event).toBe('change:output');
    this.listeners.add(listener);
  }

  off(_: string, listener: () => void): void {
    this.listeners.delete(listener);
  }

  set(output: unknown): void {
    this._output = output;
    this.listeners.forEach(listener => listener());
  }

  readonly listeners = new Set<() => void>();
}

beforeAll(() => {
  // jsdom has no media queries.
  window.matchMedia = (media: string) =>
    ({
      media,
      matches: false,
      addEventListener: () => undefined,
      removeEventListener: () => undefined
    }) as unknown as MediaQueryList;
});

beforeEach(() => {
  document.body.replaceChildren();
  document.body.removeAttribute('data-jp-theme-light');
});

const TASK = { version: 1, view: 'task', task: task(), cluster: '', live: true };

function shadow(): ShadowRoot {
  const root = document.querySelector('.orc-widget')?.shadowRoot;
  if (!root) {
    throw new Error('The widget has no shadow root.');
  }
  return root;
}

test('the widget draws its output, follows it, and leaves nothing behind', () => {
  const model = new Model(TASK);
  const clean = render({ model, el: document.body });
  expect(shadow().querySelector('.orc-task')?.getAttribute('data-state')).toBe('RUNNING');
  expect(shadow().querySelector('style')?.textContent).not.toBe('');

  model.set({ ...TASK, task: task({ state: 'COMPLETED' }), live: false });
  expect(shadow().querySelector('.orc-task')?.getAttribute('data-state')).toBe('COMPLETED');

  clean();
  expect(document.body.childElementCount).toBe(0);
  expect(model.listeners.size).toBe(0);
});

test('another view takes the place of the first, and what is no output draws nothing', () => {
  const model = new Model({});
  const clean = render({ model, el: document.body });
  expect(shadow().querySelector('.orc-task, .orc-flow')).toBeNull();

  model.set(TASK);
  model.set({ version: 1, view: 'flow', run: run(), tasks: [task()], edges: [], live: true });

  expect(shadow().querySelectorAll('.orc-flow')).toHaveLength(1);
  expect(shadow().querySelectorAll('.orc-nodes > li')).toHaveLength(1);
  clean();
});

test.each([
  ['JupyterLab, light', { 'data-jp-theme-light': 'true' }, false],
  ['JupyterLab, dark', { 'data-jp-theme-light': 'false' }, true],
  ['VS Code, dark', { 'data-vscode-theme-kind': 'vscode-dark' }, true],
  ['VS Code, high contrast', { 'data-vscode-theme-kind': 'vscode-high-contrast' }, true],
  ['VS Code, light', { 'data-vscode-theme-kind': 'vscode-light' }, false],
  ['a plain page', {}, false]
])('the theme of %s is found', (_, attributes, expected) => {
  const page = document.implementation.createHTMLDocument();
  Object.entries(attributes).forEach(([name, value]) => page.body.setAttribute(name, value));

  expect(isDark(page)).toBe(expected);
});

test('the theme of Colab is found', () => {
  const page = document.implementation.createHTMLDocument();
  page.documentElement.setAttribute('theme', 'dark');

  expect(isDark(page)).toBe(true);
});
