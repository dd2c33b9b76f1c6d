/** What who looks at a page may do there, so that no button stands where it would only be refused. */

import type { ITexts } from '../drawing/translation';
import { readFields, readTextOrNull } from '../schemas';

/** The roles, each of which may do what those before it may. */
const ROLES = ['viewer', 'runner', 'author', 'admin'] as const;

/** A role. */
export type Role = (typeof ROLES)[number];

/** Who looks. */
export interface IIdentity {
  readonly role: Role;
  /** Whether who is no admin sees, and changes, only what is theirs. */
  readonly isOwnersOnly: boolean;
}

/** What something takes. */
export interface INeed {
  readonly role: Role;
  /** Whether it acts on what is everybody's: where things have owners, that is for admins. */
  readonly isForAll?: boolean;
}

/** Read who looks; of an answer that says no role, nothing may be done. */
export function readIdentity(data: unknown): IIdentity {
  const fields = readFields(data);
  const said = readTextOrNull(fields?.role);
  return {
    role: ROLES.find(role => role === said) ?? 'viewer',
    isOwnersOnly: fields?.is_owners_only === true
  };
}

/** Give the role that something takes. */
export function roleFor(need: INeed, identity: IIdentity): Role {
  return need.isForAll === true && identity.isOwnersOnly ? 'admin' : need.role;
}

/** Tell whether something may be done. */
export function mayDo(need: INeed, identity: IIdentity): boolean {
  return ROLES.indexOf(identity.role) >= ROLES.indexOf(roleFor(need, identity));
}

/** What would be done, by its label, and what it takes. */
export type Deed = readonly [string, INeed];

/** Say what of all that could be done here may not be, and which role it takes; empty where all may be. */
export function refusedWords(deeds: readonly Deed[], identity: IIdentity, texts: ITexts): string {
  const refused = deeds.filter(([, need]) => !mayDo(need, identity));
  const words = ROLES.flatMap(role => {
    const labels = refused
      .filter(([, need]) => roleFor(need, identity) === role)
      .map(([label]) => label.replace(/…$/, ''));
    const all = [...new Set(labels)].join(', ');
    return labels.length === 0 ? [] : [texts.__('%1: takes the role %2.', all, role)];
  });
  return words.length === 0
    ? ''
    : [texts.__('Your role here is %1.', identity.role), ...words].join(' ');
}
