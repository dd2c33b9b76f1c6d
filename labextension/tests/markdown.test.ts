/** Markdown becomes structure, and nothing in it becomes HTML. */

import { markdown } from '../src/drawing/markdown';
import { englishTexts } from '../src/drawing/translation';

const OPTIONS = { texts: englishTexts, top: 3, keepsLines: false } as const;

function drawn(text: string, keepsLines = false): string {
  return markdown(text, { ...OPTIONS, keepsLines }).innerHTML;
}

/** Give way, so that jest ends a test that took too long. */
function turn(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve));
}

describe('markdown', () => {
  it.each([
    ['# Sales', '<h3 data-level="1">Sales</h3>'],
    ['### Third ###', '<h5 data-level="3">Third</h5>'],
    ['# C# ', '<h3 data-level="1">C#</h3>'],
    ['## ##', '<h4 data-level="2"></h4>'],
    ['#1', '<p>#1</p>'],
    ['~~~ `x`\n*a*\n~~~', '<pre tabindex="0"><code>*a*</code></pre>'],
    ['- a\u2028b', '<ul><li>a\u2028b</li></ul>'],
    ['Sales\n=====', '<h3 data-level="1">Sales</h3>'],
    ['one\ntwo\n\nthree', '<p>one\ntwo</p><p>three</p>'],
    ['one  \ntwo\\\nthree', '<p>one  <br>two<br>three</p>'],
    ['***', '<hr>'],
    ['> a\n> b\nc', '<blockquote><p>a\nb\nc</p></blockquote>'],
    ['```python\nx = "<b>"\n\n# no heading\n```\nafter', null],
    ['    x = 1\n    y = 2', '<pre tabindex="0"><code>x = 1\ny = 2</code></pre>']
  ])('draws %j as a block', (text, expected) => {
    expect(drawn(text)).toBe(
      expected ?? '<pre tabindex="0"><code>x = "&lt;b&gt;"\n\n# no heading</code></pre><p>after</p>'
    );
  });

  it.each([
    ['- a\n- b', '<ul><li>a</li><li>b</li></ul>'],
    ['1. a\n2. b', '<ol><li>a</li><li>b</li></ol>'],
    ['3) a\n4) b', '<ol start="3"><li>a</li><li>b</li></ol>'],
    [
      '- a\n  - b\n    - c\n- d',
      '<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>'
    ],
    ['1. a\n   1. b\n   2. c', '<ol><li>a<ol><li>b</li><li>c</li></ol></li></ol>'],
    ['- a\n\n  b\n- c', '<ul><li>a<p>b</p></li><li>c</li></ul>'],
    ['- a\ngoes on\n\nafter', '<ul><li>a\ngoes on</li></ul><p>after</p>'],
    ['- a\n+ b', '<ul><li>a</li></ul><ul><li>b</li></ul>'],
    ['in\n1986. Then', '<p>in\n1986. Then</p>']
  ])('draws %j as a list', (text, expected) => {
    expect(drawn(text)).toBe(expected);
  });

  it.each([
    [
      '*a* _b_ **c** __d__ ***e*** ~~f~~',
      '<em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em> <del>f</del>'
    ],
    ['**a *b* c**', '<strong>a <em>b</em> c</strong>'],
    ['a_b_c 2 * 3 * 4 **open', 'a_b_c 2 * 3 * 4 **open'],
    ['`*x*` ``a`b`` `open', '<code>*x*</code> <code>a`b</code> `open'],
    ['\\*a\\* &amp; &#42; &nope;', '*a* &amp; * &amp;nope;'],
    ['$a_1 * b_2$ and *c*', '$a_1 * b_2$ and <em>c</em>'],
    ['costs $5 and *more*', 'costs $5 and <em>more</em>'],
    ['$$ of 5, $a*b*c$', '$$ of 5, $a*b*c$'],
    ['![a *chart*](https://x.invalid/c.png)', '<span>a <em>chart</em></span>']
  ])('draws %j within a line', (text, expected) => {
    expect(drawn(text)).toBe(`<p>${expected}</p>`);
  });

  it('draws a line of more pieces than a call takes arguments', () => {
    const node = markdown('\\*a'.repeat(70_000), OPTIONS);

    expect(node.textContent).toBe('*a'.repeat(70_000));
  });

  it('keeps the lines of a message', () => {
    expect(drawn('one\ntwo', true)).toBe('<p>one<br>two</p>');
  });

  it('draws a table, with as many cells in each row as in its head', () => {
    const node = markdown('| a | *b* |\n|---|:-:|\n| 1 | x \\| y | z |\n| 2 |\n\nafter', OPTIONS);

    const rows = [...node.querySelectorAll('tr')].map(row =>
      [...row.children].map(cell => `${cell.localName} ${cell.innerHTML}`)
    );
    expect(rows).toEqual([
      ['th a', 'th <em>b</em>'],
      ['td 1', 'td x | y'],
      ['td 2', 'td ']
    ]);
    expect(node.lastElementChild?.textContent).toBe('after');
  });

  it('shows the first rows and columns of a large table, and says so', () => {
    const text = ['|a', '|-', ...Array<string>(100).fill('|b')].map(cell => cell.repeat(80));
    const node = markdown(`${text.join('\n')}\n|c\n|c\n\nafter`, OPTIONS);

    const rows = [...node.querySelectorAll('tr')];
    expect(rows).toHaveLength(101);
    expect(new Set(rows.map(row => row.childElementCount))).toEqual(new Set([50]));
    expect([...node.querySelectorAll('p')].map(one => one.textContent)).toEqual([
      'The first 100 of 102 rows.',
      'The first 50 of 80 columns.',
      'after'
    ]);
  });

  it.each([
    ['wide', `${'|a'.repeat(3_300)}\n${'|-'.repeat(3_300)}${'\n|'.repeat(3_300)}`],
    ['a head alone', `${'|a'.repeat(5_000)}\n${'|-'.repeat(5_000)}`],
    ['long', `|a\n|-${'\n|a'.repeat(6_600)}`]
  ])('draws no more cells than that of one that is %s', (_, text) => {
    expect(markdown(text, OPTIONS).querySelectorAll('td, th').length).toBeLessThanOrEqual(5_050);
  });

  it.each([
    ['[a](https://x.org/p_(1) "t")', 'https://x.org/p_(1)', 'a'],
    ['[https://x.org](https://y.org/d)', 'https://y.org/d', 'https://x.org'],
    ['[see *https://x.org* now](https://y.org)', 'https://y.org', 'see https://x.org now'],
    ['[<https://x.org>: ![a](b)](https://y.org)', 'https://y.org', 'https://x.org: a'],
    ['see https://x.org/a_b_c.', 'https://x.org/a_b_c', 'https://x.org/a_b_c'],
    ['<mailto:ana@x.org>', 'mailto:ana@x.org', 'mailto:ana@x.org']
  ])('leads by %j to its address alone', (text, href, label) => {
    const link = markdown(text, OPTIONS).querySelector('a');

    expect([link?.getAttribute('href'), link?.textContent]).toEqual([href, label]);
    expect(link?.closest('p')?.querySelectorAll('a')).toHaveLength(1);
    expect([link?.rel, link?.target]).toEqual(['noreferrer noopener', '_blank']);
  });

  it.each([
    '<img src=x onerror=alert(1)><script>alert(2)</script>',
    '<a href="javascript:alert(1)" style="position:fixed">x</a>',
    '[x](javascript:alert(1)) [y]( jAvAsCrIpT:alert(1)) [z](data:text/html,a) [w](//x.org)',
    '![x](javascript:alert(1)) ![y](https://x.invalid/y.png)',
    '<style>* { display: none }</style>\n\n<div onclick="alert(1)">\n\n# a\n\n</div>',
    '&lt;img src=x onerror=alert(1)&gt; &#60;script&#62;'
  ])('shows %j as text', text => {
    const node = markdown(text, OPTIONS);

    const tags = [...node.querySelectorAll('*')].map(one => one.localName);
    const attributes = [...node.querySelectorAll('*')].flatMap(one => one.getAttributeNames());
    expect(tags.filter(tag => !['p', 'span', 'h3'].includes(tag))).toEqual([]);
    expect(attributes.filter(name => name !== 'data-level')).toEqual([]);
  });

  it.each([
    ['stars', `${'*'.repeat(9_990)}a${'*'.repeat(9_990)}`],
    ['emphasis', `${'*a '.repeat(240)}${' a*'.repeat(240)}`],
    ['pictures', `${'!['.repeat(3_000)}a${'](x)'.repeat(3_000)}`],
    ['emphasis and pictures', `${'*!['.repeat(300)}a${'](x)*'.repeat(300)}`]
  ])('draws %s around each other to no great depth', async (_, text) => {
    const node = markdown(text, OPTIONS);

    const depths = new Map<Element | null, number>();
    for (const one of node.querySelectorAll('*')) {
      depths.set(one, (depths.get(one.parentElement) ?? 0) + 1);
    }
    expect(Math.max(...depths.values())).toBeLessThanOrEqual(60);
    expect(node.textContent).toContain('a');
    await turn();
  });

  it.each([
    ['stars', '*a '.repeat(6_000)],
    ['closing stars', 'a* '.repeat(6_000)],
    ['brackets', '[a'.repeat(10_000)],
    ['brackets that close', `${'[a'.repeat(6_000)}${']'.repeat(6_000)}`],
    ['code', '`a'.repeat(9_000)],
    ['formulas', '$a '.repeat(6_000)],
    ['quotations', `${'>'.repeat(19_000)}a`],
    ['lists', Array.from({ length: 190 }, (_, at) => `${' '.repeat(at)}- a`).join('\n')],
    ['blank lines', `- a${'\n'.repeat(19_000)}`],
    ['blanks of a heading', `#${' '.repeat(19_000)}\u2028a`],
    ['blanks of a heading that go on', `# a${' '.repeat(19_000)}a`],
    ['signs of a heading', `# a${' #'.repeat(9_000)}a`],
    ['lines of a heading', `# a${' '.repeat(90)}a\n`.repeat(200)],
    ['blanks of an item', `-${' '.repeat(19_000)}\u2028a`],
    ['signs of code', `${'~'.repeat(19_000)}\``],
    ['blank lines within an item', `- a${'\n'.repeat(19_000)}    a`],
    ['blank lines and blanks', `- a${'\n'.repeat(9_000)}${' '.repeat(9_000)}a`],
    ['blanks of a divider', `|a|\n|-${' '.repeat(19_000)}a`],
    ['blanks of code', `\`${' '.repeat(19_000)}a\``],
    ['blanks of a link', `[a](${' '.repeat(19_000)}a`],
    ['blanks of links', `[a](${' '.repeat(3_900)}"a"`.repeat(5)]
  ])('keeps all that is said in very many %s', async (_, text) => {
    const letters = (one: string): number => [...one].filter(char => char === 'a').length;

    expect(letters(markdown(text, OPTIONS).textContent ?? '')).toBe(letters(text));
    await turn();
  });
});
