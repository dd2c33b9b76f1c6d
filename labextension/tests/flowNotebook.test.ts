import type { TranslationBundle } from '@jupyterlab/translation';

import { englishTexts } from '../src/drawing/translation';
import { flowNotebook } from '../src/flowNotebook';

jest.mock('@jupyterlab/apputils', () => ({}));
jest.mock('../src/icon', () => ({}));

test('the notebook declares parameters, and has tasks', () => {
  const { cells, metadata, nbformat } = flowNotebook(englishTexts as TranslationBundle, {
    name: 'python3',
    display_name: 'Python 3'
  });

  expect(nbformat).toBe(4);
  expect(metadata.kernelspec).toEqual({
    name: 'python3',
    display_name: 'Python 3',
    language: 'python'
  });
  expect(
    cells.filter(cell => (cell.metadata.tags as string[])?.includes('parameters'))
  ).toHaveLength(1);
  expect(cells.filter(cell => String(cell.source).startsWith('%%task'))).toHaveLength(2);
});

test('without a kernel it is a notebook, too', () => {
  expect(flowNotebook(englishTexts as TranslationBundle, null).metadata).toEqual({});
});
