/** The C library that this Node.js runs on. */

/** Such as '2.36'; undefined where it is not glibc. */
export function glibcVersion(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
