import { contentsPaths } from '../src/notebookPaths';

test.each([
  ['below the root', '/home/ana/notes/a/b.ipynb', '/home/ana/notes', ['a/b.ipynb']],
  ['outside of the root', '/home/ana/notes2/b.ipynb', '/home/ana/notes', []],
  ['below a root in a home', '/home/ana/notes/b.ipynb', '~/notes', ['b.ipynb']],
  [
    'below a root in a home, with its name twice',
    '/data/notes/x/notes/b.ipynb',
    '~/notes',
    ['x/notes/b.ipynb', 'b.ipynb']
  ],
  ['outside of a root in a home', '/tmp/b.ipynb', '~/notes', []],
  ['below the root of the file system', '/tmp/b.ipynb', '/', ['tmp/b.ipynb']],
  ['on Windows', 'C:\\notes\\a\\b.ipynb', 'C:/notes', ['a/b.ipynb']]
])('a file %s', (_, file, root, expected) => {
  expect(contentsPaths(file, root)).toEqual(expected);
});
