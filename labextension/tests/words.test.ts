import { catalogueTexts, localeFor } from '../src/pages/standalone/words';

const GERMAN = {
  '': { language: 'de-DE', plural_categories: { one: 0, other: 1 } },
  'Run %1 of %2': ['Von %2 der Lauf %1'],
  '%1 run': ['%1 Lauf', '%1 Läufe']
};

describe('catalogueTexts', () => {
  const texts = catalogueTexts(GERMAN);

  it('puts the values where the translation has them', () => {
    expect(texts.__('Run %1 of %2', 'calm-fox', 'etl')).toBe('Von etl der Lauf calm-fox');
  });

  it('chooses the form of the number', () => {
    expect([0, 1, 2].map(n => texts._n('%1 run', '%1 runs', n))).toEqual([
      '0 Läufe',
      '1 Lauf',
      '2 Läufe'
    ]);
  });

  it('chooses among more than two forms by the rule of the language', () => {
    const polish = catalogueTexts({
      '': { language: 'pl-PL', plural_categories: { one: 0, few: 1, many: 2 } },
      '%1 run': ['%1 a', '%1 b', '%1 c']
    });

    expect([1, 3, 5, 22].map(n => polish._n('%1 run', '%1 runs', n))).toEqual([
      '1 a',
      '3 b',
      '5 c',
      '22 b'
    ]);
  });

  it('leaves English what has no translation', () => {
    expect(texts.__('New %1', 1)).toBe('New 1');
    expect(texts._n('%1 task', '%1 tasks', 2)).toBe('2 tasks');
    expect(texts.__('constructor')).toBe('constructor');
    expect(texts.__('')).toBe('');
  });

  it.each([[null], [[]], [{}], [{ '': { language: 'de' } }]])('refuses %j', data => {
    expect(() => catalogueTexts(data)).toThrow('no catalogue');
  });
});

describe('localeFor', () => {
  it("takes the reader's variant of the language, or the language", () => {
    expect(localeFor('de-DE', ['fr', 'de-AT', 'de'])).toBe('de-AT');
    expect(localeFor('en', ['fr-FR'])).toBe('en');
  });
});
