/** Finds the place of a file of a run below the server's root. */

/**
 * Give the paths, relative to the server's root, that a file may have; the likelier first. Empty when it is outside.
 *
 * @param file - absolute path as the run's driver knows it
 * @param root - the server's root as the page's configuration tells it, where `~` stands for a home that it does not tell
 */
export function contentsPaths(file: string, root: string): string[] {
  const path = file.replace(/\\/g, '/');
  const folder = root.replace(/\\/g, '/').replace(/\/+$/, '');
  if (!folder.startsWith('~')) {
    return path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : [];
  }
  const below = `${folder.slice(1)}/`;
  const paths: string[] = [];
  for (let at = path.indexOf(below); at >= 0; at = path.indexOf(below, at + 1)) {
    paths.push(path.slice(at + below.length));
  }
  return paths.filter(candidate => candidate !== '');
}
