extension ReportPage {
  /// The colours of parts and lines are Okabe and Ito's, which every kind of colour vision tells apart.
  static let style = """
    :root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa;
      --link: #0b57a4; --c0: #0072b2; --c1: #e69f00; --c2: #009e73; --c3: #cc79a7; --c4: #56b4e9; --c5: #d55e00;
      --c6: #8a7d00; }
    @media (prefers-color-scheme: dark) { :root { --back: #12161b; --text: #e6edf3; --soft: #9aa7b4; --line: #39424d;
      --card: #1a2027; --link: #8ec4f5; --c0: #3d9bdc; --c6: #f0e442; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
    main { max-width: 1560px; margin: 0 auto; padding: 16px; }
    h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
    h3 { font-size: .9rem; margin: .9rem 0 .2rem; overflow-wrap: anywhere; }
    .note, .unit, .axis, small { color: var(--soft); } .note { margin: .3rem 0; overflow-wrap: anywhere; }
    .unit { font-size: .8rem; font-weight: normal; }
    .warning { border: 2px solid var(--c5); border-radius: 6px; padding: .6rem .8rem; overflow-wrap: anywhere; }
    dl { margin: 0; } dt { font-weight: 600; overflow-wrap: anywhere; } dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
    .facts > div { display: grid; grid-template-columns: 7rem 1fr; gap: .5rem; }
    #definitions dl { columns: 28rem; column-gap: 2rem; } #definitions div { break-inside: avoid; }
    .term { border-bottom: 1px dotted var(--soft); cursor: help; overflow-wrap: anywhere; }
    [data-d] { cursor: help; } :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
    .figures { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(36rem, 100%), 1fr)); }
    .plots { grid-template-columns: repeat(auto-fill, minmax(min(28rem, 100%), 1fr)); }
    figure { margin: 0; padding: 12px; min-width: 0; background: var(--card); border: 1px solid var(--line);
      border-radius: 6px; break-inside: avoid; }
    figcaption { font-weight: 600; margin-bottom: .4rem; }
    .legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; list-style: none; margin: 0 0 .5rem; padding: 0;
      font-size: .85rem; overflow-wrap: anywhere; }
    .swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
    .row { display: grid; grid-template-columns: 7rem minmax(0, 1fr) 9.5rem; gap: .2rem .6rem; align-items: center;
      padding: 2px 0; font-size: .88rem; }
    .wide .row { grid-template-columns: 7rem minmax(0, 1fr) 15rem; }
    .bar { display: block; width: 100%; height: 16px; background: var(--back); border-bottom: 1px solid var(--line); }
    .value { font-variant-numeric: tabular-nums; }
    .plot svg { display: block; width: 100%; height: 130px; background: var(--back); border: 1px solid var(--line); }
    .plot polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
    .axis { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; margin: .1rem 0; font-size: .8rem; }
    \(colors)
    summary { cursor: pointer; color: var(--link); padding: .3rem 0; }
    .scroll { overflow-x: auto; margin-bottom: 1rem; max-width: 100%; }
    table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
    caption { text-align: left; font-weight: 600; padding: .3rem 0; white-space: nowrap; }
    th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom; }
    tbody th, .text, thead th:nth-child(-n+2) { text-align: left; font-weight: normal; }
    tbody th { max-width: 24rem; min-width: min(16rem, 48vw); overflow-wrap: anywhere; } td { white-space: nowrap; }
    thead .unit { display: block; white-space: nowrap; }
    button { all: unset; cursor: pointer; font-weight: 600; color: var(--link); }
    th button:focus-visible { outline: 2px solid var(--link); }
    th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
    tbody tr:hover { background: var(--card); }
    #tip { position: fixed; z-index: 1; max-width: min(26rem, calc(100vw - 16px)); padding: .5rem .7rem; border-radius: 6px;
      background: var(--text); color: var(--back); font-size: .85rem; pointer-events: none; overflow-wrap: anywhere; }
    #tip .unit, #tip .note { color: inherit; opacity: .85; } #tip dt, #tip dd { margin: 0; } #tip .note { display: block; }
    @media (max-width: 640px) { .row, .wide .row { grid-template-columns: 1fr auto; } .row .bar { grid-column: 1 / -1; order: 1; }
      .facts > div { grid-template-columns: 1fr; gap: 0; } #definitions dl { columns: auto; } }
    @page { size: A4 landscape; margin: 12mm; }
    @media print { :root { --back: #fff; --text: #000; --soft: #444; --line: #bbb; --card: #fff; --link: #000;
      --c0: #0072b2; --c6: #8a7d00; } #tip { display: none; } main { padding: 0; } .scroll { overflow: visible; }
      table { font-size: 6.5pt; } th, td { padding: 1pt 2pt; } thead th { overflow-wrap: anywhere; }
      thead .unit { white-space: normal; font-size: 6pt; } tbody th { min-width: 8em; }
      h2, h3, caption, .legend { break-after: avoid; } tr, .row { break-inside: avoid; }
      .figures { grid-template-columns: 1fr 1fr; }
      body { font-size: 9pt; } .term { border: 0; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }

    """

  private static let colors = (0..<7).map { number in
    ".b\(number) { fill: var(--c\(number)); background: var(--c\(number)); } .l\(number) { stroke: var(--c\(number)); }"
  }.joined(separator: "\n")
}
