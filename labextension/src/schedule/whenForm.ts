/** The part of the form that says when: tabs for an interval, the calendar and cron, each with its fields. */

import { html, setAttributes, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import { NO_BOUNDS, plainField } from '../form/fields';
import type { IField } from '../form/fields';
import { Form } from '../form/form';
import type { FormValues } from '../form/form';
import { readTextOrNull } from '../schemas';
import type { FieldsOf } from './records';
import {
  FIRST_CALENDAR_TIME,
  FIRST_INTERVAL,
  WEEKDAYS,
  intervalText,
  kindOfSchedule,
  readInterval,
  readRule,
  ruleOf
} from './recurrence';
import type { Frequency, ICalendarTime, IInterval, ISchedule, WhenKind } from './recurrence';

const KINDS: readonly WhenKind[] = ['every', 'calendar', 'cron'];
const FIRST_CRON = '0 9 * * 1-5';
/** 5 January 2026 was a Monday. */
const A_MONDAY = Date.UTC(2026, 0, 5);
const DAY = 86_400_000;
const CALENDAR_FIELDS = ['monthDay', 'position', 'weekday', 'time', 'rule'] as const;
/** Which fields a frequency has; the weekdays of a week stand apart. */
const FIELDS_OF: Readonly<Record<Frequency, readonly string[]>> = {
  daily: ['time'],
  weekly: ['time'],
  'monthly-day': ['monthDay', 'time'],
  'monthly-weekday': ['position', 'weekday', 'time'],
  rule: ['rule']
};

let forms = 0;

/** Draws the three tabs, and reads the one that is open. */
export class WhenForm {
  /** @param changed - called when anything is chosen or typed */
  constructor(
    private readonly _texts: ITexts,
    private readonly _changed: () => void,
    locale?: string
  ) {
    forms += 1;
    const prefix = `orc-when-${forms}`;
    const label = _texts.__('When');
    this._every = new Form(intervalFields(_texts), _texts, null);
    this._calendar = new Form(calendarFields(_texts, locale), _texts, null);
    this._cron = new Form([cronField(_texts)], _texts, null);
    this._weekdays = new WeekdayChoice(_texts, `${prefix}-days`, locale);
    this._every.node.classList.add('orc-when-row');
    this._calendar.node.classList.add('orc-when-row');
    const titles = [_texts.__('Every'), _texts.__('Calendar'), _texts.__('Cron')];
    this._tabs = KINDS.map((kind, at) => this._makeTab(kind, titles[at], prefix));
    this._panels = [
      [this._every.node],
      [this._calendar.node, this._weekdays.node],
      [this._cron.node]
    ].map((nodes, at) =>
      html(
        'div',
        {
          role: 'tabpanel',
          class: 'orc-when-panel',
          id: `${prefix}-${KINDS[at]}-panel`,
          'aria-labelledby': `${prefix}-${KINDS[at]}`
        },
        ...nodes
      )
    );
    const tablist = html('div', { role: 'tablist', class: 'orc-when-tabs', 'aria-label': label });
    tablist.append(...this._tabs);
    tablist.addEventListener('keydown', event => this._onKeydown(event));
    this.node = html('div', { class: 'orc-when' }, tablist, ...this._panels);
    this.node.addEventListener('input', () => {
      this._startRule();
      this._showFields();
      this._changed();
    });
    this.fill({});
  }

  readonly node: HTMLElement;

  /** Read the open tab; null where something is wrong, which is shown at its field. */
  read(givesFocus: boolean): ISchedule | null {
    switch (this._kind) {
      case 'every': {
        const values = this._every.read(givesFocus);
        return values === null ? null : { field: 'every', text: intervalText(intervalIn(values)) };
      }
      case 'calendar':
        return this._readCalendar(givesFocus);
      case 'cron': {
        const values = this._cron.read(givesFocus);
        return values === null ? null : { field: 'cron', text: textIn(values, 'cron').trim() };
      }
    }
  }

  /** Put a schedule of the API into its tab, which is opened, and the first values into the others. */
  fill(schedule: FieldsOf): void {
    const kind = kindOfSchedule(schedule);
    const every = readTextOrNull(schedule.every);
    const rule = readTextOrNull(schedule.rrule);
    const calendar = rule === null ? FIRST_CALENDAR_TIME : readRule(rule);
    const interval = (every === null ? null : readInterval(every)) ?? FIRST_INTERVAL;
    this._every.fill({ count: interval.count, unit: interval.unit });
    this._calendar.fill({ ...calendar });
    this._weekdays.chosen = calendar.days;
    this._cron.fill({ cron: readTextOrNull(schedule.cron) ?? FIRST_CRON });
    this._open(kind ?? 'calendar');
  }

  /** Show errors that the server has with a form of the API, at the field that made it; false where there is none. */
  showErrors(errors: ReadonlyMap<string, string>, givesFocus: boolean): boolean {
    const rule = errors.get('rrule');
    const hasRule = this._frequency === 'rule';
    const places: [Form, string, string | undefined][] = [
      [this._every, 'count', errors.get('every')],
      [this._calendar, hasRule ? 'rule' : 'time', rule],
      [this._cron, 'cron', errors.get('cron')]
    ];
    return places
      .map(([form, name, error]) =>
        form.showErrors(new Map(error === undefined ? [] : [[name, error]]), givesFocus)
      )
      .includes(true);
  }

  private _readCalendar(givesFocus: boolean): ISchedule | null {
    const isWeekly = this._frequency === 'weekly';
    const days = this._weekdays.chosen;
    const isWrong = isWeekly && days.length === 0;
    this._weekdays.showError(isWrong ? this._texts.__('Choose a day.') : '');
    const values = this._calendar.read(givesFocus && !isWrong);
    if (isWrong && givesFocus) {
      this._weekdays.focus();
    }
    if (values === null || isWrong) {
      return null;
    }
    const calendar: ICalendarTime = {
      ...FIRST_CALENDAR_TIME,
      ...Object.fromEntries([...values].map(([name, json]) => [name, String(JSON.parse(json))])),
      days
    };
    this._lastRule = ruleOf(calendar);
    return { field: 'rrule', text: this._lastRule };
  }

  /** Begin a rule of iCalendar with what the other fields said. */
  private _startRule(): void {
    const control = this._calendar.node.querySelector<HTMLInputElement>('[name=rule]');
    if (this._frequency === 'rule' && control !== null && control.value === '') {
      control.value = this._lastRule;
    }
  }

  private get _frequency(): Frequency {
    const select = this._calendar.node.querySelector<HTMLSelectElement>('[name=frequency]');
    return JSON.parse(select?.value || '"weekly"') as Frequency;
  }

  private _showFields(): void {
    const shown = FIELDS_OF[this._frequency];
    this._calendar.hide(CALENDAR_FIELDS.filter(name => !shown.includes(name)));
    this._weekdays.node.hidden = this._frequency !== 'weekly';
  }

  private _open(kind: WhenKind): void {
    this._kind = kind;
    KINDS.forEach((each, at) => {
      const isOpen = each === kind;
      setAttributes(this._tabs[at], {
        'aria-selected': String(isOpen),
        tabindex: isOpen ? 0 : -1
      });
      this._panels[at].hidden = !isOpen;
    });
    this._showFields();
  }

  private _makeTab(kind: WhenKind, title: string, prefix: string): HTMLButtonElement {
    const tab = html(
      'button',
      {
        type: 'button',
        role: 'tab',
        class: 'orc-when-tab',
        id: `${prefix}-${kind}`,
        'aria-controls': `${prefix}-${kind}-panel`
      },
      title
    );
    tab.addEventListener('click', () => {
      this._open(kind);
      this._changed();
    });
    return tab;
  }

  private _onKeydown(event: KeyboardEvent): void {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1 };
    const last = KINDS.length - 1;
    const at = KINDS.indexOf(this._kind);
    const to =
      event.key === 'Home'
        ? 0
        : event.key === 'End'
          ? last
          : event.key in steps
            ? (at + steps[event.key] + KINDS.length) % KINDS.length
            : null;
    if (to !== null) {
      event.preventDefault();
      this._open(KINDS[to]);
      this._tabs[to].focus();
      this._changed();
    }
  }

  private readonly _every: Form;
  private readonly _calendar: Form;
  private readonly _cron: Form;
  private readonly _weekdays: WeekdayChoice;
  private readonly _tabs: readonly HTMLButtonElement[];
  private readonly _panels: readonly HTMLElement[];
  private _kind: WhenKind = 'calendar';
  private _lastRule = '';
}

