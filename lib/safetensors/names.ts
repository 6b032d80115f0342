/** Names for a message, of tensors or of files, as many as a reader wants to see. */
export function listNames(names: readonly string[], none = 'no tensors'): string {
  if (names.length === 0) return none;
  const shown = names.slice(0, 24).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
