"""The look of the report: one style sheet, light and dark, narrow and wide."""

CSS = """
:root { color-scheme: light dark; --paper: #fbf8f1; --card: #fffdf8; --ink: #22262e; --soft: #6a6d73;
  --line: #e4ddcd; --blue: #1f4f9c; --ochre: #b97a12; --green: #2c7a55; --rust: #b3442d; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181e; --card: #1c2028; --ink: #e9e5da;
  --soft: #9a9ca2; --line: #30353f; --blue: #85aef0; --ochre: #e0ac52; --green: #6cc49a; --rust: #ec8a72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1, h2, h3 { font-family: "Iowan Old Style", Palatino, "Palatino Linotype", "Book Antiqua", Georgia, serif;
  font-weight: 600; line-height: 1.2; }
h1 { font-size: 2.4rem; margin: 0 0 .3rem; color: var(--blue); }
h2 { font-size: 1.6rem; margin: 0 0 .4rem; }
h3 { font-size: 1.1rem; margin: 1.8rem 0 .6rem; }
p { margin: 0 0 .8rem; max-width: 46rem; }
.lead { font-size: 1.1rem; color: var(--soft); }
.note, figcaption, footer { color: var(--soft); font-size: .875rem; line-height: 1.45; }
section { margin: 3rem 0; padding-top: 1.6rem; border-top: 1px solid var(--line); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0 0; font-size: .9rem; }
a { color: var(--blue); text-underline-offset: .2em; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem;
  margin: 1.6rem 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .9rem 1rem; }
.card b { display: block; font: 600 1.75rem/1.15 "Iowan Old Style", Palatino, Georgia, serif; }
.card span { display: block; font-size: .8rem; color: var(--soft); line-height: 1.35; }
.card span.what { color: var(--ink); font-size: .875rem; margin-bottom: .15rem; }
.bar { position: relative; height: .35rem; border-radius: 1rem; background: var(--line); margin: .5rem 0; }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: 1rem; background: var(--blue); }
.bar u { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--ochre); }

figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: .45rem; background: var(--line); }
figcaption { margin-top: .35rem; font-size: .8rem; line-height: 1.3; }
figcaption span { display: block; }
.good { color: var(--green); } .bad { color: var(--rust); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); gap: 1rem .8rem; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.rows { min-width: calc(var(--n) * 5rem); }
.row { display: grid; grid-template-columns: repeat(var(--n), minmax(4.4rem, 1fr)); gap: .6rem; }
.row.heads b { text-align: center; font-size: .85rem; font-variant-numeric: tabular-nums; }
.row figcaption { text-align: center; font-variant-numeric: tabular-nums; }
.rows .prompt { margin: .7rem 0 .35rem; font-size: .875rem; }
.tiles.wide { grid-template-columns: repeat(auto-fill, minmax(9.6rem, 1fr)); }

table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; font-size: .8rem; }
tbody th { font-weight: 500; white-space: nowrap; }
.matrix th, .matrix td { padding: .4rem .8rem; text-align: center; }
.matrix td { background: color-mix(in srgb, var(--blue) calc(var(--v) * 45%), transparent); }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--blue); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem;
  overflow-x: auto; font: .85rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
.chart { width: 100%; max-width: 34rem; height: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg path { fill: none; } svg .grid { stroke: var(--line); } svg .faint { stroke: var(--blue); opacity: .3; }
svg .line { stroke: var(--blue); stroke-width: 2; stroke-linejoin: round; }
svg .diagonal { stroke: var(--ochre); stroke-dasharray: 5 4; stroke-width: 1.5; }
svg circle { fill: var(--blue); opacity: .55; }
.heat { width: 100%; max-width: 46rem; } .heat text { font-size: 11px; }
.heat .ground { fill: var(--line); opacity: .35; } .heat .hit { fill: var(--green); }
.heat .miss { fill: var(--rust); }
@media (max-width: 34rem) { h1 { font-size: 1.9rem; } header { padding-top: 1.5rem; }
  .cards { grid-template-columns: 1fr 1fr; } .card b { font-size: 1.4rem; }
  .tiles, .tiles.wide { grid-template-columns: repeat(3, 1fr); gap: .7rem .5rem; }
  figcaption { font-size: .72rem; } }
@media print { section { break-inside: avoid-page; } nav { display: none; } }
"""
