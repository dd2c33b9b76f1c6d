/** The automations: what each waits for and does, what it did, and whether it acts. */

import { html, showText } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import type { INeed } from '../access';
import { ask, errorText } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { editAutomation } from './automationDialog';
import { ListPage } from './listPage';
import { ListTable, agoNode, twoLines, withCommand } from './listTable';
import type { IDone, INews } from './listTable';

const NEED: INeed = { role: 'author', isForAll: true };
/** So many firings are shown. */
const LAST_FIRINGS = 10;

/** One time that an automation fired. */
export interface IFiring {
  readonly number: number;
  readonly at: string;
  readonly about: string;
  readonly run_id: string | null;
  readonly state: string;
  /** Why nothing was done. */
  readonly message: string;
  /** What came of each of its actions. */
  readonly outcomes: readonly string[];
}

/** An automation. */
export interface IAutomation {
  readonly name: string;
  readonly isActive: boolean;
  readonly when: string;
  readonly condition: string;
  readonly does: string;
  /** Why it cannot look where it watches; empty where it can. */
  readonly problem: string;
  readonly last: IFiring | null;
}

/** Shows them. */
export class AutomationsPage extends ListPage {
  constructor(private readonly _context: IPageContext) {
    const { texts, pagesApi } = _context;
    super(texts.__('Automations'), texts.__('When something happens, something is done.'));
    const list: ListTable<IAutomation> = new ListTable<IAutomation>(_context, {
      label: texts.__('Automations'),
      columns: [
        { label: texts.__('Name'), kind: 'name', show: automation => automation.name },
        {
          label: texts.__('State'),
          show: ({ isActive, problem }) =>
            twoLines(isActive ? texts.__('Active') : texts.__('Paused'), problem)
        },
        {
          label: texts.__('When'),
          show: ({ when, condition }) =>
            twoLines(when, condition === '' ? '' : texts.__('if %1', condition))
        },
        { label: texts.__('Does'), show: automation => automation.does },
        {
          label: texts.__('Last fired'),
          kind: 'long',
          show: automation => this._lastNode(automation)
        }
      ],
      making: {
        label: texts.__('New automation…'),
        need: NEED,
        act: () => this._make()
      },
      actions: [
        {
          label: texts.__('Change…'),
          name: automation => texts.__('Change… %1', automation.name),
          need: NEED,
          act: automation => this._change(automation, list)
        },
        {
          label: texts.__('Pause'),
          name: automation => texts.__('Pause %1', automation.name),
          need: NEED,
          isOffered: automation => automation.isActive,
          act: automation => this._set(automation, 'pause')
        },
        {
          label: texts.__('Resume'),
          name: automation => texts.__('Resume %1', automation.name),
          need: NEED,
          isOffered: automation => !automation.isActive,
          act: automation => this._set(automation, 'resume')
        },
        {
          label: texts.__('Delete…'),
          name: automation => texts.__('Delete… %1', automation.name),
          need: NEED,
          act: automation => this._delete(automation)
        }
      ],
      key: automation => automation.name,
      read: async (_, after) => {
        const fields = readFields(await pagesApi.call('GET', ['automations'], { after }));
        return {
          rows: readList(fields?.automations, readAutomation),
          next: readTextOrNull(fields?.next)
        };
      },
      empty: () =>
        withCommand(
          texts.__('No automations yet. Make one here, or in a terminal: %1', '%1'),
          'orchestra automations create -f orchestra.yaml'
        )
    });
    this.add(list);
  }

  private async _make(): Promise<INews | null> {
    const kept = await editAutomation(this._context, null);
    const { texts } = this._context;
    return kept && { news: texts.__('Automation %1 is made.', kept.name), warnings: kept.warnings };
  }

  private async _change(
    automation: IAutomation,
    list: ListTable<IAutomation>
  ): Promise<IDone<IAutomation> | null> {
    const kept = await editAutomation(this._context, automation.name);
    if (kept !== null) {
      await list.read(); // only the list says in words what it waits for
      const news = this._context.texts.__('Automation %1 is changed.', kept.name);
      list.tell({ news, warnings: kept.warnings });
    }
    return null;
  }

