/**
 * Environment variables that a test changes: those of the process itself, which its workers and children
 * inherit.
 */

/** Saves the current variables; the returned function restores them. */
export function keepVariables(): () => void {
  const before = { ...process.env };
  return () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  };
}
