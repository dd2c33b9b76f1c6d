import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { SHAPES, stateIcon } from '../src/drawing/icons';
import { STATE_LOOKS, isFailure, isLive, laterRecord, stateLook } from '../src/drawing/states';
import { englishTexts } from '../src/drawing/translation';
import { task } from './records';

const STATES = Object.keys(STATE_LOOKS);

test('each state has its own shape and its own word', () => {
  const shapes = STATES.map(state => JSON.stringify(SHAPES[stateLook(state).icon]));
  const words = STATES.map(state => stateLook(state).word(englishTexts));

  expect(new Set(shapes).size).toBe(STATES.length);
  expect(new Set(words).size).toBe(STATES.length);
});

test('a state that is not known is shown as not run, not as a failure or as live', () => {
  for (const state of ['', 'EXPLODED', 'constructor', '__proto__']) {
    expect(stateLook(state).word(englishTexts)).toBe('Not run');
    expect([isLive(state), isFailure(state)]).toEqual([false, false]);
  }
});

test('icons are hidden from screen readers, since the word stands beside them', () => {
  const icon = stateIcon('completed');

  expect(icon.getAttribute('aria-hidden')).toBe('true');
  expect(icon.querySelectorAll('path')).toHaveLength(1);
});

describe('of two records of one task', () => {
  test.each([
    ['an ended one', { state: 'COMPLETED' }, { state: 'RUNNING' }],
    ['the later epoch', { state: 'PENDING', epoch: 2 }, { state: 'FAILED', epoch: 1 }],
    ['the later attempt', { state: 'RUNNING', attempt: 2 }, { state: 'RETRYING', attempt: 1 }],
    ['the later state', { state: 'RUNNING' }, { state: 'PENDING' }],
    ['the cancelling one', { state: 'CANCELLING' }, { state: 'RUNNING' }]
  ])('%s is the later', (_, later, earlier) => {
    expect(laterRecord(task(later), task(earlier))).toEqual(task(later));
    expect(laterRecord(task(earlier), task(later))).toEqual(task(later));
  });

  test('the second is taken when they are equally late', () => {
    const second = task({ expected_seconds: 30 });

    expect(laterRecord(task(), second)).toBe(second);
  });

  test('a pause and its end are equally late: what was heard last is taken', () => {
    const paused = task({ state: 'PAUSED' });

    expect(laterRecord(task(), paused)).toBe(paused);
    expect(laterRecord(paused, task())).toEqual(task());
  });
});

describe('the colours of the states', () => {
  const style = readFileSync(join(__dirname, '../style/drawing.css'), 'utf8');
  const [light, dark] = style.split("[data-jp-theme-light='false']");
  const tones = [...new Set(STATES.map(state => stateLook(state).tone))];
  // JupyterLab's layout colours 0 and 1, and our own colour under the pointer.
  const backgrounds = {
    light: ['#ffffff', variable(light, 'hover')],
    dark: ['#111111', '#212121', variable(dark, 'hover')]
  };

  test.each(tones)('%s passes 4.5:1 in both themes', tone => {
    for (const background of backgrounds.light) {
      expect(contrast(variable(light, tone), background)).toBeGreaterThanOrEqual(4.5);
    }
    for (const background of backgrounds.dark) {
      expect(contrast(variable(dark, tone), background)).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('what is said in passing passes 4.5:1, and edges pass 3:1', () => {
    const pairs = [
      ...backgrounds.light.map(background => [light, background] as const),
      ...backgrounds.dark.map(background => [dark, background] as const)
    ];
    for (const [theme, background] of pairs) {
      expect(contrast(variable(theme, 'muted'), background)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(variable(theme, 'edge'), background)).toBeGreaterThanOrEqual(3);
    }
  });
});

function variable(style: string, name: string): string {
  const match = new RegExp(`--orc-${name}: (#[0-9a-f]{6});`).exec(style);
  if (match === null) {
    throw new Error(`There is no colour --orc-${name}.`);
  }
  return match[1];
}

/** WCAG 2.2, "contrast ratio". */
function contrast(first: string, second: string): number {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map(at => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
