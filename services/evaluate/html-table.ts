import { escaped } from './plots.ts';

export type TableRow = { readonly tone?: string; readonly cells: readonly string[] };

/** A table that scrolls by itself where the page is narrow, by keys too. Cells are text, never markup. */
export function table(head: readonly string[], rows: readonly TableRow[]): string {
  const long = head.map((_, column) => rows.some(({ cells: texts }) => (texts[column]?.length ?? 0) > 60));
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text, column) => `<${tag}${long[column] ? ' class="wrap"' : ''}>${escaped(text)}</${tag}>`).join('');
  const body = rows.map(({ tone, cells: texts }) => `<tr class="${tone ?? ''}">${cells('td', texts)}</tr>`).join('\n');
  return `<div class="scroll" tabindex="0"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table></div>`;
}
