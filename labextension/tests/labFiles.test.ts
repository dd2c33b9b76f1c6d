import { firstFile } from '../src/labFiles';

/** Fails as JupyterLab's contents do: with a response, or with none where nobody answered. */
function contents(
  found: Readonly<Record<string, number | 'away'>>
): Parameters<typeof firstFile>[0] {
  return {
    get: async path => {
      const status = found[path] ?? 404;
      if (status === 'away') {
        throw new TypeError('Failed to fetch');
      }
      if (status !== 200) {
        throw Object.assign(new Error('no'), { response: { status } });
      }
      return {} as never;
    }
  };
}

test.each([
  [{ b: 200 }, 'b'],
  [{ a: 200, b: 200 }, 'a'],
  [{}, null]
])('of the files %p the first is %p', async (found, path) => {
  expect(await firstFile(contents(found), ['a', 'b'])).toBe(path);
});

test.each<[Parameters<typeof contents>[0]]>([[{ a: 503, b: 200 }], [{ a: 'away' }]])(
  'a file of which nobody tells whether it is there is not passed over: %p',
  async found => {
    await expect(firstFile(contents(found), ['a', 'b'])).rejects.toThrow();
  }
);
