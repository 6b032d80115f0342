/** How to fix it when no addon loads. */
import { environment } from '../../environment.js';
import { installedForBundle, isBundled } from '../../package-root.js';

/** Whether a bundler has taken heed's code and left its addon behind. */
function isLeftBehind(): boolean {
  return isBundled() && 'complaint' in installedForBundle();
}

/**
 * Whether the fallback to the reference is forbidden: HEED_ADDON is set, or heed is bundled without its
 * addon.
 */
export function mustLoad(): boolean {
  return environment().addon !== undefined || isLeftBehind();
}

/** How to keep heed out of a bundle. */
export const asExternal =
  "esbuild --external:heed; webpack externals: { heed: 'commonjs heed' }; rollup external: [/^heed/]; " +
  "Vite ssr: { external: ['heed'] }; Next.js serverExternalPackages: ['heed']";

/** One remedy per line, for people. */
export function remedies(): readonly string[] {
  if (environment().addon !== undefined) {
    return ['to let heed look for its addon where it builds and installs it, unset HEED_ADDON'];
  }
  if (isLeftBehind()) {
    return [
      `to leave heed out of the bundle, mark it as external and install it where the bundle runs: ${asExternal}`,
      'to give the bundle an addon, put a copy of heed.node anywhere and set HEED_ADDON to its path',
      'to compute slowly without it, set HEED_BACKEND=reference',
    ];
  }
  return ['to build it, run: npx heed build', 'to see what is missing, run: npx heed doctor'];
}
