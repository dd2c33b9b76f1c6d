/** Builds DOM elements whose text is always text: nothing here parses HTML. */

const SVG = 'http://www.w3.org/2000/svg';

/** Attribute name to value; null and false leave the attribute out, true gives it without a value. */
export type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/** Make an HTML element. Strings among the children become text nodes; very many nodes are given as a list. */
export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string | readonly Node[])[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  // a call takes some ten thousands of arguments, and no more
  children.flat().forEach(child => node.append(child));
  return node;
}

/** Make an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Node[]
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(SVG, tag);
  setAttributes(node, attributes);
  node.append(...children);
  return node;
}

/** Set or remove attributes; what is already as asked is not touched. */
export function setAttributes(node: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) {
      node.removeAttribute(name);
    } else if (name === 'style' && (node instanceof HTMLElement || node instanceof SVGElement)) {
      // an attribute would be refused by the Content-Security-Policy of pages
      node.style.cssText = String(value);
    } else {
      const text = value === true ? '' : String(value);
      if (node.getAttribute(name) !== text) {
        node.setAttribute(name, text);
      }
    }
  }
}

/** Show a text in an element, and hide the element when the text is empty. */
export function showText(node: HTMLElement, text: string, title: string | null = null): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
  node.hidden = text === '';
  setAttributes(node, { title });
}

/** Make a button that looks like a link within a line. */
export function button(label: string, title: string, onClick: () => void): HTMLButtonElement {
  const node = html('button', { type: 'button', class: 'orc-button', title }, label);
  node.addEventListener('click', event => {
    event.stopPropagation();
    onClick();
  });
  return node;
}

/** Show a text in which commands stand, each of them as code; hide the element when the text is empty. */
export function showCommands(node: HTMLElement, text: string, commands: readonly string[]): void {
  if (node.textContent !== text) {
    let rest = text;
    const parts = commands.flatMap(command => {
      const at = rest.indexOf(command);
      const before = at < 0 ? '' : rest.slice(0, at);
      rest = at < 0 ? rest : rest.slice(at + command.length);
      return at < 0 ? [] : [before, html('code', {}, command)];
    });
    node.replaceChildren(...parts, rest);
  }
  node.hidden = text === '';
}
