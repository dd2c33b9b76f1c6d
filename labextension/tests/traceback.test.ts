import { splitTraceback, traceback } from '../src/drawing/traceback';
import { englishTexts } from '../src/drawing/translation';

const PYTHON = `Traceback (most recent call last):
  File "<task clean>", line 2, in <module>
    frame["x"]
    ~~~~~^^^^^
  File "/env/lib/python3.11/site-packages/pandas/frame.py", line 10, in __getitem__
    indexer = self.columns.get_loc(key)
  File "/env/lib/python3.11/site-packages/pandas/base.py", line 20, in get_loc
    raise KeyError(key) from err
KeyError: 'x'`;

const IPYTHON = `KeyError                 Traceback (most recent call last)
Cell In[1], line 2
      1 import pandas
----> 2 frame["x"]

File /env/lib/python3.11/site-packages/pandas/frame.py:10, in DataFrame.__getitem__(self, key)
      9     self
---> 10     raise KeyError(key)

KeyError: 'x'`;

test.each([
  ["Python's trace", PYTHON, [0, 2, 0]],
  ["IPython's trace", IPYTHON, [0, 1, 0]],
  ['a trace of own code only', 'Traceback\n  File "<a>", line 1\nValueError', [0]],
  ['a text that is no trace', 'boom', [0]]
])('%s is split into own text and library frames', (_, text, frames) => {
  const segments = splitTraceback(text);

  expect(segments.map(segment => segment.libraryFrames)).toEqual(frames);
  expect(segments.map(segment => segment.text).join('\n')).toBe(text);
});

test("the exception's own words stay in sight", () => {
  expect(splitTraceback(PYTHON).at(-1)?.text).toBe("KeyError: 'x'");
});

test('library frames are folded, and all of it is text', () => {
  const node = traceback(PYTHON.replace("'x'", '<img src=x>'), englishTexts);

  const details = node.querySelectorAll('details');
  expect(details).toHaveLength(1);
  expect(details[0].open).toBe(false);
  expect(details[0].querySelector('summary')?.textContent).toBe('2 library frames');
  expect(node.querySelector('img')).toBeNull();
  expect(node.textContent).toContain('KeyError: <img src=x>');
});
