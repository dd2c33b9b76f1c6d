/** A dialog of a page with fields: what is wrong is said at its field, also what only the server knows. */

import { ApiError } from '../apiError';
import type { ITexts } from '../drawing/translation';
import type { FormValues } from '../form/form';
import { ask } from './dialogs';

/** Some of the fields. */
export interface IFormPart {
  readonly node: HTMLElement;
  read(givesFocus?: boolean): FormValues | null;
  showErrors(errors: ReadonlyMap<string, string>, givesFocus?: boolean): boolean;
}

/** What is asked. */
export interface IFormQuestion {
  readonly title: string;
  readonly parts: readonly IFormPart[];
  /** What stands in the dialog, the parts within it; the parts alone, where nothing is said. */
  readonly body?: readonly (Node | string)[];
  /** The label of the button that does it. */
  readonly act: string;
  /** The label of the button that does it in spite of warnings; see `IQuestion`. */
  readonly actAnyway?: string;
  /** Do it with what is filled in, name to JSON; what it throws is shown. */
  readonly send: (values: FormValues, isWarned: boolean) => Promise<void>;
  /** Give the field of a place of an error, a JSON pointer; its first step, where nothing is said. */
  readonly fieldAt?: (pointer: string) => string;
}

/** Ask; true when it was done. */
export function askWithForm(question: IFormQuestion, texts: ITexts): Promise<boolean> {
  const { title, parts, act, actAnyway, send } = question;
  const body = question.body ?? parts.map(part => part.node);
  return ask(
    {
      title,
      body,
      act,
      actAnyway,
      leave: texts.__('Cancel'),
      onAct: async isWarned => {
        const read = parts.map(part => part.read(false));
        if (read.some(values => values === null)) {
          showFirstWrong(parts);
          return false;
        }
        await send(new Map(read.flatMap(values => [...(values ?? [])])), isWarned);
        return true;
      },
      onError: error => {
        const places = errorPlaces(error, question.fieldAt);
        const hasField = ([name, detail]: readonly [string, string]): boolean =>
          parts.some(part => part.showErrors(new Map([[name, detail]]), false));
        const areAllShown = places.size > 0 && [...places].every(hasField);
        parts.forEach(part => part.showErrors(places, false));
        showFirstWrong(parts);
        return areAllShown;
      }
    },
    texts
  );
}

/** Give the field of each place of an error, by default the first step to it, with what is wrong there. */
export function errorPlaces(error: unknown, fieldAt = firstStep): ReadonlyMap<string, string> {
  if (!(error instanceof ApiError)) {
    return new Map();
  }
  if (error.code === 'name_taken') {
    return new Map([['name', error.message]]);
  }
  const places = [...error.errors].map(([pointer, detail]) => [fieldAt(pointer), detail] as const);
  return new Map(places.reverse()); // of several at one field the first is said
}

function firstStep(pointer: string): string {
  return pointer.replace(/^#?\//, '').split('/')[0];
}

function showFirstWrong(parts: readonly IFormPart[]): void {
  for (const { node } of parts) {
    const wrong = node.querySelector<HTMLElement>('[aria-invalid="true"]');
    if (wrong !== null) {
      const folded = wrong.closest('details');
      if (folded !== null) {
        folded.open = true;
      }
      wrong.focus();
      return;
    }
  }
}
