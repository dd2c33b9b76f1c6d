/** What a run waits for people to say, first on its page: a form for each question, and the ways on. */

import { ApiError } from '../../apiError';
import { formatMoment } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { markdownOf } from '../../drawing/markdown';
import { markdownBlocks } from '../../drawing/markdownBlocks';
import { markdownText } from '../../drawing/markdownText';
import { isLive, stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { Form } from '../../form/form';
import { answerForm } from '../../form/schemaFields';
import type { IAnswerForm } from '../../form/schemaFields';
import type { IRun } from '../../schemas';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunQuestion } from '../pagesApi';
import { askToCancel } from './cancelling';
import { RunQuestions } from './runQuestions';
import { typedRun } from './typedRun';

/** Where an answer stands in what is sent, by how it is sent. */
const PLACES = /^#\/(input|value)/;

/** Draws the open questions; hidden where there is nothing to say. What is typed stays while the run changes. */
export class QuestionsBlock {
  constructor(
    private readonly _context: IPageContext,
    runId: string
  ) {
    this._questions = new RunQuestions(_context, runId);
    this._questions.changed.connect(this._show, this);
    setAttributes(this.node, { 'aria-label': _context.texts.__('What this run waits for') });
    this.node.hidden = true;
    this.node.append(this._news, this._problem, this._open);
    showText(this._news, '');
  }

  readonly node = html('section', { class: 'orc-questions', 'data-tone': 'waiting' });

  /** Show a newer record of the run. */
  update(run: IRun): void {
    this._run = run;
    this._questions.follow(run);
    this._show();
  }

  dispose(): void {
    this._questions.dispose();
    this.node.remove();
  }

  private _show(): void {
    const run = this._run;
    if (run === null) {
      return;
    }
    const waits = isLive(run.state) && run.state !== 'CANCELLING';
    const { all, problem, isRead } = this._questions;
    const open = waits ? all.filter(question => question.answered_at === null) : [];
    this._tellOfOthers(all);
    for (const key of [...this._forms.keys()]) {
      if (!open.some(question => question.key === key)) {
        this._forms.get(key)?.node.remove();
        this._forms.delete(key);
      }
    }
    open.forEach(question => this._add(run, question));
    // one whose question was answered goes on by itself in a moment, if a process drives it
    const isPause = isRead && run.state === 'PAUSED' && (isSuspended(run) || all.length === 0);
    this._showPause(run, waits && open.length === 0 && isPause);
    showText(this._problem, waits && run.state === 'PAUSED' ? problem : '');
    this.node.hidden = [this._news, this._problem].every(node => node.hidden) && !this._hasOpen();
    setAttributes(this.node, { 'data-open': this._hasOpen() });
  }

  private _hasOpen(): boolean {
    return this._open.childElementCount > 0;
  }

  /** Say of a question that stood here who answered it elsewhere. */
  private _tellOfOthers(all: readonly IRunQuestion[]): void {
    const { texts, locale } = this._context;
    for (const { key, answered_at, answered_by } of all) {
      if (answered_at !== null && this._stood.has(key) && !this._answered.has(key)) {
        this._stood.delete(key);
        const when = formatMoment(answered_at, locale);
        const who = answered_by ?? texts.__('Somebody');
        showText(this._news, texts.__('Answered elsewhere: by %1, %2.', who, when));
      }
    }
  }

  private _add(run: IRun, question: IRunQuestion): void {
    const known = this._forms.get(question.key);
    if (known === undefined) {
      const { texts } = this._context;
      this._stood.add(question.key);
      const form = new QuestionForm(this._context, run, question, (key, isDone) => {
        this._answered[isDone ? 'add' : 'delete'](key);
        showText(this._news, '');
        this._show();
      });
      form.node.prepend(...asked(question.description, run, texts));
      this._forms.set(question.key, form);
      this._open.append(form.node);
    } else {
      known.update(run);
    }
  }

  /** A pause that asks for nothing goes on by a button, too. */
  private _showPause(run: IRun, isShown: boolean): void {
    if (!isShown) {
      this._pause?.node.remove();
      this._pause = null;
    } else if (this._pause === null) {
      const { texts } = this._context;
      this._pause = new QuestionForm(this._context, run, null, () => undefined);
      const said = run.message || texts.__('Run %1 is paused', run.name);
      this._pause.node.prepend(heading([said], texts));
      this._open.append(this._pause.node);
    } else {
      this._pause.update(run);
    }
  }

  private readonly _questions: RunQuestions;
  private readonly _forms = new Map<string, QuestionForm>();
  /** Keys of the questions that stood here. */
  private readonly _stood = new Set<string>();
  /** Keys that were answered here. */
  private readonly _answered = new Set<string>();
  private _pause: QuestionForm | null = null;
  private _run: IRun | null = null;
  private readonly _open = html('div', { class: 'orc-questions-open' });
  private readonly _news = html('p', { class: 'orc-detail orc-questions-news', role: 'status' });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
}

