/** The look of the report: follows the reader's light or dark, prints on paper, needs no network. */
export const STYLE = `
:root{--paper:#fff;--ink:#1c2733;--soft:#5b6875;--line:#dde3e9;--card:#f2f6f9;--full:#14608f;--alone:#d08a1d;--clamped:#a9b4bf;--red:#b3261e;--best:#0b6b3a}
@media (prefers-color-scheme:dark){:root{--paper:#12181e;--ink:#e6ebf0;--soft:#9aa7b4;--line:#2b3640;--card:#1b242d;--full:#5fb0e4;--alone:#e9b256;--clamped:#5d6a76;--red:#ff8a80;--best:#6fd59c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,"Noto Sans",sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1rem 4rem}
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
svg{display:block;width:100%;height:auto;margin:.5rem 0}
svg text{fill:var(--ink);font-size:13px}
svg .name{text-anchor:end}
svg .tick{text-anchor:middle;fill:var(--soft);font-size:12px}
svg text.red,tr.red td:first-child{fill:var(--red);color:var(--red);font-weight:700}
svg text.best,tr.best td:first-child{fill:var(--best);color:var(--best);font-weight:700}
svg .grid{stroke:var(--line)}
svg .limit{stroke:var(--red);stroke-dasharray:4 4}
svg .range{stroke-width:2.5}
svg rect.full,svg circle.full{fill:var(--full)}svg line.full{stroke:var(--full)}
svg rect.alone,svg circle.alone{fill:var(--alone)}svg line.alone{stroke:var(--alone)}
svg rect.clamped{fill:var(--clamped)}svg rect.red{fill:var(--red)}
.box{display:inline-block;width:.8rem;height:.8rem;margin:0 .25rem 0 .75rem;vertical-align:-1px}
.box.full{background:var(--full)}.box.alone{background:var(--alone)}.box.clamped{background:var(--clamped)}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-size:.875rem;min-width:100%}
th,td{padding:.4rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:600}
td.wrap{white-space:normal;text-align:left;min-width:20rem}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
dt{font-weight:600;margin-top:.5rem}dd{margin:0;color:var(--soft)}
@media (max-width:40rem){svg{min-width:36rem}svg text{font-size:15px}svg .tick{font-size:15px}main{padding:1rem .75rem 3rem}}
@media print{.scroll{overflow:visible}table{font-size:.7rem}}
`;
