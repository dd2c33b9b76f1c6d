import { namesakes, shortPaths } from '../src/pages/namesakes';

test.each([
  [['/a/report.ipynb'], ['report.ipynb']],
  [
    ['/a/x/report.ipynb', '/a/y/report.ipynb'],
    ['x/report.ipynb', 'y/report.ipynb']
  ],
  [
    ['/a/x/b/report.ipynb', '/a/y/b/report.ipynb', '/c.ipynb'],
    ['x/b/report.ipynb', 'y/b/report.ipynb', 'c.ipynb']
  ],
  [
    ['/report.ipynb', '/a/report.ipynb'],
    ['report.ipynb', 'a/report.ipynb']
  ],
  [
    ['C:\\x\\report.ipynb', 'C:\\y\\report.ipynb'],
    ['x/report.ipynb', 'y/report.ipynb']
  ]
])('%j are told apart by %j', (paths, expected) => {
  const short = shortPaths(paths);

  expect(paths.map(path => short.get(path))).toEqual(expected);
});

test('only runs of flows that several notebooks are called are named by their notebook', () => {
  const run = (id: string, flow: string, path: string | null) => ({
    run_id: id,
    flow_name: flow,
    notebook_path: path
  });
  const found = namesakes([
    run('1', 'report', '/x/report.ipynb'),
    run('2', 'report', '/y/report.ipynb'),
    run('3', 'train', '/x/train.ipynb'),
    run('4', 'train', '/x/train.ipynb'),
    run('5', 'etl', null),
    run('6', 'etl', '/x/etl.ipynb')
  ]);

  expect([...found]).toEqual([
    ['1', 'x/report.ipynb'],
    ['2', 'y/report.ipynb'],
    ['6', 'etl.ipynb']
  ]);
});

test('each of many paths is taken apart once, however many there are', () => {
  const paths = Array.from({ length: 1000 }, (_, at) => `/srv/${at}/reports/sales.ipynb`);
  const split = jest.spyOn(String.prototype, 'split');

  const short = shortPaths(paths);
  const count = split.mock.calls.length;

  expect(count).toBe(1000);
  expect(short.get(paths[7])).toBe('7/reports/sales.ipynb');
});
