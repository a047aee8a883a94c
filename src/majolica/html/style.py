"""The look of all pages: one style sheet, light and dark, narrow and wide, and on paper."""

CSS = """
:root { color-scheme: light dark; --paper: #fbf8f1; --card: #fffdf8; --ink: #22262e; --soft: #6a6d73;
  --line: #e4ddcd; --blue: #1f4f9c; --pale: #c9d5ea; --ochre: #b97a12; --green: #2c7a55; --rust: #b3442d;
  --serif: "Iowan Old Style", Palatino, "Palatino Linotype", "Book Antiqua", Georgia, serif; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181e; --card: #1c2028; --ink: #e9e5da;
  --soft: #9a9ca2; --line: #30353f; --blue: #85aef0; --pale: #344665; --ochre: #e0ac52; --green: #6cc49a;
  --rust: #ec8a72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header, main, footer { max-width: 70rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; } footer { padding-bottom: 3rem; }
h1, h2, h3 { font-family: var(--serif); font-weight: 600; line-height: 1.2; overflow-wrap: anywhere; }
h1 { font-size: 2.4rem; margin: 0 0 .3rem; color: var(--blue); }
h2 { font-size: 1.6rem; margin: 0 0 .4rem; }
h3 { font-size: 1.1rem; margin: 1.8rem 0 .6rem; }
p { margin: 0 0 .8rem; max-width: 46rem; }
.kind { margin: 0; color: var(--ochre); font-size: .8rem; letter-spacing: .09em; text-transform: uppercase; }
.lead { font-size: 1.1rem; color: var(--soft); }
.note, figcaption, footer { color: var(--soft); font-size: .875rem; line-height: 1.45; }
section { margin: 3rem 0; padding-top: 1.6rem; border-top: 1px solid var(--line); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0 0; font-size: .9rem; }
a { color: var(--blue); text-underline-offset: .2em; }
ul { padding-left: 1.2rem; margin: 0; } li { margin: .2rem 0; overflow-wrap: anywhere; }
ul li::marker { color: var(--ochre); }
.lines { columns: 22rem; column-gap: 2.5rem; margin: 0; padding-left: 1.8rem; font-size: .88rem; }
.lines li { margin: 0 0 .45rem; break-inside: avoid; }
.lines li::marker { color: var(--soft); font-size: .75rem; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem;
  margin: 1.6rem 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .9rem 1rem; }
.card b { display: block; font: 600 1.6rem/1.2 var(--serif); }
.card span { display: block; font-size: .8rem; color: var(--soft); line-height: 1.35; }
.card span.what { color: var(--ink); font-size: .875rem; margin-bottom: .15rem; }
.bar { position: relative; height: .35rem; border-radius: 1rem; background: var(--line); margin: .5rem 0; }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: 1rem; background: var(--blue); }
.bar u { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--ochre); }

figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: .45rem; background: var(--line); }
figcaption { margin-top: .35rem; font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
figcaption span { display: block; }
.good { color: var(--green); } .bad { color: var(--rust); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.6rem, 1fr)); gap: 1rem .8rem; }
.tiles.wide { grid-template-columns: repeat(auto-fill, minmax(9.6rem, 1fr)); }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.rows { min-width: calc(var(--n) * 5rem); }
.row { display: grid; grid-template-columns: repeat(var(--n), minmax(4.4rem, 1fr)); gap: .6rem; }
.row.heads b { text-align: center; font-size: .85rem; font-variant-numeric: tabular-nums; }
.row figcaption { text-align: center; font-variant-numeric: tabular-nums; }
.rows .prompt { margin: .7rem 0 .35rem; font-size: .875rem; }
.wall { display: flex; flex-wrap: wrap; gap: .7rem .55rem; }
.wall s { flex: 1000 1 0; }
.wall figure { flex: var(--r) 1 calc(var(--r) * 9.5rem); max-width: calc(var(--r) * 14rem); min-width: 4rem; }
.wall img { aspect-ratio: var(--r); object-fit: cover; }
.wall figcaption { margin-top: .25rem; font-size: .74rem; overflow: hidden; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 3; contain: inline-size; }
.groups { display: flex; flex-wrap: wrap; gap: .9rem; }
.group { max-width: 100%; padding: .6rem .7rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .7rem; } .group s { display: none; }
.group figure { flex: none; width: calc(var(--r) * 7rem); max-width: 100%; }

table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top; overflow-wrap: break-word;
  max-width: 34rem; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; font-size: .8rem; }
tbody th { font-weight: 500; min-width: 7rem; }
.n { text-align: right; white-space: nowrap; }
.bars { width: 34%; min-width: 8rem; padding-right: 0; white-space: nowrap; font-size: 0; }
.bars i, .bars u { display: inline-block; height: .7rem; margin-top: .3rem; }
.bars i { background: var(--blue); } .bars u { background: var(--pale); }
.matrix th, .matrix td { padding: .4rem .8rem; text-align: center; }
.matrix td { background: color-mix(in srgb, var(--blue) calc(var(--v) * 45%), transparent); }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--blue); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem;
  overflow-x: auto; font: .85rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em; }

.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
.chart { width: 100%; max-width: 34rem; height: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg path { fill: none; } svg .grid { stroke: var(--line); } svg .faint { stroke: var(--blue); opacity: .3; }
svg .line { stroke: var(--blue); stroke-width: 2; stroke-linejoin: round; }
svg .diagonal, svg .mark { stroke: var(--ochre); stroke-dasharray: 5 4; stroke-width: 1.5; }
svg circle { fill: var(--blue); opacity: .55; }
svg .solid { fill: var(--blue); } svg .pale { fill: var(--pale); }
.heat { width: 100%; } .heat text { font-size: 11px; }
.heat .ground { fill: var(--line); opacity: .35; } .heat .hit { fill: var(--green); }
.heat .miss { fill: var(--rust); }
@media (max-width: 34rem) { h1 { font-size: 1.9rem; } header { padding-top: 1.5rem; }
  .cards { grid-template-columns: 1fr 1fr; } .card b { font-size: 1.4rem; }
  .tiles, .tiles.wide { grid-template-columns: repeat(3, 1fr); gap: .7rem .5rem; }
  figcaption { font-size: .72rem; } }
@media print { section { break-inside: avoid-page; } nav { display: none; } }
"""
