import { SCROLL_STYLE } from '../evaluate/scroll-style.ts';

/** Light and dark, wide and narrow, and on paper. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1f27; --soft: #5a6472; --rule: #d9dee5; --shade: #eef1f5; --warm: #b8460b; --blue: #1f5fc4; --edge: #5a647277; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e8ebf0; --soft: #a3adba; --rule: #343b46; --shade: #232932; --warm: #ff9a5c; --blue: #7db0ff; --edge: #a3adba66; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 16px; } h2 { font-size: 1.2rem; margin: 36px 0 8px; } h3 { font-size: 1rem; margin: 20px 0 4px; }
p, ol, ul { max-width: 46rem; } li { margin: 4px 0; }
.headline { border-left: 4px solid var(--warm); padding: 4px 0 4px 14px; font-size: 1.1rem; } .headline strong { font-size: 1.3rem; }
.note { color: var(--soft); font-size: 0.875rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: bottom; } tbody td { min-width: 5.5rem; }
thead th { color: var(--soft); font-weight: 600; } th:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--paper); } tbody th { box-shadow: inset -1px 0 var(--rule); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; } dt { color: var(--soft); } dd { margin: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 12px 20px; }
figure { margin: 0; break-inside: avoid; } figcaption { font-size: 0.875rem; color: var(--soft); } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 11px; } svg .grid { stroke: var(--rule); } svg .zero { stroke: var(--soft); } svg .window { fill: var(--shade); }
svg path { fill: none; stroke-width: 2; } svg .load { stroke: var(--ink); } svg .sensitive { stroke: var(--warm); stroke-dasharray: 6 3; } svg .evLike { stroke: var(--blue); stroke-dasharray: 2 2; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 0.875rem; }
.legend span::before { content: ""; display: inline-block; width: 26px; margin-right: 7px; vertical-align: middle; border-top: 3px solid var(--ink); }
.legend .sensitive::before { border-top: 3px dashed var(--warm); } .legend .evLike::before { border-top: 3px dotted var(--blue); } .legend .window::before { border: 0; height: 13px; background: var(--shade); outline: 1px solid var(--rule); }
summary { cursor: pointer; padding: 4px 0; }
@media (max-width: 560px) { th:first-child { min-width: 6.5rem; max-width: 9rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
@media print { body { print-color-adjust: exact; -webkit-print-color-adjust: exact; } main { max-width: none; padding: 0; } section { break-inside: auto; } tbody td { min-width: 0; } th:first-child { position: static; } h2, h3 { break-after: avoid; } }
${SCROLL_STYLE}
`;
