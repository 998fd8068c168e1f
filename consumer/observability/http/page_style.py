"""How the page looks, in light and in darkness."""

from typing import Final

STYLE: Final = """
:root{--ink:#1c2330;--quiet:#667085;--paper:#f6f7f9;--card:#fff;--line:#e3e6eb;--good:#0f7b4a;--bad:#b42318;--warn:#fff1ee}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--quiet:#98a2b3;--paper:#11151c;--card:#191f29;--line:#2a323f;
--good:#4cc38a;--bad:#ff8a7a;--warn:#35201d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem;font:15px/1.45 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline}
header p{margin:0}h1{font-size:1.25rem;margin:0}h2{font-size:1.1rem;margin:0 0 .75rem}
h3{font-size:.85rem;margin:1.25rem 0 .35rem;color:var(--quiet);font-weight:600}
small,.quiet,footer{color:var(--quiet);font-weight:400}small{font-size:.85rem}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.troubles{margin:1rem 0 0;padding:.75rem 1rem .75rem 2rem;background:var(--warn);border-left:4px solid var(--bad);
border-radius:4px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1.1rem 1.25rem;margin:1.25rem 0}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.75rem;margin:0}
dt{font-size:.78rem;color:var(--quiet)}dd{margin:0;font-size:1.05rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}th{font-weight:600;color:var(--quiet)}
.words th,.words td,.states th:nth-child(2),.states td:nth-child(2){text-align:left;white-space:normal}
.words td:first-child{white-space:nowrap}.states td:nth-child(2){min-width:11rem;overflow-wrap:anywhere}
h3:first-child{margin-top:0}
tr:last-child td{border-bottom:0}a{color:inherit}
"""
