/** Who is told of the runs of a deployment: rules of notifications, of which the dialog keeps one for a deployment. */

import { readFields, readList, readTextOrNull } from '../schemas';
import { freeName } from './composition';

/** A rule of notifications, as far as it matters here. */
export interface INotificationRule {
  readonly name: string;
  readonly channels: readonly string[];
  /** Of which deployments it tells, `*` stands for anything; empty for all. */
  readonly deployments: readonly string[];
  /** Whether it says no more than these: it tells of changes of health, in the usual words. */
  readonly isPlain: boolean;
}

/** What is to be told of a deployment; null for nobody. */
export interface INotifyRequest {
  readonly channel: string | null;
  /** The rule that the dialog has for it; null where there is none yet. */
  readonly rule: INotificationRule | null;
  /** The names that rules have. */
  readonly taken: readonly string[];
}

const PLAIN = ['name', 'channels', 'deployments'];

/** Read a rule; null when it is none. */
export function readNotificationRule(data: unknown): INotificationRule | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  return fields === null || name === null
    ? null
    : {
        name,
        channels: readList(fields.channels, readTextOrNull),
        deployments: readList(fields.deployments, readTextOrNull),
        isPlain: Object.keys(fields).every(key => PLAIN.includes(key))
      };
}

/** Give the rule of which the dialog can say all that it says; null where there is none. */
export function ownRule(
  rules: readonly INotificationRule[],
  deployment: string
): INotificationRule | null {
  const isOwn = (rule: INotificationRule): boolean =>
    rule.isPlain &&
    rule.channels.length === 1 &&
    rule.deployments.length === 1 &&
    rule.deployments[0] === deployment;
  return rules.find(isOwn) ?? null;
}

/** Give the names of the other rules that tell of a deployment, or of all. */
export function otherRules(
  rules: readonly INotificationRule[],
  deployment: string | null
): readonly string[] {
  const own = deployment === null ? null : ownRule(rules, deployment);
  const isOfAll = (rule: INotificationRule): boolean =>
    (rule.isPlain && rule.deployments.length === 0) || rule.deployments.includes('*');
  return rules
    .filter(rule => rule !== own)
    .filter(rule => isOfAll(rule) || (deployment !== null && rule.deployments.includes(deployment)))
    .map(rule => rule.name);
}

/** What changes rules. */
export interface IRuleChanges {
  /** The rule that goes; null for none. */
  readonly removed: string | null;
  /** The rule that comes then; null for none. */
  readonly added: INotificationRule | null;
}

/** Give what has the channel told of a deployment. */
export function ruleChanges(deployment: string, request: INotifyRequest): IRuleChanges {
  const { channel, rule, taken } = request;
  if (channel === (rule?.channels[0] ?? null)) {
    return { removed: null, added: null };
  }
  return {
    removed: rule?.name ?? null,
    added:
      channel === null
        ? null
        : {
            name: rule?.name ?? freeName(deployment, taken),
            channels: [channel],
            deployments: [deployment],
            isPlain: true
          }
  };
}
