/** Of foreign HTML the text of its tables comes into the page, and nothing else. */

import { foreignTables } from '../src/drawing/foreignTables';
import { englishTexts } from '../src/drawing/translation';

/** As pandas writes a grouped frame. */
const FRAME = `
<div>
<style scoped>.dataframe tbody tr th { vertical-align: top; }</style>
<table border="1" class="dataframe">
  <thead>
    <tr><th></th><th></th><th colspan="2" halign="left">rate</th></tr>
    <tr><th></th><th></th><th>mean</th><th>max</th></tr>
    <tr><th>region</th><th>day</th><th></th><th></th></tr>
  </thead>
  <tbody>
    <tr><th rowspan="2" valign="top">EU</th><th>Mon</th><td>1.5</td><td>-2,000</td></tr>
    <tr><th>Tue</th><td>NaN</td><td>&lt;b&gt;</td></tr>
  </tbody>
</table>
<p>2 rows × 2 columns</p>
</div>`;

function read(source: string): { rows: string[][]; words: string[] }[] {
  return foreignTables(source, englishTexts).map(node => ({
    rows: [...node.querySelectorAll('tr')].map(row => [...row.children].map(told)),
    words: [...node.querySelectorAll('p, caption')].map(one => one.textContent ?? '')
  }));
}

/** Tell what a cell is: its tag, its spans, its text. */
function told(cell: Element): string {
  const attributes = cell.getAttributeNames().map(name => `${name}=${cell.getAttribute(name)}`);
  return [cell.localName, ...attributes, cell.textContent].join(' ');
}

test('a data frame keeps its heads, its groups and its shape', () => {
  expect(read(FRAME)).toEqual([
    {
      rows: [
        ['td ', 'td ', 'th colspan=2 scope=colgroup rate'],
        ['td ', 'td ', 'th scope=col mean', 'th scope=col max'],
        ['th scope=col region', 'th scope=col day', 'td ', 'td '],
        [
          'th rowspan=2 scope=rowgroup EU',
          'th scope=row Mon',
          'td data-number= 1.5',
          'td data-number= -2,000'
        ],
        ['th scope=row Tue', 'td data-number= NaN', 'td <b>']
      ],
      words: ['2 rows × 2 columns']
    }
  ]);
});

test('nothing of foreign HTML comes into the page but the text of its tables', () => {
  const hostile = `
    <link rel=stylesheet href=//x.invalid/a.css><img src=x onerror=alert(1)>
    <p onclick=alert(2)>a <b>note</b><script>alert(3)</script></p>
    <table style="position:fixed" onmouseover=alert(4) id=x class="orc-page"><caption><a href="javascript:alert(5)">all</a></caption>
    <tr><td style="color:red" onclick=alert(6) colspan=1e9 rowspan=0><img src=x onerror=alert(7)>one<br>two
      <script>alert(8)</script><style>td{display:none}</style><svg onload=alert(9)><text>no</text></svg><template>no</template></td>
    <td><form action=//x.invalid><input name=a value=b><button>go</button></form><iframe srcdoc="<script>alert(10)</script>"></iframe>
    </td></tr></table><script>alert(11)</script>`;
  const [node] = foreignTables(hostile, englishTexts);

  const all = [...node.querySelectorAll('*')];
  const tags = new Set(all.map(one => one.localName));
  const attributes = new Set(all.flatMap(one => one.getAttributeNames()));
  expect([...tags]).toEqual(['div', 'table', 'caption', 'tbody', 'tr', 'td', 'p']);
  expect([...attributes]).toEqual(['class', 'tabindex', 'role', 'aria-label']);
  expect([...node.querySelectorAll('td')].map(cell => cell.textContent)).toEqual([
    'one\ntwo',
    'go'
  ]);
  expect(node.querySelector('caption')?.textContent).toBe('all');
  expect(node.querySelector('p')?.textContent).toBe('a note');
});

test('of a large table the first rows and columns are shown, and a word says so', () => {
  const row = `<tr>${'<td>1</td>'.repeat(60)}</tr>`;
  const head = '<thead><tr><th colspan=59>a</th><th>b</th></tr></thead>';
  const [node] = foreignTables(`<table>${head}${row.repeat(150)}</table>`, englishTexts);

  const [first, second] = node.querySelectorAll('tr');
  expect(node.querySelectorAll('tbody tr')).toHaveLength(100);
  expect([first.childElementCount, second.childElementCount]).toEqual([1, 50]);
  expect(first.firstElementChild?.getAttribute('colspan')).toBe('50');
  expect([...node.querySelectorAll('p')].map(one => one.textContent)).toEqual([
    'The first 100 of 150 rows.',
    'The first 50 of 60 columns.'
  ]);
});

test('a cell that reaches beyond what is shown ends there, and cells below keep their columns', () => {
  const source =
    '<table><tr><td rowspan=9 colspan=2>a</td><td>b</td></tr><tr><td>c</td></tr></table>';

  expect(read(source)[0].rows).toEqual([['td colspan=2 rowspan=2 a', 'td b'], ['td c']]);
});

test('a table that lays others out is passed over, and each of those is drawn', () => {
  const source =
    '<table><tr><td><table><tr><td>a</td></tr></table></td><td><table><tr><td>b</td></tr></table></td></tr></table>';

  expect(read(source).map(({ rows }) => rows)).toEqual([[['td a']], [['td b']]]);
});

test('of very many tables the first are drawn, and a word says so', () => {
  const nodes = foreignTables('<table><tr><td>a</table>'.repeat(800), englishTexts);

  expect(nodes.filter(node => node.querySelector('table') !== null)).toHaveLength(20);
  expect(nodes.slice(20).map(node => node.textContent)).toEqual(['The first 20 of 800 tables.']);
});

test('tables without a cell are passed over', () => {
  const source = `${'<table></table><table><tr></table>'.repeat(400)}<table><tr><th>a</table>`;

  expect(read(source).map(({ rows }) => rows)).toEqual([[['th scope=row a']]]);
});

test.each([
  '<p>no table</p>',
  '',
  '<table><caption>a</caption></table>',
  '<!-- <table> -->',
  '&lt;table&gt;'
])('%j has no table', source => {
  expect(foreignTables(source, englishTexts)).toEqual([]);
});

test('a cell that speaks of styles and events keeps its words', () => {
  const source =
    '<style>td { color: red }</style><table><tr><td style="x">Style, style=1 onload=2</td></tr></table>';

  expect(read(source)[0].rows).toEqual([['td Style, style=1 onload=2']]);
});

test('a long cell is cut', () => {
  const [node] = foreignTables(
    `<table><tr><td>${'a '.repeat(2_000)}</td></tr></table>`,
    englishTexts
  );

  expect(node.querySelector('td')?.textContent).toBe(`${'a '.repeat(500)}…`);
});
