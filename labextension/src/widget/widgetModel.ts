/** What we use of anywidget's model. */

type Listener = (content?: unknown) => void;

/** A widget's model as anywidget gives it to one view: what listens by it is gone with that view. */
export interface IWidgetModel {
  get(name: string): unknown;
  send(content: unknown): void;
  on(event: string, listener: Listener): void;
  off(event: string, listener: Listener): void;
}

/** The model of a widget that may get another view in place of its first. */
export class BoundModel implements IWidgetModel {
  constructor(private _model: IWidgetModel) {}

  /** Go on with the model as another view has it. */
  bind(model: IWidgetModel): void {
    const listeners = [...this._listeners];
    listeners.forEach(([event, listener]) => this._model.off(event, listener));
    this._model = model;
    listeners.forEach(([event, listener]) => model.on(event, listener));
  }

  get(name: string): unknown {
    return this._model.get(name);
  }

  send(content: unknown): void {
    this._model.send(content);
  }

  on(event: string, listener: Listener): void {
    this._listeners.push([event, listener]);
    this._model.on(event, listener);
  }

  off(event: string, listener: Listener): void {
    this._listeners = this._listeners.filter(([known, one]) => known !== event || one !== listener);
    this._model.off(event, listener);
  }

  private _listeners: (readonly [string, Listener])[] = [];
}