/** Checkboxes for the days of a week. */
class WeekdayChoice {
  constructor(texts: ITexts, id: string, locale?: string) {
    this._boxes = WEEKDAYS.map((day, at) =>
      html('input', { type: 'checkbox', value: day, id: `${id}-${at}` })
    );
    this._error = html('div', { class: 'orc-form-error', id: `${id}-error`, role: 'alert' });
    showText(this._error, '');
    const labels = this._boxes.map((box, at) =>
      html(
        'label',
        { for: box.id, title: weekdayName(at, 'long', locale) },
        box,
        weekdayName(at, 'short', locale)
      )
    );
    this.node = html(
      'fieldset',
      { class: 'orc-when-days', 'aria-describedby': this._error.id },
      html('legend', {}, texts.__('On')),
      html('div', {}, ...labels),
      this._error
    );
    this.node.addEventListener('input', () => this.showError(''));
  }

  readonly node: HTMLElement;

  get chosen(): readonly string[] {
    return this._boxes.filter(box => box.checked).map(box => box.value);
  }

  set chosen(days: readonly string[]) {
    this._boxes.forEach(box => {
      box.checked = days.includes(box.value);
    });
  }

  showError(text: string): void {
    showText(this._error, text);
  }

  focus(): void {
    this._boxes[0].focus();
  }

