/** What the panel remembers of its user, in JupyterLab's settings: which sections are closed, which failures were seen. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { readList, readTextOrNull, readTime } from '../schemas';

const CLOSED = 'closedSections';
const SEEN = 'alertsSeenAt';

/** What is remembered. */
export interface IPanelMemory {
  readonly changed: ISignal<IPanelMemory, void>;
  readonly closedSections: ReadonlySet<string>;
  /** Up to when failures were seen, ISO 8601; null where nobody has said so yet. */
  readonly seenAt: string | null;
  /** Resolved when it is known what was remembered. */
  readonly ready: Promise<void>;
  /** Close an open section, or open a closed one. */
  toggleSection(section: string): Promise<void>;
  setSeenAt(at: string): Promise<void>;
}

/** Keeps it in settings; without those, as long as the page lives. */
export class PanelMemory implements IPanelMemory {
  /**
   * @param load - gives the settings, null where there are none
   */
  constructor(load: () => Promise<ISettingRegistry.ISettings | null>) {
    this.ready = this._load(load);
  }

  readonly ready: Promise<void>;

  get changed(): ISignal<IPanelMemory, void> {
    return this._changed;
  }

  get closedSections(): ReadonlySet<string> {
    return this._closed;
  }

  get seenAt(): string | null {
    return this._seenAt;
  }

  async toggleSection(section: string): Promise<void> {
    const closed = new Set(this._closed);
    if (!closed.delete(section)) {
      closed.add(section);
    }
    this._closed = closed;
    this._changed.emit();
    await this._settings?.set(CLOSED, [...closed].sort());
  }

  async setSeenAt(at: string): Promise<void> {
    this._seenAt = at;
    this._changed.emit();
    await this._settings?.set(SEEN, at);
  }

  private async _load(load: () => Promise<ISettingRegistry.ISettings | null>): Promise<void> {
    this._settings = await load();
    this._settings?.changed.connect(this._read, this);
    this._read();
  }

  private _read(): void {
    if (this._settings !== null) {
      this._closed = new Set(readList(this._settings.get(CLOSED).composite, readTextOrNull));
      this._seenAt = readTime(this._settings.get(SEEN).composite);
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<IPanelMemory, void>(this);
  private _settings: ISettingRegistry.ISettings | null = null;
  private _closed: ReadonlySet<string> = new Set();
  private _seenAt: string | null = null;
}
