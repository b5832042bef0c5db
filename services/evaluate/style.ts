import { SCROLL_STYLE } from './scroll-style.ts';

/** The look of the report: follows the reader's light or dark, prints on paper, needs no network. */
export const STYLE = `
:root{--paper:#fff;--ink:#1c2733;--soft:#5b6875;--line:#dde3e9;--card:#f2f6f9;--full:#14608f;--alone:#d08a1d;--clamped:#a9b4bf;--red:#b3261e;--best:#0b6b3a;--edge:#5b687577}
@media (prefers-color-scheme:dark){:root{--paper:#12181e;--ink:#e6ebf0;--soft:#9aa7b4;--line:#2b3640;--card:#1b242d;--full:#5fb0e4;--alone:#e9b256;--clamped:#5d6a76;--red:#ff8a80;--best:#6fd59c;--edge:#9aa7b466}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,"Noto Sans",sans-serif}
main{max-width:84rem;margin:0 auto;padding:1.5rem 1rem 4rem}
.card,.plot,dl{max-width:66rem}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.4rem 0 .4rem}
h3{font-size:1rem;margin:1.2rem 0 .2rem}
summary{cursor:pointer;color:var(--soft);margin:.5rem 0}
ul{max-width:48rem;padding-left:1.2rem}
p{max-width:48rem;margin:.5rem 0}
.lead{font-size:1.05rem}
.small,.key{color:var(--soft);font-size:.875rem}
.card{background:var(--card);border-left:4px solid var(--best);padding:.75rem 1rem;margin:1.2rem 0;border-radius:0 6px 6px 0}
.card .large{font-size:1.5rem;font-weight:700;margin:0;color:var(--best)}
.warning{color:var(--red);font-weight:600}
.plot{margin:.75rem 0;font-size:.875rem}
.row{display:grid;grid-template-columns:12rem 1fr 5.5rem;align-items:center;column-gap:.75rem;break-inside:avoid}
.row .name{text-align:right;overflow-wrap:anywhere}
.row .figure{font-variant-numeric:tabular-nums;white-space:nowrap}
.row.red,tr.red td:first-child{color:var(--red);font-weight:700}
.row.best,tr.best td:first-child{color:var(--best);font-weight:700}
.ticks{grid-column:2;position:relative;height:1.5rem;color:var(--soft);font-size:.75rem}
.ticks span{position:absolute;transform:translateX(-50%);white-space:nowrap;padding-top:.15rem}
.unit{margin:0 6.25rem 0 12.75rem;text-align:center;color:var(--soft);font-size:.75rem;max-width:none}
svg{display:block;width:100%;height:30px}
svg line{vector-effect:non-scaling-stroke}
svg .grid{stroke:var(--line)}svg .zero{stroke:var(--soft)}
svg .limit{stroke:var(--red);stroke-dasharray:4 4}
svg .range{stroke-width:2.5}svg .dot{stroke-width:9;stroke-linecap:round}
svg rect.full{fill:var(--full)}svg line.full{stroke:var(--full)}
svg rect.alone{fill:var(--alone)}svg line.alone{stroke:var(--alone)}
svg rect.clamped{fill:var(--clamped)}svg rect.red{fill:var(--red)}
.key span{white-space:nowrap;display:inline-block;margin-right:.75rem}
.key .box{display:inline-block;width:.8rem;height:.8rem;margin:0 .3rem 0 0;vertical-align:-1px}
.box.full{background:var(--full)}.box.alone{background:var(--alone)}.box.clamped{background:var(--clamped)}
.scroll{margin:.75rem 0}
table{border-collapse:collapse;font-size:.875rem;min-width:min(100%,66rem)}
th,td{padding:.4rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:600}
.wrap{white-space:normal;text-align:left;min-width:20rem}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper);box-shadow:inset -1px 0 var(--line)}
dt{font-weight:600;margin-top:.5rem}dd{margin:0;color:var(--soft)}
@media (max-width:40rem){main{padding:1rem .75rem 3rem}.row{grid-template-columns:1fr auto;row-gap:0;margin-top:.35rem}.row .name{text-align:left}.row svg{grid-column:1/3;grid-row:2;height:26px}.ticks{grid-column:1/3}.unit{margin:0}
th:first-child,td:first-child{min-width:6.5rem;max-width:9rem;white-space:normal}.wrap{min-width:14rem}}
@media print{:root{--paper:#fff;--ink:#000}body{-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}table{font-size:.6rem}th,td{padding:.2rem .3rem;white-space:normal}.wrap{min-width:0}th:first-child,td:first-child{position:static}h2,h3{break-after:avoid}}
${SCROLL_STYLE}`;
