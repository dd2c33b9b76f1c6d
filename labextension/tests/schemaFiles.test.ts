import { readFileSync, readdirSync } from 'fs';
import { join } from 'path';

const FOLDER = join(__dirname, '..', 'schema');

test.each(readdirSync(FOLDER))('%s has no selector that would end the menu', file => {
  const schema = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
  const items: { selector: string }[] = [
    ...(schema['jupyter.lab.menus']?.context ?? []),
    ...(schema['jupyter.lab.shortcuts'] ?? [])
  ];

  // Lumino refuses one with a comma, and all items behind it are lost, JupyterLab's own too.
  expect(items.filter(item => item.selector.includes(','))).toEqual([]);
});
