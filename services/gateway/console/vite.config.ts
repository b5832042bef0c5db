import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Built into the compiled gateway's folder, which serves it. Absolute paths, since the console's own paths are nested. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../../../dist/services/gateway/console', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy lets no inline script through; assets stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
