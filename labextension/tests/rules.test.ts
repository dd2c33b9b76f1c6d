import { englishTexts } from '../src/drawing/translation';
import { mayDo, readIdentity, refusedWords } from '../src/pages/access';
import { lineOf } from '../src/pages/lists/automationDialog';
import { ruleBody } from '../src/pages/lists/ruleDialog';
import { aboutWords, readRule, readTags, tagLines, toldWords } from '../src/pages/lists/rules';

test('who may not do something is told which role it takes', () => {
  const author = readIdentity({ role: 'author', is_owners_only: true });
  const deeds = [
    ['Test', { role: 'author' }],
    ['New channel…', { role: 'admin' }],
    ['Pause', { role: 'author', isForAll: true }]
  ] as const;

  expect(deeds.map(([, need]) => mayDo(need, author))).toEqual([true, false, false]);
  expect(refusedWords(deeds, author, englishTexts)).toBe(
    'Your role here is author. New channel, Pause: takes the role admin.'
  );
  expect(refusedWords(deeds, readIdentity({ role: 'admin' }), englishTexts)).toBe('');
  expect(readIdentity({ role: 'unheard' }).role).toBe('viewer');
});

test('a rule is told in words', () => {
  const rule = readRule({
    name: 'team',
    channels: ['chat'],
    occasion: 'failure',
    states: ['PAUSED'],
    late_seconds: 600,
    flow_names: ['train'],
    kinds: ['sweep'],
    tags: { prod: null, team: 'a=b' },
    has_child_runs: true
  });

  expect(rule).not.toBeNull();
  expect(rule && toldWords(rule, englishTexts)).toBe('each failure, Paused, late by 10 min');
  expect(rule && aboutWords(rule, englishTexts)).toBe(
    'flow train, Sweeps, tag prod, tag team=a=b, with child runs'
  );
  expect(rule && readTags(tagLines(rule.tags))).toEqual({ prod: null, team: 'a=b' });
});

test('what is filled in for a rule is sent as the server takes it', () => {
  const values = new Map([
    ['name', '"team"'],
    ['channels', '["chat"]'],
    ['late_seconds', '1.5'],
    ['flow_names', '" train \\n\\nload*"'],
    ['tags', '"prod\\nteam=data"']
  ]);

  expect(JSON.parse(ruleBody(values))).toEqual({
    channels: ['chat'],
    late_seconds: 90,
    flow_names: ['train', 'load*'],
    tags: { prod: null, team: 'data' }
  });
});

test('the line of an error is found', () => {
  expect(lineOf('automation.yaml:4: do[0]: no')).toBe(4);
  expect(lineOf('No channel.')).toBeNull();
});
