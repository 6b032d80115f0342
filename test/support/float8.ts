/** E4M3 by its definition (Micikevicius et al. 2022, "FP8 Formats for Deep Learning"), to compare with. */

/** What each code stands for. */
export const float8Numbers: readonly number[] = Array.from({ length: 256 }, (_, code) => {
  const [sign, exponent, fraction] = [code < 128 ? 1 : -1, Math.floor((code % 128) / 8), code % 8];
  if (exponent === 15 && fraction === 7) return Number.NaN;
  return exponent === 0 ? sign * 2 ** -6 * (fraction / 8) : sign * 2 ** (exponent - 7) * (1 + fraction / 8);
});

const largest = 0x7e;

/** The code of the number that is nearest to x; in a tie, the even one. */
export function nearestFloat8(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 128 : 0;
  const magnitude = Math.abs(x);
  let above = 0;
  while (above < largest && float8Numbers[above] < magnitude) above++;
  if (above === 0) return sign;
  const [under, over] = [magnitude - float8Numbers[above - 1], float8Numbers[above] - magnitude];
  if (under === over) return sign + above - (above % 2);
  return sign + (under < over ? above - 1 : above);
}