  private async _delete(automation: IAutomation): Promise<IDone<IAutomation> | null> {
    const { pagesApi, texts } = this._context;
    const { name } = automation;
    const isDone = await ask(
      {
        title: texts.__('Delete automation %1?', name),
        body: [html('p', {}, texts.__('What it did is forgotten, too; what it started stays.'))],
        act: texts.__('Delete'),
        leave: texts.__('Keep'),
        onAct: async () => {
          await pagesApi.call('DELETE', ['automations', name]);
          return true;
        }
      },
      texts
    );
    return isDone ? { row: null, news: texts.__('Automation %1 is deleted.', name) } : null;
  }

  private async _set(
    automation: IAutomation,
    what: 'pause' | 'resume'
  ): Promise<IDone<IAutomation>> {
    const { pagesApi, texts } = this._context;
    const fields = readFields(await pagesApi.call('POST', ['automations', automation.name, what]));
    const row = { ...automation, isActive: fields?.is_active === true };
    return {
      row,
      news: row.isActive
        ? texts.__('Automation %1 acts again.', row.name)
        : texts.__('Automation %1 is paused: it does nothing.', row.name)
    };
  }

  /** Show the last firing; those before it are read when they are wanted. */
  private _lastNode(automation: IAutomation): Node | string {
    const { texts } = this._context;
    if (automation.last === null) {
      return texts.__('Never');
    }
    const list = html('ul', { class: 'orc-firings' });
    const problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
    const details = html('details', {}, html('summary', {}, texts.__('Its last firings')));
    details.append(problem, list);
    details.addEventListener('toggle', () => {
      if (details.open) {
        void this._showFirings(automation.name, list, problem);
      }
    });
    return twoLines(firingNode(automation.last, this._context), details);
  }

  private async _showFirings(name: string, list: HTMLElement, problem: HTMLElement): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const path = ['automations', name, 'firings'];
      const fields = readFields(await pagesApi.call('GET', path, { limit: LAST_FIRINGS }));
      const firings = readList(fields?.firings, readFiring);
      list.replaceChildren(
        ...firings.map(firing => html('li', {}, firingNode(firing, this._context)))
      );
      showText(problem, '');
    } catch (error) {
      showText(problem, errorText(error, texts));
    }
  }
}

function firingNode(firing: IFiring, context: IPageContext): Node {
  const { texts } = context;
  const line = html('span', {}, `${firingWord(firing.state, texts)} `);
  line.append(agoNode(context, firing.at), `: ${firing.about}`);
  if (firing.run_id !== null) {
    const link = pageLink(html('a', {}, texts.__('its run')), context, ['runs', firing.run_id]);
    line.append(' (', link, ')');
  }
  return twoLines(line, [firing.message, ...firing.outcomes].filter(Boolean).join('\n'));
}

function firingWord(state: string, texts: ITexts): string {
  const words: Readonly<Record<string, string>> = {
    PENDING: texts.__('Under way'),
    DONE: texts.__('Done'),
    FAILED: texts.__('Failed'),
    REFUSED: texts.__('Not done')
  };
  return words[state] ?? state;
}

function readAutomation(data: unknown): IAutomation | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  if (fields === null || name === null) {
    return null;
  }
  const text = (field: unknown): string => readTextOrNull(field) ?? '';
  return {
    name,
    isActive: fields.is_active === true,
    when: text(fields.when),
    condition: text(fields.condition),
    does: text(fields.do),
    problem: text(fields.problem),
    last: readFiring(fields.last_firing)
  };
}

function readFiring(data: unknown): IFiring | null {
  const fields = readFields(data);
  const number = readNumber(fields?.number);
  const at = readTextOrNull(fields?.at);
  if (fields === null || number === null || at === null) {
    return null;
  }
  const outcome = (action: unknown): string | null => readTextOrNull(readFields(action)?.outcome);
  return {
    number,
    at,
    about: readTextOrNull(fields.about) ?? '',
    run_id: readTextOrNull(fields.run_id),
    state: readTextOrNull(fields.state) ?? '',
    message: readTextOrNull(fields.message) ?? '',
    outcomes: readList(fields.actions, outcome)
  };
}