function heading(said: readonly (Node | string)[], texts: ITexts): HTMLElement {
  const look = stateLook('PAUSED');
  const icon = html('span', { class: 'orc-state', title: look.word(texts) }, stateIcon(look.icon));
  return html('h2', {}, icon, html('span', { class: 'orc-question' }, ...said));
}

/** Draw what is asked, which is Markdown: its first line is the heading. */
function asked(description: string, run: IRun, texts: ITexts): readonly HTMLElement[] {
  const [first, ...others] = markdownBlocks(description);
  const isLine = first?.kind === 'paragraph' || first?.kind === 'heading';
  const said = isLine
    ? markdownText(first.text, true)
    : [texts.__('Run %1 waits for an answer', run.name)];
  const rest = isLine || first === undefined ? others : [first, ...others];
  const more = rest.length > 0 ? [markdownOf(rest, { texts, top: 3, keepsLines: true })] : [];
  return [heading(said, texts), ...more];
}

/** One question: its fields, and Resume and Cancel below them. Without a question only these. */
class QuestionForm {
  constructor(
    private readonly _context: IPageContext,
    run: IRun,
    private readonly _question: IRunQuestion | null,
    private readonly _onAnswer: (key: string, isDone: boolean) => void
  ) {
    const { texts } = _context;
    this._run = run;
    const schema = _question?.schema ?? null;
    this._asked = schema === null ? null : answerForm(schema, texts);
    this._form = new Form(this._asked?.fields ?? [], texts, texts.__('The answer'));
    this._cancel.textContent = texts.__('Cancel run…');
    this._cancel.addEventListener('click', () => void this._do(this._cancel, this._onCancel));
    this.node.addEventListener('submit', event => {
      event.preventDefault();
      void this._do(this._resume, this._onResume);
    });
    if (this._asked !== null) {
      this.node.append(this._form.node);
    }
    const buttons = html('div', { class: 'orc-questions-buttons' }, this._resume, this._cancel);
    this.node.append(this._advice, this._problem, buttons);
    showText(this._problem, '');
    this.update(run);
  }

  readonly node = html('form', { class: 'orc-question-form', novalidate: true });

  update(run: IRun): void {
    const { texts } = this._context;
    this._run = run;
    const isOfShell = isSuspended(run) && run.deployment === null;
    const label = isOfShell ? texts.__('Send answer') : texts.__('Resume');
    this._resume.textContent = label;
    this._resume.hidden = isOfShell && this._question === null;
    const command = `orchestra runs resume ${typedRun(run)}`;
    showText(
      this._advice,
      isOfShell
        ? texts.__('No process drives it. Where its code is, it goes on with: %1', command)
        : isSuspended(run)
          ? texts.__('No process drives it: it waits in its pool once it is resumed.')
          : ''
    );
  }

  private readonly _onResume = async (): Promise<void> => {
    const { pagesApi } = this._context;
    const values = this._form.read();
    if (values === null) {
      return;
    }
    const answer = this._asked?.answer(values) ?? 'null';
    const key = this._question?.key ?? null;
    const { run_id, deployment } = this._run;
    if (key === null) {
      await pagesApi.resumeRun(run_id, null, answer);
      return;
    }
    this._onAnswer(key, true); // before the stream tells: it is no news that comes from elsewhere
    try {
      if (isSuspended(this._run) && deployment === null) {
        await pagesApi.answerQuestion(run_id, key, answer);
      } else {
        await pagesApi.resumeRun(run_id, key, answer);
      }
    } catch (error) {
      this._onAnswer(key, false);
      throw error;
    }
  };

  private readonly _onCancel = async (): Promise<void> => {
    await askToCancel(this._context, this._run);
  };

  /** Do something; what goes wrong is said at its field, else above the buttons. */
  private async _do(node: HTMLButtonElement, act: () => Promise<void>): Promise<void> {
    if (node.disabled) {
      return;
    }
    node.disabled = true;
    showText(this._problem, '');
    try {
      await act();
    } catch (error) {
      if (!this._form.showErrors(this._placesOf(error))) {
        showText(this._problem, errorText(error, this._context.texts));
      }
    } finally {
      node.disabled = false;
    }
  }

  private _placesOf(error: unknown): ReadonlyMap<string, string> {
    const places = error instanceof ApiError ? [...error.errors] : [];
    return new Map(
      places
        .filter(([pointer]) => PLACES.test(pointer))
        .map(([pointer, detail]) => [
          this._asked?.fieldAt(pointer.replace(PLACES, '')) ?? '',
          detail
        ])
    );
  }

  private _run: IRun;
  private readonly _asked: IAnswerForm | null;
  private readonly _form: Form;
  private readonly _resume = html('button', { type: 'submit', class: 'orc-push orc-push-main' });
  private readonly _cancel = html('button', { type: 'button', class: 'orc-push' });
  private readonly _advice = html('p', { class: 'orc-detail', hidden: true });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert' });
}

/** Tell whether no process drives a paused run: it is begun anew when it goes on. */
function isSuspended(run: IRun): boolean {
  return run.state === 'PAUSED' && run.driver_id === null;
}
