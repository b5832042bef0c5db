import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The bytes of the core as built: beside the compiled code, or in `dist` when running from source. Throws when nothing was built. */
export function coreBytes(): Uint8Array<ArrayBuffer> {
  const places = ['../../core/core.wasm', '../../dist/core/core.wasm'].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (!found) throw new Error(`the core is not built: none of ${places.join(', ')} exists; run npm run build`);
  return new Uint8Array(readFileSync(found));
}

/** A core of one's own, with a memory of its own, as the exports one knows of it. Compiling takes milliseconds: keep it. */
export function openCore<Exports>(): Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(coreBytes())).exports as Exports;
}

/** Node's types leave WebAssembly to the browser's; this is the little of it that is used here. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};
