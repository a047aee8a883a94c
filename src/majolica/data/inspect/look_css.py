"""The look of the page: light and dark, narrow and wide, and on paper."""

CSS = """
:root { color-scheme: light dark; --ground: #faf7f0; --raised: #fffdf8; --ink: #23272f; --soft: #696c72;
  --line: #e3dccc; --main: #1f4f9c; --mark: #c07f17; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171d; --raised: #1b1f27; --ink: #e8e4d9;
  --soft: #999ba1; --line: #2f343e; --main: #83adef; --mark: #dfab50; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 2.4rem 1.3rem 3rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1, h2, h3, .cards b { font-family: "Iowan Old Style", Palatino, "Palatino Linotype", Georgia, serif; }
h1 { margin: 0; font-size: 2.3rem; line-height: 1.15; color: var(--main); overflow-wrap: anywhere; }
h2 { margin: 0 0 .7rem; font-size: 1.5rem; } h3 { margin: 1.6rem 0 .5rem; font-size: 1.08rem; }
section { margin-top: 2.6rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.kind { margin: 0; color: var(--mark); font-size: .8rem; letter-spacing: .09em; text-transform: uppercase; }
.lead { margin: .3rem 0 0; color: var(--soft); font-size: 1.08rem; }
.note, footer { color: var(--soft); font-size: .85rem; } footer { margin-top: 3rem; }
ul { padding-left: 1.2rem; margin: 0; } ul li { margin: .2rem 0; }
ul li::marker { color: var(--mark); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.4rem, 1fr)); gap: .8rem; margin-top: 1.5rem; }
.cards div { padding: .85rem 1rem; background: var(--raised); border: 1px solid var(--line); border-radius: .7rem; }
.cards b { display: block; font-size: 1.6rem; font-weight: 600; line-height: 1.2; }
.cards i { display: block; font-style: normal; font-size: .9rem; }
.cards span { color: var(--soft); font-size: .8rem; }
.wall { display: flex; flex-wrap: wrap; gap: .7rem .55rem; }
.wall s { flex: 1000 1 0; }
.wall figure { flex: var(--r) 1 calc(var(--r) * 9.5rem); max-width: calc(var(--r) * 14rem); min-width: 4rem;
  margin: 0; }
.wall img { display: block; width: 100%; aspect-ratio: var(--r); object-fit: cover; border-radius: .4rem;
  background: var(--line); }
.wall figcaption { margin-top: .25rem; font-size: .74rem; line-height: 1.3; color: var(--soft); overflow: hidden;
  overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
  contain: inline-size; }
.twins { display: flex; flex-wrap: wrap; gap: .9rem; }
.twin { max-width: 100%; padding: .6rem .7rem; background: var(--raised); border: 1px solid var(--line);
  border-radius: .7rem; } .twin s { display: none; }
.twin figure { flex: none; width: calc(var(--r) * 7rem); max-width: 100%; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .9rem; }
svg { width: 100%; height: auto; background: var(--raised); border: 1px solid var(--line); border-radius: .7rem; }
svg text { fill: var(--soft); font: 11.5px system-ui, sans-serif; }
svg .title { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg rect { fill: var(--main); } svg path { fill: none; } svg .grid { stroke: var(--line); }
svg .mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; } svg .note { fill: var(--mark); }
.lines { columns: 22rem; column-gap: 2.5rem; margin: 0; padding-left: 1.6rem; font-size: .88rem; }
.lines li { margin-bottom: .45rem; break-inside: avoid; overflow-wrap: anywhere; }
.lines li::marker { color: var(--soft); font-size: .75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1.4rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; } td:nth-child(2) { white-space: nowrap; }
th { color: var(--soft); font-weight: 500; font-size: .8rem; }
@media (max-width: 34rem) { h1 { font-size: 1.8rem; } .cards { grid-template-columns: 1fr 1fr; } }
@media print { section { break-inside: avoid-page; } }
"""
