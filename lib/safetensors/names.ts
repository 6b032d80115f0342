/** Names of tensors or files for a message, shortened to the first few. */
export function listNames(names: readonly string[], none = 'no tensors'): string {
  if (names.length === 0) return none;
  const shown = names.slice(0, 24).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
