/** Questions to the kernel that made the widget, and its answers, as messages of the widget's model. */

import type { ITexts } from '../drawing/translation';
import { readFields, readTextOrNull } from '../schemas';
import type { IWidgetModel } from './widgetModel';

/** Milliseconds after which a question counts as not answered: the kernel is busy, or gone. */
const PATIENCE = 10_000;

/** A live run's kernel says every ten seconds that it is there; after so many milliseconds without a word it is not. */
const SILENCE = 25_000;

interface IPending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Asks the kernel. */
export class KernelCalls {
  constructor(
    private readonly _model: IWidgetModel,
    private readonly _texts: ITexts
  ) {
    _model.on('msg:custom', this._onMessage);
    _model.on('change:output', this._onHeard);
  }

  /**
   * Ask something, with what belongs to the question.
   *
   * @throws Error - with what the kernel says is wrong, or that it says nothing
   */
  ask(what: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = `${this._name}-${++this._number}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this._pending.delete(id);
        reject(new Error(this._texts.__('The kernel does not answer: it is busy, or gone.')));
      }, PATIENCE);
      this._pending.set(id, { resolve, reject, timer });
      try {
        this._model.send({ ...fields, orchestra: 'ask', id, ask: what });
      } catch {
        // the front end has closed the channel with the kernel
        this._settle(id)?.reject(new Error(this._texts.__('The kernel is gone.')));
      }
    });
  }

  /** When the kernel was heard last, in milliseconds since the epoch. */
  get heardAt(): number {
    return this._heardAt;
  }

  /** Whether a kernel with a live run would have been heard by now. */
  get isSilent(): boolean {
    return Date.now() - this._heardAt > SILENCE;
  }

  dispose(): void {
    this._model.off('msg:custom', this._onMessage);
    this._model.off('change:output', this._onHeard);
    this._pending.forEach(({ timer }) => clearTimeout(timer));
    this._pending.clear();
  }

  private _settle(id: string): IPending | undefined {
    const pending = this._pending.get(id);
    this._pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  private readonly _onHeard = (): void => {
    this._heardAt = Date.now();
  };

  private readonly _onMessage = (content?: unknown): void => {
    const fields = readFields(content);
    if (fields?.orchestra === undefined) {
      return;
    }
    this._onHeard();
    const pending = fields.orchestra === 'answer' ? this._settle(String(fields.id)) : undefined;
    const error = readTextOrNull(fields.error);
    if (error !== null) {
      pending?.reject(new Error(error));
    } else {
      pending?.resolve(fields.answer);
    }
  };

  /** Several pages may show one widget, and all of them hear the answers. */
  private readonly _name = Math.random().toString(36).slice(2);
  private _number = 0;
  private _heardAt = Date.now();
  private readonly _pending = new Map<string, IPending>();
}
