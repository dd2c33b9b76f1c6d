import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError, NoAnswer } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import type { IFormBody } from '../src/form/formDialog';
import { RunDialog } from '../src/runDialog';

// These bring the user interface of JupyterLab, which does not load here; the dialog is seen in the browser's tests.
jest.mock('@lumino/widgets', () => ({
  Widget: class {
    readonly node = document.createElement('div');
    addClass(): void {}
  }
}));
const bodies: IFormBody<unknown>[] = [];
jest.mock('../src/form/formDialog', () => ({
  FormDialog: class {
    constructor({ body }: { body: IFormBody<unknown> }) {
      bodies.push(body);
    }
    addClass(): void {}
  }
}));

function open(): IFormBody<unknown> {
  new RunDialog({
    notebook: 'sales.ipynb',
    parameters: {
      path: '/sales.ipynb',
      isDeclared: true,
      problem: '',
      fields: [],
      takesOthers: false
    },
    earlier: [],
    notice: null,
    trans: englishTexts as TranslationBundle,
    start: async () => undefined
  });
  return bodies[bodies.length - 1];
}

beforeAll(() => {
  // jsdom has no layout
  Element.prototype.scrollIntoView = () => undefined;
});

test.each([
  [new NoAnswer(new TypeError('Failed to fetch')), 'The server did not answer. Is it still there?'],
  [new ApiError('It is locked.', 423, 'locked'), 'It is locked.']
])('why a run could not start is told in the dialog: %#', (error, said) => {
  const body = open();

  body.showError(error);

  expect(body.node.querySelector('.orc-run-problem')?.textContent).toBe(said);
});
