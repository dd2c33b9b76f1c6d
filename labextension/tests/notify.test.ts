import { otherRules, ownRule, readNotificationRule, ruleChanges } from '../src/schedule/notify';
import type { INotificationRule } from '../src/schedule/notify';

function rule(name: string, deployments: string[], more: object = {}): INotificationRule {
  const read = readNotificationRule({ name, channels: ['chat'], deployments, ...more });
  if (read === null) {
    throw new Error('not read');
  }
  return read;
}

const RULES = [
  rule('all', []),
  rule('failures', ['sales'], { occasion: 'failure' }),
  rule('own', ['sales']),
  rule('everything', ['*', 'other'], { title: 'x' }),
  rule('flows', [], { flow_names: ['train'] })
];

test('a rule is the own one of a deployment where the dialog can say all that it says', () => {
  expect(ownRule(RULES, 'sales')?.name).toBe('own');
  expect(ownRule(RULES, 'other')).toBeNull();
  expect(otherRules(RULES, 'sales')).toEqual(['all', 'failures', 'everything']);
  expect(otherRules(RULES, null)).toEqual(['all', 'everything']);
  expect(readNotificationRule({ channels: [] })).toBeNull();
});

test('a channel is told by a rule that is made, given another channel, or deleted', () => {
  const own = ownRule(RULES, 'sales');
  const taken = ['sales'];

  expect(ruleChanges('sales', { channel: 'chat', rule: null, taken })).toMatchObject({
    removed: null,
    added: { name: 'sales-2', channels: ['chat'], deployments: ['sales'] }
  });
  expect(ruleChanges('sales', { channel: 'mail', rule: own, taken })).toMatchObject({
    removed: 'own',
    added: { name: 'own', channels: ['mail'] }
  });
  expect(ruleChanges('sales', { channel: null, rule: own, taken })).toEqual({
    removed: 'own',
    added: null
  });
  const unchanged = { removed: null, added: null };
  expect(ruleChanges('sales', { channel: 'chat', rule: own, taken })).toEqual(unchanged);
  expect(ruleChanges('sales', { channel: null, rule: null, taken })).toEqual(unchanged);
});
