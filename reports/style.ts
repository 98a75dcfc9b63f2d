/** How every page looks. */
export const PAGE_STYLE = `
:root{--ink:#111827;--quiet:#6b7280;--line:#e5e7eb;--good:#059669;--bad:#dc2626;--warn:#d97706}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);background:#f9fafb}
header{padding:28px max(24px,calc(50% - 520px));color:#fff;background:var(--good)}header.violated,header.cannot-converge{background:var(--bad)}header.inconclusive{background:var(--warn)}
header h1{margin:.1em 0;font-size:34px}header p{margin:0;opacity:.95}.brand{font-weight:600;letter-spacing:.02em}
main{max-width:1088px;margin:0 auto;padding:8px 24px 48px}section{background:#fff;border:1px solid var(--line);border-radius:10px;padding:18px 22px;margin:18px 0}
h2{margin:.1em 0 .5em;font-size:20px}h2 small{font-weight:400;color:var(--quiet);font-size:15px;margin-left:.4em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:6px 10px 6px 0;border-bottom:1px solid var(--line)}th{font-size:13px;color:var(--quiet);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.quiet{color:var(--quiet);font-size:13px}.bad{color:var(--bad);font-weight:700}.why{font-weight:600;color:var(--bad)}
code,pre{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}pre{background:#f3f4f6;padding:10px 12px;border-radius:8px;overflow-x:auto;white-space:pre-wrap}
.matrix tr.held td:first-child{border-left:5px solid var(--good);padding-left:8px}.matrix tr.violated td:first-child{border-left:5px solid var(--bad);padding-left:8px}.matrix tr.idle td:first-child{border-left:5px solid var(--line);padding-left:8px}.matrix tr.missed td:first-child{border-left:5px solid var(--warn);padding-left:8px}.matrix tr.idle{color:var(--quiet)}.matrix td:first-child{white-space:nowrap}
figure{margin:0;overflow-x:auto}.scroll{display:flex;overflow-x:auto;border:1px solid var(--line);border-radius:8px}.space-time{flex:none}.space-time.names{position:sticky;left:0;background:#fff;border-right:1px solid var(--line)}.space-time .lane{stroke:var(--line)}.space-time .name{font:12px system-ui,sans-serif;text-anchor:end;fill:#374151}.space-time .time{font:10px system-ui,sans-serif;text-anchor:middle;fill:var(--quiet)}.space-time .arrow{stroke-width:1.5;opacity:.45}.space-time .cursor{stroke:#111827;stroke-width:1;stroke-dasharray:3 3}.space-time .step{cursor:pointer}.space-time .step.on circle,.space-time .step.on rect{stroke:#111827;stroke-width:2.5}
.controls{display:flex;gap:12px;align-items:center}.controls input{flex:1}.detail{min-height:5.5em;white-space:pre-wrap}footer{color:var(--quiet);font-size:13px}
`