  private readonly _boxes: readonly HTMLInputElement[];
  private readonly _error: HTMLElement;
}

function intervalIn(values: FormValues): IInterval {
  return {
    count: values.get('count') ?? FIRST_INTERVAL.count,
    unit: (textIn(values, 'unit') || FIRST_INTERVAL.unit) as IInterval['unit']
  };
}

function textIn(values: FormValues, name: string): string {
  return String(JSON.parse(values.get(name) ?? '""'));
}

function weekdayName(at: number, style: 'long' | 'short', locale?: string): string {
  const format = new Intl.DateTimeFormat(locale, { weekday: style, timeZone: 'UTC' });
  return format.format(A_MONDAY + at * DAY);
}

function intervalFields(texts: ITexts): IField[] {
  return [
    plainField({
      name: 'count',
      label: texts.__('Every'),
      kind: 'integer',
      help: '',
      isRequired: true,
      bounds: { ...NO_BOUNDS, minimum: 1 }
    }),
    choice('unit', texts.__('Unit'), [
      ['s', texts.__('seconds')],
      ['m', texts.__('minutes')],
      ['h', texts.__('hours')],
      ['d', texts.__('days')]
    ])
  ];
}

function calendarFields(texts: ITexts, locale?: string): IField[] {
  const monthDays = Array.from({ length: 31 }, (_, at) => String(at + 1));
  return [
    choice('frequency', texts.__('How often'), [
      ['daily', texts.__('Every day')],
      ['weekly', texts.__('On days of the week')],
      ['monthly-day', texts.__('On a day of the month')],
      ['monthly-weekday', texts.__('On a weekday of the month')],
      ['rule', texts.__('By a rule of iCalendar')]
    ]),
    choice('position', texts.__('Which'), [
      ['1', texts.__('First')],
      ['2', texts.__('Second')],
      ['3', texts.__('Third')],
      ['4', texts.__('Fourth')],
      ['-1', texts.__('Last')]
    ]),
    choice(
      'weekday',
      texts.__('Weekday'),
      WEEKDAYS.map((day, at) => [day, weekdayName(at, 'long', locale)])
    ),
    choice('monthDay', texts.__('Day'), [
      ...monthDays.map(day => [day, day] as const),
      ['-1', texts.__('Last')]
    ]),
    plainField({
      name: 'time',
      label: texts.__('At'),
      kind: 'time',
      help: '',
      isRequired: true,
      initial: FIRST_CALENDAR_TIME.time
    }),
    plainField({
      name: 'rule',
      label: texts.__('Rule'),
      kind: 'text',
      help: '',
      isRequired: true,
      example: 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0'
    })
  ];
}

function cronField(texts: ITexts): IField {
  return plainField({
    name: 'cron',
    label: texts.__('Cron expression'),
    kind: 'text',
    help: texts.__('Minute, hour, day of the month, month, day of the week; or @hourly, @daily, …'),
    isRequired: true,
    example: FIRST_CRON
  });
}

/** A choice that always has a value. */
function choice(
  name: string,
  label: string,
  choices: readonly (readonly [string, string])[]
): IField {
  return plainField({
    name,
    label,
    kind: 'choice',
    help: '',
    isRequired: true,
    initial: JSON.stringify(choices[0][0]),
    choices: choices.map(([value, text]) => ({ json: JSON.stringify(value), label: text }))
  });
}
