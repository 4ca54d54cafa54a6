/**
 * The style of every page. It supports light and dark mode and screens at least 360 pixels wide, and loads no fonts or
 * images.
 */
export const style = `
:root{color-scheme:light dark;--page:#fff;--panel:#f6f8fa;--line:#d9dee4;--text:#1c2126;--muted:#57616b;--link:#0b57d0;--good:#146c2e;--warn:#7d4e00;--bad:#b3261e;--chip:#eaeef2;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace}
@media(prefers-color-scheme:dark){:root{--page:#12161b;--panel:#191f26;--line:#2e3741;--text:#e4e8ec;--muted:#9da8b3;--link:#8ab8ff;--good:#6fd68b;--warn:#e5b45c;--bad:#ff9d93;--chip:#26303a}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
main:focus{outline:none}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.3rem .8rem;z-index:1}
.unseen{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)}
header{background:var(--panel);border-bottom:1px solid var(--line)}
header nav,main{max-width:80rem;margin:0 auto;padding:0 1.25rem}
header ol{display:flex;flex-wrap:wrap;gap:0 .5rem;list-style:none;margin:0;padding:.7rem 0;font-size:.93rem}
header li+li::before{content:"/";color:var(--muted);margin-right:.5rem}
header li:first-child{font-weight:600}
main{padding-top:1.75rem;padding-bottom:4rem}
h1{font-size:1.65rem;line-height:1.25;margin:0;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.1rem;margin:2.5rem 0 .8rem;font-weight:620}
h3{font-size:1rem;margin:1.2rem 0 .4rem}
code,pre{font-family:var(--mono);font-size:.86em}
.lead{color:var(--muted);margin:.35rem 0 0}
.muted{color:var(--muted)}
.chip{display:inline-block;background:var(--chip);border-radius:1em;padding:.05em .65em;font-size:.82rem;margin:.1em .25em .1em 0}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.alert{border:1px solid var(--bad);border-left-width:4px;border-radius:6px;padding:.6rem .9rem;margin:1.25rem 0 0}
.jump{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:1.1rem 0 0;padding:0;list-style:none;font-size:.93rem}
.facts{margin-top:1.5rem}
.columns{display:grid;gap:0 3.5rem}
.columns>*{min-width:0}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) minmax(0,1fr);gap:.35rem 1.5rem;margin:0}
dt{color:var(--muted)}
dl:not(.wide) dt::first-letter{text-transform:uppercase}
dd{margin:0;min-width:0}
dl.wide{grid-template-columns:minmax(0,auto) minmax(0,1fr)}
dl.wide dt{font-family:var(--mono);font-size:.86em;line-height:1.8}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;padding:.5rem 1.25rem .5rem 0;vertical-align:baseline;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-weight:500;font-size:.85rem;white-space:nowrap}
tbody th{font-weight:550}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;padding-right:2.5rem}
td:last-child,th:last-child{padding-right:0}
.digest{white-space:nowrap}
button{font:inherit;font-size:.8rem;line-height:1.4;color:var(--link);background:var(--page);border:1px solid var(--line);border-radius:5px;padding:.1rem .55rem;cursor:pointer;white-space:nowrap}
button:hover{border-color:var(--link)}
.filter{display:flex;align-items:center;gap:.75rem;margin:1.5rem 0 .75rem}
.filter label{color:var(--muted);flex:none}
::placeholder{color:var(--muted);opacity:1}
input{font:inherit;color:inherit;background:var(--page);border:1px solid var(--muted);border-radius:6px;padding:.35rem .7rem;flex:0 1 22rem;min-width:0}
.commands{list-style:none;margin:0;padding:0}
.commands li+li{margin-top:.75rem}
.commands p{margin:0 0 .2rem;color:var(--muted);font-size:.88rem}
.command{display:flex;gap:.75rem;align-items:baseline;justify-content:space-between;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.4rem .5rem .4rem .8rem}
.command code{min-width:0}
details{border:1px solid var(--line);border-radius:6px;margin-bottom:.5rem}
summary{cursor:pointer;padding:.5rem .9rem}
summary strong{font-weight:550;margin-right:.5rem}
details[open]>summary{border-bottom:1px solid var(--line)}
.inside{padding:.35rem .9rem .7rem}
.inside tr:last-child>*{border-bottom:0}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;margin:0;padding:.9rem;overflow:auto;max-height:36rem;line-height:1.5;overflow-wrap:normal}
.tree,.tree ul{list-style:none;margin:0;padding:0}
.tree ul{margin-left:.45rem;padding-left:1.1rem;border-left:1px solid var(--line)}
.tree li{padding:.2rem 0}
.line{display:flex;flex-wrap:wrap;gap:0 .9rem;align-items:baseline}
.kind{color:var(--muted);font-size:.85rem;min-width:5.5rem}
.note{font-size:.9rem;margin:0 0 0 1.55rem}
.more{margin:1rem 0 0}
@media(min-width:64rem){.columns{grid-template-columns:repeat(auto-fit,minmax(30rem,1fr))}}
@media(max-width:44rem){
main{padding-top:1.25rem}
h1{font-size:1.4rem}
dl,dl.wide{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:.55rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,th,td{display:block;width:auto}
tr{border-bottom:1px solid var(--line);padding:.55rem 0}
.inside tr:last-child{border-bottom:0}
th,td,td:last-child,th:last-child,.number{border:0;padding:.1rem 0;text-align:left}
td[data-label]{display:grid;grid-template-columns:6.5rem minmax(0,1fr);gap:.5rem}
td[data-label]::before{content:attr(data-label);color:var(--muted);font-size:.85rem}
.digest{white-space:normal}
.tree ul{margin-left:.1rem;padding-left:.7rem}
.kind{min-width:4.6rem}
}
@media print{button,.filter,.jump,.skip{display:none!important}}
`;
