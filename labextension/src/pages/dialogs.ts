/** Dialogs of pages: the browser's own, so that the focus stays inside, Escape closes, and the rest cannot be reached. */

import { ApiError } from '../apiError';
import { html, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { errorText } from '../errorText';
import { warningList } from './warningList';

export { errorText };

/** What a dialog asks. */
export interface IQuestion {
  readonly title: string;
  readonly body: readonly (Node | string)[];
  /** The label of the button that does it; null where nothing can be done. */
  readonly act: string | null;
  /** The label of the button that does not; empty where there is nothing to decide. */
  readonly leave: string;
  /**
   * Do it; what it throws is shown, and the dialog stays open. False where what was filled in is wrong.
   *
   * `isWarned` tells whether the server's warnings of what stands in the dialog were shown, and it is to be done anyway.
   */
  readonly onAct: (isWarned: boolean) => Promise<boolean>;
  /** The label of the button that does it in spite of warnings; none, where the server is not asked to refuse them. */
  readonly actAnyway?: string;
  /** Show what `onAct` threw at its place; false to have it shown above the buttons. */
  readonly onError?: (error: unknown) => boolean;
  /**
   * Whether something was written that would be lost: it is asked then before the dialog is left. By default whether
   * another text, or another tick, stands in it than at first.
   */
  readonly hasWritten?: () => boolean;
  /** Aborted when the page that asks goes: nothing is asked then, and a dialog that is open goes, too. */
  readonly gone?: AbortSignal;
}

/** The code of the error when something may be wrong, and it is to be decided about that first. */
const WARNINGS_REFUSED = 'warnings_refused';

let dialogs = 0;

/** Ask; true when it was done. */
export function ask(question: IQuestion, texts: ITexts): Promise<boolean> {
  if (question.gone?.aborted === true) {
    return Promise.resolve(false);
  }
  dialogs += 1;
  const id = `orc-dialog-${dialogs}`;
  const problem = html('p', { class: 'orc-problem', role: 'alert' });
  showText(problem, '');
  const warnings = html('div', { role: 'status' });
  const leave = html('button', { type: 'button', class: 'orc-push' }, question.leave);
  leave.hidden = question.leave === '';
  const act = html(
    'button',
    { type: 'submit', class: 'orc-push orc-push-main' },
    question.act ?? ''
  );
  act.hidden = question.act === null;
  const form = html(
    'form',
    { method: 'dialog', novalidate: true },
    html('h2', { id }, question.title),
    html('div', { class: 'orc-dialog-body' }, ...question.body),
    problem,
    warnings,
    html('div', { class: 'orc-dialog-buttons' }, leave, act)
  );
  const dialog = html('dialog', { class: 'orc-dialog', 'aria-labelledby': id }, form);
  document.body.append(dialog);
  return new Promise(resolve => {
    let isBusy = false;
    let isDone = false;
    let first = '';
    let warnedOf: string | null = null;
    const warn = (messages: readonly string[], of: string | null): void => {
      warnedOf = of;
      warnings.replaceChildren(...(of === null ? [] : [warningList(messages, texts)]));
      // what was written while they were on their way they say nothing of
      const isOfThis = of !== null && of === filledIn(form, 'all');
      showText(act, (isOfThis ? question.actAnyway : question.act) ?? '');
    };
    form.addEventListener('input', () => warnedOf !== null && warn([], null));
    const run = async (): Promise<void> => {
      const sent = filledIn(form, 'all');
      isBusy = true;
      act.disabled = true;
      leave.disabled = true;
      showText(problem, '');
      try {
        isDone = await question.onAct(warnedOf === sent);
        if (isDone) {
          dialog.close();
        }
      } catch (error) {
        if (error instanceof ApiError && error.code === WARNINGS_REFUSED) {
          warn(error.message.split('\n'), sent);
        } else {
          warn([], null); // it is asked anew of what is mended
          if (!(question.onError?.(error) ?? false)) {
            showText(problem, errorText(error, texts));
          }
        }
      } finally {
        isBusy = false;
        act.disabled = false;
        leave.disabled = false;
        if (dialog.open && !dialog.contains(document.activeElement)) {
          act.focus(); // the browser took it when the button could not be pressed
        }
      }
    };
    form.addEventListener('submit', event => {
      event.preventDefault();
      if (!isBusy) {
        void run();
      }
    });
    const leaveAfterAsking = async (): Promise<void> => {
      if (await askToThrowAway(texts)) {
        dialog.close();
      }
    };
    const onLeave = (event: Event): void => {
      if (isBusy) {
        event.preventDefault(); // what comes of it may be shown only once
      } else if (question.hasWritten?.() ?? filledIn(form, 'written') !== first) {
        event.preventDefault();
        void leaveAfterAsking();
      } else if (event.type === 'click') {
        dialog.close();
      }
    };
    leave.addEventListener('click', onLeave);
    dialog.addEventListener('cancel', onLeave);
    dialog.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        onLeave(event); // browsers do not let a second `cancel` in a row be prevented
      }
    });
    const drop = (): void => dialog.close();
    question.gone?.addEventListener('abort', drop);
    // its `close` comes later than what is pressed next, which whoever asked would still take for a second press
    const closing = new MutationObserver(() => {
      if (dialog.open) {
        return;
      }
      if (isBusy && !isDone && question.gone?.aborted !== true) {
        dialog.showModal(); // browsers have gestures that no `cancel` can prevent
        return;
      }
      closing.disconnect();
      question.gone?.removeEventListener('abort', drop);
      dialog.remove();
      resolve(isDone);
    });
    dialog.showModal();
    closing.observe(dialog, { attributeFilter: ['open'] });
    first = filledIn(form, 'written');
  });
}

/** Give what stands in the fields, to be compared; of those that are written or ticked, or of the choices, too. */
function filledIn(form: HTMLFormElement, which: 'all' | 'written'): string {
  const written = [...form.querySelectorAll<HTMLInputElement>('input, textarea')];
  const chosen = [...form.querySelectorAll('select')].map(({ value }) => value);
  const texts = written.map(({ checked, value }) => [checked, value]);
  return JSON.stringify(which === 'all' ? [texts, chosen] : texts);
}

/** Ask whether what was written may be lost; true where it may. */
export function askToThrowAway(texts: ITexts): Promise<boolean> {
  return ask(
    {
      title: texts.__('Throw away what you have written?'),
      body: [],
      act: texts.__('Throw it away'),
      leave: texts.__('Keep it'),
      onAct: async () => true
    },
    texts
  );
}
