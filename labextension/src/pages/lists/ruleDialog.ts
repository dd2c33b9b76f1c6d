/** Asks what a rule of notifications says: to whom, of what, of which runs, in which words. */

import { html } from '../../drawing/elements';
import { STATE_LOOKS } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { ChoiceBoxes } from '../../form/choiceBoxes';
import { NO_BOUNDS, plainField } from '../../form/fields';
import { Form } from '../../form/form';
import type { FormValues } from '../../form/form';
import { askWithForm } from '../askWithForm';
import { kindWords, occasionWords, readTags, tagLines } from './rules';
import type { IRule } from './rules';

/** States only in what is shown: no run enters them. */
const SHOWN_STATES = ['LATE', 'CACHED'];
const MINUTE_SECONDS = 60;

/**
 * Ask for a rule; true when `send` took it.
 *
 * @param rule - the one to be changed; null for a new one
 * @param channels - names of those that there are
 * @param send - gets the name and the rest as JSON
 */
export function askForRule(
  rule: IRule | null,
  channels: readonly string[],
  texts: ITexts,
  send: (name: string, body: string) => Promise<void>
): Promise<boolean> {
  const parts = makeParts(channels, texts);
  if (rule === null) {
    parts.to.fill(channels.length === 1 ? channels : []);
  } else {
    fill(parts, rule);
  }
  const { name, to, told, states, late, about, kinds, also, words } = parts;
  const isNarrowed = rule !== null && hasFilters(rule);
  const isWorded = rule !== null && rule.title + rule.body !== '';
  return askWithForm(
    {
      title: rule === null ? texts.__('New rule') : texts.__('Change rule %1', rule.name),
      parts:
        rule === null ? Object.values(parts) : [to, told, states, late, about, kinds, also, words],
      body: [
        ...(rule === null ? [name.node] : []),
        to.node,
        told.node,
        folded(texts.__('Also at these states'), (rule?.states.length ?? 0) > 0, states.node),
        late.node,
        folded(texts.__('Of which runs'), isNarrowed, about.node, kinds.node, also.node),
        folded(texts.__('In which words'), isWorded, words.node)
      ],
      act: rule === null ? texts.__('Make the rule') : texts.__('Change'),
      send: values => {
        const chosen = rule?.name ?? nameOf(values);
        return send(chosen, ruleBody(values));
      }
    },
    texts
  );
}

/**
 * Give what is sent for the fields that are filled in; those that are not are as the server has them.
 *
 * Whether the rule is paused is not among them: somebody may have paused it while the dialog was open.
 */
export function ruleBody(values: FormValues): string {
  const said: Record<string, unknown> = {};
  for (const [field, json] of values) {
    const value: unknown = JSON.parse(json);
    if (field === 'flow_names' || field === 'deployments') {
      said[field] = linesOf(value);
    } else if (field === 'tags') {
      said.tags = readTags(linesOf(value));
    } else if (field === 'late_seconds') {
      said.late_seconds = Number(value) * MINUTE_SECONDS;
    } else if (field !== 'name') {
      said[field] = value;
    }
  }
  return JSON.stringify(said);
}

function nameOf(values: FormValues): string {
  return String(JSON.parse(values.get('name') ?? '""')).trim();
}

function linesOf(value: unknown): string[] {
  const lines = String(value).split('\n');
  return lines.map(line => line.trim()).filter(line => line !== '');
}

interface IRuleParts {
  readonly name: Form;
  readonly to: ChoiceBoxes;
  readonly told: Form;
  readonly states: ChoiceBoxes;
  readonly late: Form;
  readonly about: Form;
  readonly kinds: ChoiceBoxes;
  readonly also: Form;
  readonly words: Form;
}

function makeParts(channels: readonly string[], texts: ITexts): IRuleParts {
  const form = (...fields: Parameters<typeof plainField>[0][]): Form =>
    new Form(fields.map(plainField), texts, null);
  const states = Object.entries(STATE_LOOKS).filter(([state]) => !SHOWN_STATES.includes(state));
  const perLine = texts.__('One in each line, * stands for anything; empty for all.');
  return {
    name: form({ name: 'name', label: texts.__('Name'), kind: 'text', help: '', isRequired: true }),
    to: new ChoiceBoxes(
      {
        name: 'channels',
        label: texts.__('Channels'),
        help: channels.length === 0 ? texts.__('There is none yet: make a channel first.') : '',
        choices: channels.map(channel => [channel, channel]),
        isRequired: true
      },
      texts
    ),
    told: form({
      name: 'occasion',
      label: texts.__('Tells of'),
      kind: 'choice',
      help: '',
      initial: '"change"',
      choices: occasionWords(texts).map(([value, label]) => ({
        json: JSON.stringify(value),
        label
      }))
    }),
    states: new ChoiceBoxes(
      {
        name: 'states',
        label: texts.__('When a run enters'),
        help: '',
        choices: states.map(([state, look]) => [state, look.word(texts)])
      },
      texts
    ),
    late: form({
      name: 'late_seconds',
      label: texts.__('Also when a run is late by (minutes)'),
      kind: 'number',
      help: texts.__('Once, when it has not started so long after it was due; empty for never.'),
      bounds: { ...NO_BOUNDS, exclusiveMinimum: 0 }
    }),
    about: form(
      { name: 'flow_names', label: texts.__('Flows'), kind: 'lines', help: perLine },
      { name: 'deployments', label: texts.__('Deployments'), kind: 'lines', help: perLine },
      {
        name: 'tags',
        label: texts.__('Tags'),
        kind: 'lines',
        help: texts.__('TAG or TAG=VALUE, one in each line; a run needs all of them.')
      }
    ),
    kinds: new ChoiceBoxes(
      {
        name: 'kinds',
        label: texts.__('Kinds'),
        help: texts.__('None for all.'),
        choices: kindWords(texts)
      },
      texts
    ),
    also: form({
      name: 'has_child_runs',
      label: texts.__('Also runs that other runs started'),
      kind: 'checkbox',
      help: ''
    }),
    words: form(
      {
        name: 'title',
        label: texts.__('Title'),
        kind: 'text',
        help: texts.__(
          'A Jinja template, such as %1; empty for the usual words.',
          '{{ subject }}: {{ moment }}'
        )
      },
      {
        name: 'body',
        label: texts.__('Text'),
        kind: 'lines',
        help: texts.__('Another; what it may use is named where it is refused.')
      }
    )
  };
}

function fill(parts: IRuleParts, rule: IRule): void {
  const { lateSeconds } = rule;
  parts.to.fill(rule.channels);
  parts.told.fill({ occasion: rule.occasion });
  parts.states.fill(rule.states);
  parts.late.fill({ late_seconds: lateSeconds === null ? '' : lateSeconds / MINUTE_SECONDS });
  parts.about.fill({
    flow_names: rule.flows.join('\n'),
    deployments: rule.deployments.join('\n'),
    tags: tagLines(rule.tags).join('\n')
  });
  parts.kinds.fill(rule.kinds);
  parts.also.fill({ has_child_runs: rule.hasChildRuns });
  parts.words.fill({ title: rule.title, body: rule.body });
}

function hasFilters(rule: IRule): boolean {
  const lists = [rule.flows, rule.deployments, rule.kinds, Object.keys(rule.tags)];
  return rule.hasChildRuns || lists.some(list => list.length > 0);
}

function folded(label: string, isOpen: boolean, ...nodes: readonly Node[]): HTMLElement {
  return html(
    'details',
    { class: 'orc-form-more', open: isOpen },
    html('summary', {}, label),
    ...nodes
  );
}
